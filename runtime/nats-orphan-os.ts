// A nats-server that an earlier head left running: how it is known again.
//
// It is ours if it is a process of this user, was started at the moment and in the boot that we
// wrote down, and runs nats-server over our own configuration. A pid alone means nothing: it may
// have been given to anybody since. One of which no word was left (its head was killed in the
// moment between) is known by its program, folder and arguments, which no other process has.
//
// What must always hold: nothing that fails this is ever signalled, whatever the record says.

import { realpathSync, rmSync } from "node:fs";
import { basename } from "node:path";
import { type NatsFiles, type NatsRun, natsFilesIn, savedRun } from "./nats-files-os.ts";
import { natsArguments } from "./nats-process-os.ts";
import {
  bootId,
  endProcess,
  findProcesses,
  isAlive,
  type ProcessIdentity,
  type Program,
  programOf,
} from "./process-identity-os.ts";

export interface Orphans {
  /** What the record says, if that very process lives. */
  readonly recorded: NatsRun | undefined;
  /** Others over our configuration, which only keep a port and a log. */
  readonly strays: readonly ProcessIdentity[];
}

export function findOrphans(files: NatsFiles): Orphans {
  const saved = savedRun(files);
  const recorded = saved !== undefined && isOurs(saved, files) ? saved : undefined;
  const found = findProcesses((program) => runsOver(program, files), files.owner?.uid);
  return { recorded, strays: found.filter(({ pid }) => pid !== recorded?.pid) };
}

/** For one who starts none in their place. Resolves when they are gone. */
export async function endOrphans(dir: string): Promise<void> {
  const files = natsFilesIn(dir);
  const { recorded, strays } = findOrphans(files);
  for (const one of recorded === undefined ? strays : [recorded, ...strays]) await endProcess(one);
  rmSync(files.state, { force: true });
}

function isOurs(run: NatsRun, files: NatsFiles): boolean {
  if (run.boot === "" || run.boot !== bootId() || !isAlive(run)) return false;
  const program = programOf(run.pid, files.owner?.uid);
  if (program === undefined || !isOverOurs(program, files)) return false;
  return program.executable === run.executable || isNamedNats(program);
}

function runsOver(program: Program, files: NatsFiles): boolean {
  return isNamedNats(program) && isOverOurs(program, files);
}

function isNamedNats({ executable }: Program): boolean {
  return basename(executable) === "nats-server";
}

/** Its arguments end as ours do, and it stands in our folder; the same by another name, too. */
function isOverOurs({ args, folder }: Program, files: NatsFiles): boolean {
  const [flag] = natsArguments(files);
  const [config = "", before] = [args.at(-1), args.at(-2)];
  return before === flag && isSame(config, files.config) && isSame(folder, files.dir);
}

function isSame(path: string, other: string): boolean {
  return path === other || real(path) === real(other);
}

function real(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    // It is gone: then it is only what it is called.
    return path;
  }
}
