// Reads what the checks of the machine look at.
//
// It changes nothing: what it opens it closes, and the programs that it runs only say their version
// or what they see. What cannot be read is unknown, and the checks say what that means.

import { execFile } from "node:child_process";
import { accessSync, constants, readFileSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { promisify } from "node:util";
import type { Config } from "../model/config.ts";
import { errorText } from "../model/errors.ts";
import type { Home } from "../model/home.ts";
import { findNatsServer } from "../runtime/nats-process-os.ts";
import type { MachineReading, Program } from "./doctor-machine.ts";
import { cgroupPlaces, parseMounts } from "./mounts.ts";

const programMs = 5_000;
/** Nobody sets this one up: where it can be bound, all of 127.0.0.0/8 can. */
const loopbackAddress = "127.213.77.91";

export async function readMachine(home: Home, config: Config): Promise<MachineReading> {
  const [bash, natsServer, loopbackError, gpus] = await Promise.all([
    versioned(onPath("bash")),
    versioned(natsPath(config)),
    bindError(loopbackAddress),
    readGpus(),
  ]);
  const programs = { setsid: onPath("setsid"), mkfifo: onPath("mkfifo"), cat: onPath("cat") };
  const newestFileMs = newestOf([home.journal, `${home.journal}-wal`, home.headLog]);
  return {
    ...{ nodeVersion: process.versions.node, platform: process.platform },
    programs: { bash, ...programs },
    ...{ natsServer, isolation: config.local.isolation, loopbackError, gpus },
    cgroups: readCgroups(),
    limits: readLimits(),
    inotify: readInotify(),
    nowMs: Date.now(),
    ...(newestFileMs === undefined ? {} : { newestFileMs }),
    memoryFreeBytes: process.availableMemory(),
  };
}

/** A file's text; empty where it is not there or not for us. */
export function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // What cannot be read is unknown, and a check says so where it matters.
    return "";
  }
}

export function onPath(name: string): Program {
  const dirs = (process.env["PATH"] ?? "").split(":").filter((dir) => dir.startsWith("/"));
  const path = dirs.map((dir) => `${dir}/${name}`).find((file) => isAllowed(file, constants.X_OK));
  return path === undefined ? {} : { path };
}

export function isAllowed(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}

function natsPath({ bus }: Config): Program {
  try {
    return { path: findNatsServer(bus) };
  } catch {
    // It says how to install one; the check does too.
    return {};
  }
}

/** The first number with dots in what a program says of its version. */
async function versioned({ path }: Program): Promise<Program> {
  if (path === undefined) return {};
  try {
    const { stdout } = await promisify(execFile)(path, ["--version"], { timeout: programMs });
    const version = /\d+(\.\d+)+/.exec(stdout)?.[0];
    return version === undefined ? { path } : { path, version };
  } catch {
    return { path };
  }
}

async function bindError(host: string): Promise<string> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", (error) => resolve(errorText(error)));
    server.listen({ host, port: 0 }, () => server.close(() => resolve("")));
  });
}

async function readGpus(): Promise<MachineReading["gpus"]> {
  const { path } = onPath("nvidia-smi");
  if (path === undefined) return { kind: "no-tool" };
  const query = ["--query-gpu=name", "--format=csv,noheader"];
  try {
    const { stdout } = await promisify(execFile)(path, query, { timeout: programMs });
    return { kind: "found", names: stdout.split("\n").filter((name) => name.trim() !== "") };
  } catch (error) {
    return { kind: "failed", why: errorText(error) };
  }
}

function readCgroups(): MachineReading["cgroups"] {
  const own = textOf("/proc/self/cgroup").split("\n");
  return cgroupPlaces(parseMounts(textOf("/proc/self/mountinfo"))).flatMap(({ kind, point }) => {
    const line = own.find((text) =>
      kind === "v2" ? text.startsWith("0::") : /^\d+:(.*,)?freezer(,.*)?:/.test(text),
    );
    const below = line?.split(":").slice(2).join(":") ?? "/";
    // The same two places, in the same order, that an agent tries.
    return [...new Set([point, `${point}${below}`.replace(/\/$/, "")])].map((place) => {
      return { kind, point: place, isWritable: isAllowed(place, constants.W_OK | constants.X_OK) };
    });
  });
}

/** The hard ones: Node raises its own limits to them, and its children's with it. */
function readLimits(): MachineReading["limits"] {
  const text = textOf("/proc/self/limits");
  const files = limitOf(/^Max open files\s+\S+\s+(\S+)/m.exec(text)?.[1]);
  const processes = limitOf(/^Max processes\s+(\S+)/m.exec(text)?.[1]);
  return {
    ...(files === undefined ? {} : { files }),
    ...(processes === undefined ? {} : { processes }),
  };
}

function limitOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  return text === "unlimited" ? Number.POSITIVE_INFINITY : Number(text);
}

function readInotify(): MachineReading["inotify"] {
  const read = (name: string): number | undefined => {
    const text = textOf(`/proc/sys/fs/inotify/${name}`);
    return text === "" ? undefined : Number(text);
  };
  const [watches, instances] = [read("max_user_watches"), read("max_user_instances")];
  return {
    ...(watches === undefined ? {} : { watches }),
    ...(instances === undefined ? {} : { instances }),
  };
}

function newestOf(paths: readonly string[]): number | undefined {
  const times = paths.flatMap((path) => {
    const stat = statSync(path, { throwIfNoEntry: false });
    return stat === undefined ? [] : [stat.mtimeMs];
  });
  return times.length === 0 ? undefined : Math.max(...times);
}
