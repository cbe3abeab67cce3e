// The ground of a run: a home of its own, proxies before its wires, a cgroup around its processes.
//
// Every process of the run is started from here through `sky`, inside the cgroup where there is
// one that we may write (in a mount namespace of its own, so that the cgroups of ranks, which an
// agent makes at the top of the hierarchy, lie inside it too). Clients come through the proxies by
// a second home that holds nothing but the proxy's socket; they never start a head.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkout, type ProcessSeen, processesOf, program } from "../support/programs.ts";
import { type FaultProxy, startFaultProxy } from "../support/proxy.ts";
import type { Victim, Wire } from "./plan.ts";

export interface Ground {
  readonly folder: string;
  readonly home: string;
  /** The home of clients: its socket is the proxy's. */
  readonly clientHome: string;
  /** The run's own cgroup; absent where none can be made. */
  readonly cgroup: string | undefined;
  readonly wires: Readonly<Record<Wire, FaultProxy>>;
  sky(args: readonly string[], timeoutMs?: number): Promise<Said>;
  victims(kind: Victim): readonly ProcessSeen[];
  /** Ends the proxies; the folder goes unless it is to be kept. */
  close(keep: boolean): Promise<void>;
}

export interface Said {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const loopback = "127.0.0.1";

export async function openGround(): Promise<Ground> {
  const folder = mkdtempSync(join(tmpdir(), "chaos-"));
  const home = join(folder, "home");
  const clientHome = join(folder, "client");
  for (const dir of [home, join(clientHome, "head")]) mkdirSync(dir, { recursive: true });
  const bulkPort = await freePort();
  const wires = await openWires(home, clientHome, bulkPort);
  const config = [
    "local:\n  isolation: process",
    `bus:\n  advertise: ${loopback}:${wires.bus.port}`,
    `bulk:\n  port: ${bulkPort}\n  advertise: ${loopback}:${wires.bulk.port}`,
  ];
  writeFileSync(join(home, "config.yaml"), `${config.join("\n")}\n`);
  const cgroup = makeCgroup();
  const commands = new Set<ChildProcess>();
  return {
    ...{ folder, home, clientHome, wires, cgroup: cgroup?.path },
    sky: (args, timeoutMs = 60_000) => {
      const command = [...(cgroup?.enter ?? []), ...program("sky"), ...args];
      return say(command, { home, timeoutMs, commands });
    },
    victims: (kind) => victimsOf(home, kind),
    close: async (keep) => {
      for (const command of commands) command.kill("SIGKILL");
      await Promise.all(Object.values(wires).map((wire) => wire.close()));
      if (cgroup !== undefined) removeTree(cgroup.path);
      if (!keep) rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

async function openWires(home: string, clientHome: string, bulkPort: number) {
  const host = loopback;
  const [bus, bulk, api] = await Promise.all([
    startFaultProxy({ listen: { port: 0 }, target: () => busAt(home) }),
    startFaultProxy({ listen: { port: 0 }, target: () => ({ host, port: bulkPort }) }),
    startFaultProxy({
      listen: { path: join(clientHome, "head/api.sock") },
      target: () => ({ path: join(home, "head/api.sock") }),
    }),
  ]);
  return { bus, bulk, api };
}

/** The bus chooses its port when it first starts, and tells it in this file. */
function busAt(home: string) {
  try {
    const { port } = JSON.parse(readFileSync(`${home}/head/bus/nats-server.json`, "utf8"));
    return { host: loopback, port: Number(port) };
  } catch {
    return undefined; // It has not started yet.
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen({ host: loopback, port: 0 }, resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return address !== null && typeof address === "object" ? address.port : 0;
}

// ---- commands

interface Saying {
  readonly home: string;
  readonly timeoutMs: number;
  readonly commands: Set<ChildProcess>;
}

function say(command: readonly string[], { home, timeoutMs, commands }: Saying): Promise<Said> {
  const [file = "", ...args] = command;
  const { PATH = "", HOME = "" } = process.env;
  const env = {
    ...{ HOME, SKY_HOME: home, LANG: "C.UTF-8", USER: "tester", NO_COLOR: "1" },
    PATH: `${join(checkout, "node_modules/.bin")}:${PATH}:/usr/sbin:/sbin`,
    NODE_COMPILE_CACHE: join(checkout, ".tmp/compile"),
  };
  const stdio = ["ignore", "pipe", "pipe"] as const;
  const child = spawn(file, args, { cwd: home, env, stdio: [...stdio], timeout: timeoutMs });
  commands.add(child);
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout?.on("data", (bytes: Buffer) => out.push(bytes));
  child.stderr?.on("data", (bytes: Buffer) => err.push(bytes));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    // Not `close`: a head that this command started holds no pipe of ours, but need not be trusted.
    child.once("exit", (code) => {
      commands.delete(child);
      setImmediate(() => {
        const stdout = Buffer.concat(out).toString();
        resolve({ code, stdout, stderr: Buffer.concat(err).toString() });
      });
    });
  });
}

// ---- processes

const programs: Readonly<Record<Exclude<Victim, "launcher">, RegExp>> = {
  head: /\/skyhead\.(js|ts)( |$)/,
  skylet: /\/skylet\.(js|ts)$/,
  bus: /\/nats-server -c /,
};

function victimsOf(home: string, kind: Victim): readonly ProcessSeen[] {
  const all = processesOf(home);
  if (kind !== "launcher") return all.filter(({ command }) => programs[kind].test(command));
  // Its slots are forks of it and look alike: the launcher is the agent's own child.
  const agents = new Set(
    all.filter(({ command }) => programs.skylet.test(command)).map(({ pid }) => pid),
  );
  return all.filter(({ parent, command }) => agents.has(parent) && /\/launcher\.sh /.test(command));
}

// ---- cgroup

interface Cgroup {
  readonly path: string;
  /** Runs the rest of the command line inside. */
  readonly enter: readonly string[];
}

/** Cgroup v2, wherever it is mounted and may be written. */
function makeCgroup(): Cgroup | undefined {
  const line = readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .find((one) => one.split(" ")[2] === "cgroup2");
  const top = line?.split(" ")[1];
  if (top === undefined) return undefined;
  const path = `${top}/chaos-${process.pid}-${Date.now()}`;
  const script = [
    'mount --bind "$1" "$2" || exit 97',
    'echo $$ >"$2/programs/cgroup.procs" || exit 97',
    'shift 2; exec "$@"',
  ];
  const enter = ["unshare", "-m", "sh", "-c", script.join("\n"), "sh", path, top];
  try {
    mkdirSync(path);
    mkdirSync(`${path}/programs`);
  } catch {
    return undefined; // Not ours to write: the run is told apart by its folder's name.
  }
  const [file = "", ...args] = [...enter, "true"];
  if (spawnSync(file, args).status === 0) return { path, enter };
  removeTree(path);
  return undefined;
}

/** Folders of an empty cgroup. One that still holds a process stays, and is told by the audit. */
function removeTree(path: string): void {
  const find = ["-depth", "-type", "d", "-exec", "rmdir", "{}", ";"];
  spawnSync("find", [path, ...find], { stdio: "ignore" });
  try {
    rmdirSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") process.stderr.write(`${error}\n`);
  }
}
