// One run of nats-server: its files, its start, what its log says, its end.
//
// `runtime/nats-server-os.ts` keeps a server alive over many runs; this file knows one. The server
// has a session of its own and its log in a file, so that it outlives a killed head for as long as
// nobody takes its place; the state file tells the next start whom it will find.
//
// What must always hold: nothing is signalled that cannot be identified; all files are 0600.

import { type ChildProcess, spawn } from "node:child_process";
import {
  accessSync,
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { errorText, SkyError } from "../model/errors.ts";
import { followLines, type LogLines } from "./log-lines-os.ts";
import type { NatsConfig, NatsLogEvent, NatsUser } from "./nats-config.ts";
import { natsConfigText, parseNatsLogLine, parsePortsFile } from "./nats-config.ts";
import { identityOf, isAlive, type ProcessIdentity, signalProcess } from "./process-identity-os.ts";

/** What the message says when there is no nats-server. */
export const natsServerRemedy = "install it: apt-get install nats-server (2.9.10 or later)";

const readyMs = 15_000;
const stopMs = 5_000;
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

// ---- files

/** The files of a server, all in one directory. */
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
  readonly config: string;
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
  return readJson<NatsRun>(files.state);
}

export function saveUsers(files: NatsFiles, users: readonly NatsUser[]): void {
  writePrivate(files.users, `${JSON.stringify(users)}\n`);
}

export function savedUsers(files: NatsFiles): readonly NatsUser[] {
  return readJson<readonly NatsUser[]>(files.users) ?? [];
}

function readJson<T>(path: string): T | undefined {
  const text = readText(path);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as T;
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

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // Not there (yet).
    return undefined;
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
  const output = openSync(files.log, "a", 0o600);
  let failure: string | undefined;
  // Heard from before the start: a quick server must not be ready before anybody listens.
  const started = log.next(isStartEvent, { ms: readyMs, over: () => failure !== undefined });
  const child = spawn(options.binary, ["-c", files.config], {
    cwd: files.dir,
    detached: true,
    stdio: ["ignore", output, output],
    env: { PATH: process.env["PATH"] ?? "/usr/bin:/bin" },
  });
  closeSync(output);
  child.unref();
  child.once("error", (error) => {
    failure = errorText(error);
  });
  child.once("exit", (code, signal) => {
    failure ??= `it ended with ${code ?? signal}`;
  });
  const identity = child.pid === undefined ? undefined : identityOf(child.pid);
  const event = await started;
  if (identity === undefined || event?.kind !== "ready") {
    if (identity !== undefined) await endProcess(identity);
    if (event?.kind === "address-in-use") return { kind: "address-in-use" };
    return { kind: "failed", why: failure ?? `it was not ready in ${readyMs} ms` };
  }
  const port = options.port === -1 ? await chosenPort(files, identity) : options.port;
  if (port === undefined) return { kind: "failed", why: "it did not tell its port" };
  return { kind: "ready", run: { ...identity, config: files.config, port }, child };
}

function isStartEvent(event: NatsLogEvent): boolean {
  return event.kind === "ready" || event.kind === "address-in-use";
}

/** The server writes the file a little after it is ready. */
async function chosenPort(
  files: NatsFiles,
  identity: ProcessIdentity,
): Promise<number | undefined> {
  const path = `${files.dir}/nats-server_${identity.pid}.ports`;
  const deadline = performance.now() + readyMs;
  while (performance.now() < deadline && isAlive(identity)) {
    const port = parsePortsFile(readText(path) ?? "");
    if (port !== undefined) return port;
    await pause(lookMs);
  }
  return undefined;
}

/** TERM, some time, KILL; nothing if it is not the same process any more. */
export async function endProcess(identity: ProcessIdentity): Promise<void> {
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    signalProcess(identity, signal);
    const deadline = performance.now() + stopMs;
    while (isAlive(identity) && performance.now() < deadline) await pause(lookMs);
  }
}
