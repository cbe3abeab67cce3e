// The real programs, run against a SKY_HOME of their own.
//
// `place(t)` makes the home, `sky(...)` runs the command in it, and the end of the test takes the
// clusters down, ends the head by its pid and fails if any process that knows the home is left. The
// isolation comes from SKY_TEST_ISOLATION, so that the same test files run embedded and over a real
// nats-server. SKY_TEST_PROGRAMS=dist runs the bundles, anything else the sources.
// SKY_TEST_CLOUD=ssh gives each home a lab of real hosts, where its clusters are launched.

import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { TestContext } from "node:test";
import { onHosts, onPool, type PlaceHosts, placeHosts, processesOn } from "./place-hosts.ts";
import { type ProcessSeen, processesOf } from "./processes.ts";
import { until } from "./until.ts";

export { onHosts } from "./place-hosts.ts";
export type { ProcessSeen } from "./processes.ts";
export { isAlive, processesOf } from "./processes.ts";
export { until } from "./until.ts";

export const checkout = resolve(import.meta.dirname, "../..");

/** How the local clusters of this run keep their nodes. */
export const isolation = process.env["SKY_TEST_ISOLATION"] === "process" ? "process" : "embedded";

export interface Result {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly stdoutBytes: Buffer;
}

/** A command that is still running. */
export interface Running {
  readonly pid: number;
  readonly ended: Promise<Result>;
  stdout(): string;
  stderr(): string;
  signal(name: NodeJS.Signals): void;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
  readonly timeoutMs?: number;
  /** The folder of the programs; otherwise that of the place. */
  readonly programs?: string;
}

/** A SKY_HOME under test, and a folder beside it for task files and workdirs. */
export interface Place {
  readonly home: string;
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
  /** Where its clusters are, if not on this machine. */
  readonly hosts?: PlaceHosts;
  /** Writes a file below `folder` and returns its path. */
  file(name: string, text: string): string;
  /** Runs `sky` to its end. Throws only when it does not end in time. */
  sky(args: readonly string[], options?: RunOptions): Promise<Result>;
  /** Starts `sky` and lets it run. */
  start(args: readonly string[], options?: RunOptions): Running;
  /** The skyhead processes of this home. There should be at most one. */
  heads(): readonly ProcessSeen[];
  /** Every process of this home: heads, skylets, launchers, nats-server, ranks. */
  processes(): readonly ProcessSeen[];
  /** Called at the end of the test; twice is once. */
  close(): Promise<void>;
}

export interface PlaceOptions {
  /** The home's path below the test's folder. May be long and hold spaces. */
  readonly homeName?: string;
  /** For what only one of them has; otherwise that of the run. */
  readonly isolation?: "embedded" | "process";
  /** For homes that bring hosts of their own. */
  readonly cloud?: "none";
  /** More of `config.yaml`, after the isolation. */
  readonly config?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** A folder of programs that are not those of this checkout. */
  readonly programs?: string;
}

/** A new home for one test. With `t`, it is closed when the test ends. */
export function place(t: TestContext | undefined, options: PlaceOptions = {}): Place {
  const folder = mkdtempSync(join(tmpdir(), "sky-"));
  const home = join(folder, options.homeName ?? "home");
  mkdirSync(home, { recursive: true });
  const nodes = options.isolation ?? isolation;
  const config = `local:\n  isolation: ${nodes}\n${options.config ?? ""}`;
  writeFileSync(join(home, "config.yaml"), config);
  const hosts = onHosts && options.cloud !== "none" ? placeHosts(folder, home) : undefined;
  if (hosts !== undefined) writeFileSync(join(home, "ssh_node_pools.yaml"), hosts.pools);
  const env = { ...baseEnv(), SKY_HOME: home, ...hosts?.env, ...options.env };
  const usual = options.programs === undefined ? {} : { programs: options.programs };
  let closing: Promise<void> | undefined;

  const self: Place = {
    home,
    folder,
    env,
    ...(hosts === undefined ? {} : { hosts }),
    file: (name, text) => {
      const path = join(folder, name);
      mkdirSync(join(path, ".."), { recursive: true });
      writeFileSync(path, text);
      return path;
    },
    sky: (args, run) => endOf(self.start(args, run), args, run?.timeoutMs),
    start: (args, run) => {
      const words = hosts === undefined ? args : onPool(args);
      return start(env, words, { cwd: folder, ...usual, ...run });
    },
    heads: () => {
      const heads = processesOf(home).filter(isHead);
      // A child that a head just forks looks like it until it executes its own program.
      return heads.filter(({ parent }) => !heads.some(({ pid }) => pid === parent));
    },
    processes: () => [...processesOf(home), ...processesOn(hosts)],
    close: () => {
      closing ??= closePlace(self);
      return closing;
    },
  };
  t?.after(() => self.close());
  return self;
}

/** A program of ours as a command line: `program("sky", ["queue", "demo"])`. */
export function program(name: "sky" | "skyhead" | "skylet", folder?: string): readonly string[] {
  // Behind `--`, as the command starts itself: an --env-file is none of Node's.
  const node = name === "sky" ? [process.execPath, "--"] : [process.execPath];
  if (folder !== undefined) return [...node, join(folder, `${name}.js`)];
  const bundled = process.env["SKY_TEST_PROGRAMS"] === "dist";
  return [...node, join(checkout, bundled ? `dist/${name}.js` : `bin/${name}.ts`)];
}

function isHead(seen: ProcessSeen): boolean {
  // The word stands in the program's path, not in an argument such as a node's address.
  return seen.command.split(" ").some((word) => /\/skyhead(-main)?\.(js|ts)$/.test(word));
}

/** What a user's shell would hand on, without what would change the programs under test. */
function baseEnv(): Record<string, string> {
  const { PATH = "", HOME = "", LANG = "C.UTF-8", TMPDIR } = process.env;
  return {
    PATH: `${join(checkout, "node_modules/.bin")}:${PATH}:/usr/sbin:/sbin`,
    HOME,
    LANG,
    USER: "tester",
    NO_COLOR: "1",
    // Compiled once for all homes of a run.
    NODE_COMPILE_CACHE: join(checkout, ".tmp/compile"),
    ...(TMPDIR === undefined ? {} : { TMPDIR }),
  };
}

function start(
  base: Readonly<Record<string, string>>,
  args: readonly string[],
  options: RunOptions,
): Running {
  const [node = "", ...rest] = [...program("sky", options.programs), ...args];
  const child = spawn(node, rest, {
    cwd: options.cwd,
    env: { ...base, ...options.env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  // A command that ends without reading its input is no failure of the test.
  child.stdin.on("error", () => {});
  child.stdin.end(options.stdin ?? "");
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on("data", (bytes: Buffer) => out.push(bytes));
  child.stderr.on("data", (bytes: Buffer) => err.push(bytes));
  return {
    pid: child.pid ?? -1,
    ended: ended(child, out, err),
    stdout: () => Buffer.concat(out).toString(),
    stderr: () => Buffer.concat(err).toString(),
    signal: (name) => child.kill(name),
  };
}

function ended(child: ChildProcess, out: Buffer[], err: Buffer[]): Promise<Result> {
  return new Promise((resolveEnd, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => {
      const stdoutBytes = Buffer.concat(out);
      const stderr = Buffer.concat(err).toString();
      resolveEnd({ code, signal, stdout: stdoutBytes.toString(), stderr, stdoutBytes });
    });
  });
}

async function endOf(
  running: Running,
  args: readonly string[],
  timeoutMs = 60_000,
): Promise<Result> {
  const late = setTimeout(() => running.signal("SIGKILL"), timeoutMs);
  const result = await running.ended;
  clearTimeout(late);
  if (result.signal !== "SIGKILL") return result;
  const said = `${result.stdout}\n${result.stderr}`;
  throw new Error(`sky ${args.join(" ")} did not end within ${timeoutMs} ms:\n${said}`);
}

async function closePlace(self: Place): Promise<void> {
  try {
    // Ranks outlive a head that was killed: a new head finds them and takes them down.
    if (self.processes().length > 0) await takeDown(self);
    for (const { pid } of self.heads()) signalIfThere(pid, "SIGTERM");
    await until("every process of the home has ended", () => self.processes().length === 0, {
      deadlineMs: 15_000,
      describe: () => JSON.stringify(self.processes(), undefined, 1),
    });
  } finally {
    for (const { pid } of self.processes()) signalIfThere(pid, "SIGKILL");
    await self.hosts?.close();
    rmSync(self.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function takeDown(self: Place): Promise<void> {
  const { code, stdout, stderr } = await self.sky(["down", "-a", "-y"]);
  if (code !== 0) throw new Error(`sky down -a -y ended with ${code}:\n${stdout}\n${stderr}`);
}

/** A process that ended a moment ago needs no signal. */
function signalIfThere(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
