// One run of nats-server: its start, and what its log says.
//
// `runtime/nats-server-os.ts` keeps a server alive over many runs; this file knows one. The server
// has a session of its own and its log in a file, so that it outlives a killed head and goes on
// serving; the state file tells the next head whom it will find.

import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, closeSync, constants, openSync, realpathSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { errorText, SkyError } from "../model/errors.ts";
import { followLines, type LogLines } from "./log-lines-os.ts";
import type { NatsLogEvent } from "./nats-config.ts";
import { parseNatsLogLine, parsePortsFile } from "./nats-config.ts";
import { type NatsFiles, type NatsRun, readIfThere, saveRun } from "./nats-files-os.ts";
import {
  bootId,
  endProcess,
  identityOf,
  isAlive,
  type ProcessIdentity,
  programOf,
} from "./process-identity-os.ts";

/** What the message says when there is no nats-server. */
export const natsServerRemedy = "install it: apt-get install nats-server (2.9.10 or later)";

const readyMs = 15_000;
const lookMs = 25;

/** The path of nats-server. @throws SkyError `process/failed` with what installs it. */
export function findNatsServer(options: {
  readonly binary?: string;
  readonly binaryDirs?: readonly string[];
}): string {
  const dirs = [
    ...(process.env["PATH"] ?? "").split(":").filter((dir) => dir.startsWith("/")),
    "/usr/sbin",
    "/usr/local/bin",
    ...(options.binaryDirs ?? []),
  ];
  const candidates =
    options.binary === undefined ? dirs.map((dir) => `${dir}/nats-server`) : [options.binary];
  const found = candidates.find(isExecutable);
  if (found !== undefined) return found;
  throw new SkyError("process/failed", {
    what: "nats-server was not found",
    why: natsServerRemedy,
  });
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

// ---- the log

/** The events of the log, for whoever waits for one. */
export class NatsLog {
  readonly #lines: LogLines;
  readonly #hearers = new Set<(event: NatsLogEvent) => void>();

  constructor(path: string, hear: (event: NatsLogEvent) => void) {
    this.#hearers.add(hear);
    this.#lines = followLines(path, (line) => {
      const event = parseNatsLogLine(line);
      if (event === undefined) return;
      for (const hearer of [...this.#hearers]) hearer(event);
    });
  }

  read(): void {
    this.#lines.read();
  }

  tail(): readonly string[] {
    this.#lines.read();
    return this.#lines.tail();
  }

  close(): void {
    this.#lines.read();
    this.#lines.close();
  }

  /**
   * The first event that `want` takes, from now on; `undefined` after `ms` or when `over` resolves.
   * While somebody waits, the file is looked at as well as watched.
   */
  async next(
    want: (event: NatsLogEvent) => boolean,
    limit: { readonly ms: number; readonly over?: () => boolean },
  ): Promise<NatsLogEvent | undefined> {
    let found: NatsLogEvent | undefined;
    const hear = (event: NatsLogEvent): void => {
      if (want(event)) found ??= event;
    };
    this.#lines.read();
    this.#hearers.add(hear);
    const deadline = performance.now() + limit.ms;
    while (found === undefined && performance.now() < deadline && limit.over?.() !== true) {
      await pause(lookMs);
      this.#lines.read();
    }
    this.#hearers.delete(hear);
    return found;
  }
}

// ---- one run

export type StartOutcome =
  | { readonly kind: "ready"; readonly run: NatsRun; readonly child: ChildProcess }
  | { readonly kind: "address-in-use" }
  | { readonly kind: "failed"; readonly why: string };

/** Starts the program over a configuration that has been written, and waits until it is ready. */
export async function launchNats(options: {
  readonly binary: string;
  readonly files: NatsFiles;
  readonly log: NatsLog;
  /** The port in the configuration; -1 = it chooses. */
  readonly port: number;
}): Promise<StartOutcome> {
  const { files, log } = options;
  let failure: string | undefined;
  // Heard from before the start: a quick server must not be ready before anybody listens.
  const started = log.next(isStartEvent, { ms: readyMs, over: () => failure !== undefined });
  const child = spawnNats(options.binary, files);
  child.once("error", (error) => {
    failure = errorText(error);
  });
  child.once("exit", (code, signal) => {
    failure ??= `it ended with ${code ?? signal}`;
  });
  const run = runOf(child, options);
  // From here on a head that is killed leaves word of it.
  if (run !== undefined) saveRun(files, run);
  const event = await started;
  if (run === undefined || event?.kind !== "ready") {
    if (run !== undefined) await endProcess(run);
    if (event?.kind === "address-in-use") return { kind: "address-in-use" };
    return { kind: "failed", why: failure ?? `it was not ready in ${readyMs} ms` };
  }
  const port = options.port === -1 ? await chosenPort(files, run) : options.port;
  if (port === undefined) {
    await endProcess(run);
    return { kind: "failed", why: "it did not tell its port" };
  }
  const { executable = run.executable } = programOf(run.pid, files.owner?.uid) ?? {};
  const ready = { ...run, executable, port };
  saveRun(files, ready);
  return { kind: "ready", run: ready, child };
}

function spawnNats(binary: string, files: NatsFiles): ChildProcess {
  const output = openSync(files.log, "a", 0o600);
  const child = spawn(binary, [...natsArguments(files)], {
    cwd: files.dir,
    detached: true,
    stdio: ["ignore", output, output],
    env: { PATH: process.env["PATH"] ?? "/usr/bin:/bin" },
    ...files.owner,
  });
  closeSync(output);
  child.unref();
  return child;
}

/** By these a server is known again: nobody else's has our configuration. */
export function natsArguments(files: NatsFiles): readonly string[] {
  return ["-c", files.config];
}

function runOf(
  { pid }: ChildProcess,
  options: { readonly binary: string; readonly files: NatsFiles; readonly port: number },
): NatsRun | undefined {
  const identity = pid === undefined ? undefined : identityOf(pid);
  if (identity === undefined) return undefined;
  const { binary, files, port } = options;
  return {
    ...identity,
    ...{ boot: bootId(), executable: realpathSync(binary), config: files.config },
    port: Math.max(0, port),
  };
}

function isStartEvent(event: NatsLogEvent): boolean {
  return event.kind === "ready" || event.kind === "address-in-use";
}

/** The server writes the file a little after it is ready. */
async function chosenPort(
  files: NatsFiles,
  identity: ProcessIdentity,
): Promise<number | undefined> {
  const path = `${files.ports}/nats-server_${identity.pid}.ports`;
  const deadline = performance.now() + readyMs;
  while (performance.now() < deadline && isAlive(identity)) {
    const port = parsePortsFile(readIfThere(path) ?? "");
    if (port !== undefined) return port;
    await pause(lookMs);
  }
  return undefined;
}
