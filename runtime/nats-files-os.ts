// The files of our nats-server, all in one directory: its configuration and keys, its log, and what
// the next head must know of it: who runs, and who may connect.
//
// What must always hold: all of them are the owner's only; a reader sees the old or the new
// content. What cannot be read, or is not what we write, counts as not there: nothing that it may
// have named is touched, and nothing of it gets into a configuration.

import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import type { NatsConfig, NatsUser } from "./nats-config.ts";
import { isNatsUser, natsConfigText } from "./nats-config.ts";
import type { ProcessIdentity } from "./process-identity-os.ts";

export interface NatsFiles {
  readonly dir: string;
  readonly config: string;
  readonly certificate: string;
  readonly key: string;
  readonly authority: string;
  readonly log: string;
  /** Who runs, for whoever starts next. */
  readonly state: string;
  /** Who may connect, likewise. Public keys only. */
  readonly users: string;
}

/** Who runs, and where it listens. */
export interface NatsRun extends ProcessIdentity {
  /** Of the boot that it was started in: pids and start times mean nothing in another. */
  readonly boot: string;
  /** The program's file. */
  readonly executable: string;
  readonly config: string;
  /** 0 until it has told which it chose. */
  readonly port: number;
}

/** Makes the directory, and takes away what killed servers left in it. */
export function natsFilesIn(dir: string): NatsFiles {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  for (const name of readdirSync(dir)) {
    if (/^nats-server_\d+\.ports$/.test(name)) rmSync(`${dir}/${name}`, { force: true });
  }
  const log = `${dir}/nats-server.log`;
  closeSync(openSync(log, "a", 0o600));
  return {
    dir,
    log,
    config: `${dir}/nats-server.conf`,
    certificate: `${dir}/server.crt`,
    key: `${dir}/server.key`,
    authority: `${dir}/authority.crt`,
    state: `${dir}/nats-server.json`,
    users: `${dir}/users.json`,
  };
}

export function writeNatsConfig(
  files: NatsFiles,
  config: Pick<NatsConfig, "host" | "port" | "users">,
): void {
  const text = natsConfigText({
    ...config,
    portsDir: files.dir,
    certificateFile: files.certificate,
    keyFile: files.key,
    authorityFile: files.authority,
  });
  writePrivate(files.config, text);
}

export function saveRun(files: NatsFiles, run: NatsRun): void {
  writePrivate(files.state, `${JSON.stringify(run)}\n`);
}

/** The run that an earlier process of ours wrote down. */
export function savedRun(files: NatsFiles): NatsRun | undefined {
  const found = readJson(files.state);
  return isRun(found) ? found : undefined;
}

/** Where the one before listened, also if nothing else is known of it. */
export function savedPort(files: NatsFiles): number | undefined {
  const { port } = (readJson(files.state) ?? {}) as { readonly port?: unknown };
  return Number.isInteger(port) && Number(port) > 0 ? Number(port) : undefined;
}

function isRun(found: unknown): found is NatsRun {
  if (typeof found !== "object" || found === null) return false;
  const { pid, port, startedAt, boot, executable, config } = found as Partial<NatsRun>;
  const texts = [startedAt, boot, executable, config];
  return [pid, port].every(Number.isInteger) && texts.every((text) => typeof text === "string");
}

export function saveUsers(files: NatsFiles, users: readonly NatsUser[]): void {
  writePrivate(files.users, `${JSON.stringify(users)}\n`);
}

export function savedUsers(files: NatsFiles): readonly NatsUser[] {
  const found = readJson(files.users);
  return Array.isArray(found) ? found.filter(isNatsUser) : [];
}

function readJson(path: string): unknown {
  const text = readIfThere(path);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    // Half a file of a machine that lost power: what it named is gone too, or joins again.
    return undefined;
  }
}

/** A reader sees the old or the new content, and nobody else sees any. */
export function writePrivate(path: string, text: string): void {
  const next = `${path}.next`;
  writeFileSync(next, text, { mode: 0o600 });
  renameSync(next, path);
}

export function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // Not there (yet).
    return undefined;
  }
}
