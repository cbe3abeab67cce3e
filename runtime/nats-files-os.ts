// The files of our nats-server, all in one directory: its configuration and keys, its log, and what
// the next head must know of it: who runs, and who may connect.
//
// What must always hold: all of them are the owner's only; a reader sees the old or the new
// content. What cannot be read, or is not what we write, counts as not there: nothing that it may
// have named is touched, and nothing of it gets into a configuration.

import {
  chmodSync,
  chownSync,
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

/** Another user than ours, as whom the server runs. */
export interface NatsOwner {
  readonly uid: number;
  readonly gid: number;
}

export interface NatsFiles {
  readonly dir: string;
  /** Who runs it, if not we: it reads what it needs by its group, and writes into `ports` alone. */
  readonly owner?: NatsOwner;
  /** Where it tells the port that it chose. */
  readonly ports: string;
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
export function natsFilesIn(dir: string, owner?: NatsOwner): NatsFiles {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const ports = owner === undefined ? dir : `${dir}/ports`;
  if (owner !== undefined) {
    mkdirSync(ports, { recursive: true, mode: 0o700 });
    chownSync(ports, owner.uid, owner.gid);
  }
  for (const name of readdirSync(ports)) {
    if (/^nats-server_\d+\.ports$/.test(name)) rmSync(`${ports}/${name}`, { force: true });
  }
  const log = `${dir}/nats-server.log`;
  closeSync(openSync(log, "a", 0o600));
  return {
    ...{ dir, ports, log },
    ...(owner === undefined ? {} : { owner }),
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
    portsDir: files.ports,
    certificateFile: files.certificate,
    keyFile: files.key,
    authorityFile: files.authority,
  });
  writeReadable(files, files.config, text);
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

/** The same for what the server reads, whoever runs it. */
export function writeReadable({ owner }: NatsFiles, path: string, text: string): void {
  if (owner === undefined) {
    writePrivate(path, text);
    return;
  }
  const next = `${path}.next`;
  writeFileSync(next, text, { mode: 0o600 });
  chownSync(next, -1, owner.gid);
  chmodSync(next, 0o640);
  renameSync(next, path);
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
