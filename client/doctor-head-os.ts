// Reads what the checks of the head look at, and reaches a head that runs. Starts none, ever.
//
// Who holds the lock is read from the kernel's table of locks: trying to take it could make a head
// that starts at that moment believe that another one runs.

import { createHash } from "node:crypto";
import { closeSync, existsSync, openSync, readlinkSync, readSync, statSync } from "node:fs";
import { errorText } from "../model/errors.ts";
import type { Home } from "../model/home.ts";
import { socketAddress } from "../runtime/socket-os.ts";
import { packageVersion } from "../runtime/version-os.ts";
import { isListening } from "./connect-os.ts";
import { at } from "./doctor.ts";
import type { HeadReading, HomeCgroup, HomeProcess } from "./doctor-head.ts";
import { namesIn } from "./doctor-home-os.ts";
import { textOf } from "./doctor-machine-os.ts";
import type { Head } from "./head.ts";
import { cgroupPlaces, parseMounts } from "./mounts.ts";

const answerMs = 5_000;
const logTailBytes = 256 * 1_024;

/** The head of this home if one takes connections. gRPC is loaded only then. */
export async function runningHead(home: Home): Promise<Head | undefined> {
  if (!(await isListening(home))) return undefined;
  const [{ dialHead }, { headOver }] = await Promise.all([
    import("../proto/client-grpc.ts"),
    import("./head-grpc.ts"),
  ]);
  return headOver(async () => {
    const address = socketAddress(home.socket);
    const client = dialHead(`unix:${address.path}`);
    const close = (): void => {
      client.close();
      address.release();
    };
    return { ...client, close };
  });
}

export async function readHead(home: Home, head: Head | undefined): Promise<HeadReading> {
  const answer = await answerOf(head);
  const holder = holderOf(home.lock);
  // Before the head is asked: a cluster that is launched meanwhile would be nobody's.
  const processes = processesOf(home);
  const inside = answer.kind === "version" ? await insideOf(head) : undefined;
  return {
    home: home.root,
    ourVersion: packageVersion(),
    answer,
    ...(holder === undefined ? {} : { holder }),
    ...modes(home),
    logPath: home.headLog,
    logTail: tailOf(home.headLog),
    ...(inside === undefined ? {} : { inside, isReplicaBeside: isReplicaBeside(home, inside) }),
    processes,
    cgroups: cgroupsOf(home),
  };
}

function isReplicaBeside(home: Home, inside: unknown): boolean {
  const dir = at(inside, "process", "replica", "dir");
  if (typeof dir !== "string") return false;
  const [journal, replica] = [home.head, dir].map((path) => {
    return statSync(path, { throwIfNoEntry: false })?.dev;
  });
  return journal !== undefined && journal === replica;
}

/** A head that tells its version and no more has its own checks. */
async function insideOf(head: Head | undefined): Promise<unknown> {
  try {
    const json = await head?.inspect(undefined, AbortSignal.timeout(answerMs));
    return json === undefined ? undefined : JSON.parse(json);
  } catch {
    return undefined; // An older one, or one that has just gone: nothing is known.
  }
}

/** What it says of itself, or that it does not within a few seconds. */
export async function answerOf(head: Head | undefined): Promise<HeadReading["answer"]> {
  if (head === undefined) return { kind: "nobody-listens" };
  const late = AbortSignal.timeout(answerMs);
  try {
    const { version, pid } = await head.version(late);
    return { kind: "version", version, pid };
  } catch (error) {
    const why = late.aborted ? `no answer within ${answerMs / 1_000} s` : errorText(error);
    return { kind: "silent", why };
  }
}

function modes(home: Home): Pick<HeadReading, "socketMode" | "lockMode" | "headFolderMode"> {
  const [socketMode, lockMode, headFolderMode] = [home.socket, home.lock, home.head].map((path) => {
    return statSync(path, { throwIfNoEntry: false })?.mode;
  });
  return {
    ...(socketMode === undefined ? {} : { socketMode }),
    ...(lockMode === undefined ? {} : { lockMode }),
    ...(headFolderMode === undefined ? {} : { headFolderMode }),
  };
}

/** Source: proc(5), /proc/locks: `1: POSIX  ADVISORY  WRITE 1234 fe:00:99 0 EOF`. */
function holderOf(lock: string): number | undefined {
  const inode = statSync(lock, { throwIfNoEntry: false })?.ino;
  if (inode === undefined) return undefined;
  for (const line of textOf("/proc/locks").split("\n")) {
    const [, , , kind, pid, file] = line.trim().split(/\s+/);
    if (kind === "WRITE" && file?.split(":")[2] === String(inode)) return Number(pid);
  }
  return undefined;
}

/** The last lines of a file; the first of them may be cut. */
export function tailOf(path: string): readonly string[] {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  const buffer = Buffer.alloc(Math.min(size, logTailBytes));
  if (buffer.length === 0) return [];
  const file = openSync(path, "r");
  const count = readSync(file, buffer, 0, buffer.length, size - buffer.length);
  closeSync(file);
  const lines = buffer.toString("utf8", 0, count).split("\n");
  return lines.filter((line) => line !== "");
}

/** Programs of ours that belong to this home, apart from its head. */
function processesOf(home: Home): readonly HomeProcess[] {
  const pids = namesIn("/proc").filter((name) => /^\d+$/.test(name));
  return pids.flatMap((name) => {
    const pid = Number(name);
    return pid === process.pid ? [] : processAt(pid, home);
  });
}

/** What only our own programs have in their command lines. */
const ourPrograms = /(^|[\s/])(nats-server|skylet(-main)?\.(js|ts)|runner\.sh|launcher\.sh)(\s|$)/;

function processAt(pid: number, home: Home): readonly HomeProcess[] {
  const command = textOf(`/proc/${pid}/cmdline`).replaceAll("\0", " ").trim();
  const environment = textOf(`/proc/${pid}/environ`).split("\0");
  const isRank = environment.some((text) => text.startsWith("SKYLET_RANK="));
  if (!isRank && !ourPrograms.test(command)) return [];
  const own = environment.find((text) => text.startsWith("HOME="))?.slice("HOME=".length) ?? "";
  const places = [folderOf(pid), own, ...command.split(" ")];
  const below = (folder: string): string | undefined => {
    return places.find((place) => place.startsWith(`${folder}/`))?.slice(folder.length + 1);
  };
  const cluster = below(home.clusters)?.split("/")[0];
  if (cluster === undefined && below(home.head) === undefined) return [];
  const clusterExists = cluster !== undefined && existsSync(home.cluster(cluster).root);
  return [{ pid, command, clusterExists, ...(cluster === undefined ? {} : { cluster }) }];
}

function folderOf(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    // It ended, or is another user's.
    return "";
  }
}

/** An agent names its cgroup by the hash of its state folder, so homes can be told apart. */
function cgroupsOf(home: Home): readonly HomeCgroup[] {
  const names = namesIn(home.clusters).flatMap((cluster) => {
    return namesIn(`${home.cluster(cluster).root}/nodes`).map((node) => {
      const { state } = home.cluster(cluster).node(node);
      const hash = createHash("sha256").update(state).digest("hex").slice(0, 12);
      return `skylet-${hash}-${cluster}-${node}`;
    });
  });
  const points = cgroupPlaces(parseMounts(textOf("/proc/self/mountinfo"))).map(
    ({ point }) => point,
  );
  const paths = points.flatMap((point) => names.map((name) => `${point}/${name}`));
  return paths
    .filter((path) => existsSync(path))
    .map((path) => {
      return { path, processCount: processCount(path) };
    });
}

function processCount(cgroup: string): number {
  const leaves = namesIn(cgroup).filter((name) => /^[0-9a-f]{16}-\d+$/.test(name));
  const counts = leaves.map((leaf) => {
    return textOf(`${cgroup}/${leaf}/cgroup.procs`).split("\n").filter(Boolean).length;
  });
  return counts.reduce((sum, count) => sum + count, 0);
}
