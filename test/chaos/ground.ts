// The ground of a run: a home of its own, proxies before its wires, a cgroup around its processes.
//
// Every process of the run is started from here through `sky`, inside the cgroup where there is
// one that we may write (in a mount namespace of its own, so that the cgroups of ranks, which an
// agent makes at the top of the hierarchy, lie inside it too). Most clients come through a proxy,
// by a second home that holds nothing but the proxy's socket; they never start a head.

import { type ChildProcess, spawn } from "node:child_process";
import {
  createWriteStream,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { finished } from "node:stream/promises";
import { checkout, program } from "../support/programs.ts";
import { type FaultProxy, startFaultProxy } from "../support/proxy.ts";
import { type Cgroup, makeCgroup } from "./cgroup.ts";
import type { Wire } from "./plan.ts";
import { places } from "./rank-script.ts";

export interface Ground {
  readonly folder: string;
  readonly home: string;
  /** The home of clients: its socket is the proxy's. */
  readonly clientHome: string;
  /** The run's own cgroup; a sentence about why there is none. */
  readonly cgroup: Cgroup | string;
  readonly wires: Readonly<Record<Wire, FaultProxy>>;
  sky(args: readonly string[], timeoutMs?: number): Promise<Said>;
  /** Runs `sky` to its end, its output into a file; resolves with its exit code. */
  follow(args: readonly string[], into: Into): Promise<number | null>;
  /** Ends the proxies and whatever command still runs. */
  close(): Promise<void>;
  remove(): void;
}

export interface Said {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Into {
  readonly home: string;
  /** Standard output; what it says on the other stands in `<path>.err`. */
  readonly path: string;
}

const loopback = "127.0.0.1";

export async function openGround(): Promise<Ground> {
  const folder = mkdtempSync(join(tmpdir(), "chaos-"));
  const home = join(folder, "home");
  const clientHome = join(folder, "client");
  for (const dir of [home, join(clientHome, "head"), join(folder, "tmp")]) {
    mkdirSync(dir, { recursive: true });
  }
  for (const name of Object.values(places)) {
    if (name === places.side) writeFileSync(join(folder, name), "");
    else mkdirSync(join(folder, name));
  }
  const bulkPort = await freePort();
  const wires = await openWires({ folder, home, clientHome, bulkPort });
  const config = [
    "local:\n  isolation: process",
    `bus:\n  advertise: ${loopback}:${wires.bus.port}`,
    `bulk:\n  port: ${bulkPort}\n  advertise: ${loopback}:${wires.bulk.port}`,
    `join:\n  advertise: ${joinSocket(folder)}`,
  ];
  writeFileSync(join(home, "config.yaml"), `${config.join("\n")}\n`);
  const cgroup = makeCgroup();
  const commands = new Set<ChildProcess>();
  const enter = typeof cgroup === "string" ? [] : cgroup.enter;
  const start = (args: readonly string[], at: string, timeoutMs: number): ChildProcess => {
    const child = started([...enter, ...program("sky"), ...args], { folder, home: at, timeoutMs });
    commands.add(child);
    child.once("exit", () => commands.delete(child));
    return child;
  };
  return {
    ...{ folder, home, clientHome, wires, cgroup },
    sky: (args, timeoutMs = 60_000) => said(start(args, home, timeoutMs)),
    follow: (args, into) => printed(start(args, into.home, followMs), into.path),
    close: async () => {
      for (const command of commands) command.kill("SIGKILL");
      await Promise.all(Object.values(wires).map((wire) => wire.close()));
    },
    remove: () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }),
  };
}

interface Wiring {
  readonly folder: string;
  readonly home: string;
  readonly clientHome: string;
  readonly bulkPort: number;
}

async function openWires({ folder, home, clientHome, bulkPort }: Wiring) {
  const host = loopback;
  const toHead = () => ({ path: join(home, "head/api.sock") });
  const [bus, bulk, api, joining] = await Promise.all([
    startFaultProxy({ listen: { port: 0 }, target: () => busAt(home) }),
    startFaultProxy({ listen: { port: 0 }, target: () => ({ host, port: bulkPort }) }),
    startFaultProxy({ listen: { path: join(clientHome, "head/api.sock") }, target: toHead }),
    startFaultProxy({ listen: { path: joinSocket(folder) }, target: toHead }),
  ]);
  return { bus, bulk, api, join: joining };
}

function joinSocket(folder: string): string {
  return join(folder, "join.sock");
}

/** The bus chooses its port when it first starts, and tells it in this file. */
export function busAt(home: string) {
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

/** Longer than any run: whoever follows is ended with the ground. */
const followMs = 3_600_000;

interface Start {
  readonly folder: string;
  readonly home: string;
  readonly timeoutMs: number;
}

function started(command: readonly string[], { folder, home, timeoutMs }: Start): ChildProcess {
  const [file = "", ...args] = command;
  const { PATH = "", HOME = "" } = process.env;
  const env = {
    ...{ HOME, SKY_HOME: home, LANG: "C.UTF-8", USER: "tester", NO_COLOR: "1" },
    PATH: `${join(checkout, "node_modules/.bin")}:${PATH}:/usr/sbin:/sbin`,
    NODE_COMPILE_CACHE: join(checkout, ".tmp/compile"),
    TMPDIR: join(folder, "tmp"),
  };
  return spawn(file, args, {
    ...{ cwd: home, env, timeout: timeoutMs },
    stdio: ["ignore", "pipe", "pipe"],
  });
}

async function said(child: ChildProcess): Promise<Said> {
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout?.on("data", (bytes: Buffer) => out.push(bytes));
  child.stderr?.on("data", (bytes: Buffer) => err.push(bytes));
  const code = await ended(child);
  const stderr = Buffer.concat(err).toString() + (child.signalCode ?? "");
  return { code, stdout: Buffer.concat(out).toString(), stderr };
}

async function printed(child: ChildProcess, path: string): Promise<number | null> {
  const files = [child.stdout, child.stderr].map((stream, index) =>
    stream?.pipe(createWriteStream(index === 0 ? path : `${path}.err`)),
  );
  const code = await ended(child);
  await Promise.all(files.map((file) => file && finished(file)));
  return code;
}

/** Its output is read to the end: a head that it started holds no pipe of ours. */
function ended(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve(code));
  });
}
