// The checks of the home's skyhead, and of what lies about without one.
//
// A head that does not run is nothing wrong: the next command starts one, and it finds the ranks
// that ran on. What it cannot find are things of clusters that are gone.

import { at, type Checks, counted, ok, problem, someOf, type Verdict, warning } from "./doctor.ts";
import { storeVerdict } from "./doctor-chunks.ts";
import { quoted } from "./doctor-home.ts";
import { replicaVerdict, roomVerdict } from "./doctor-journal.ts";

export interface HeadReading {
  readonly home: string;
  readonly ourVersion: string;
  /** Who holds the home's lock. */
  readonly holder?: number;
  readonly answer:
    | { readonly kind: "nobody-listens" }
    | { readonly kind: "silent"; readonly why: string }
    | { readonly kind: "version"; readonly version: string; readonly pid: number };
  /** Permission bits; absent = there is no such file. */
  readonly socketMode?: number;
  readonly lockMode?: number;
  readonly headFolderMode?: number;
  readonly logPath: string;
  /** The end of its log, line by line. */
  readonly logTail: readonly string[];
  /** What the head says of itself, if it was asked and answered. */
  readonly inside?: unknown;
  /** Whether the replica of the journal is on the same disk as the journal. */
  readonly isReplicaBeside?: boolean;
  readonly processes: readonly HomeProcess[];
  readonly cgroups: readonly HomeCgroup[];
}

/** A process that a node of this home started, or a server of its head. */
export interface HomeProcess {
  readonly pid: number;
  readonly command: string;
  /** The cluster whose folder it names; absent for the head's own. */
  readonly cluster?: string;
  readonly clusterExists: boolean;
}

export interface HomeCgroup {
  readonly path: string;
  readonly processCount: number;
}

export const headChecks: Checks<HeadReading> = {
  head: headVerdict,

  "head version": ({ answer, ourVersion }) => {
    if (answer.kind !== "version") return ok(`this is ${ourVersion}; no head was asked`);
    const { version, pid } = answer;
    if (version === ourVersion) return ok(version);
    return warning(
      `the head has version ${version}, this is ${ourVersion}`,
      `it is replaced when it has been idle; at once: kill ${pid}, its ranks run on`,
    );
  },

  "head socket": ({ socketMode, headFolderMode, home }) => {
    if (socketMode === undefined) return ok("there is none");
    return ownersOnly({ what: "the socket", mode: socketMode, folder: headFolderMode, home });
  },

  "head lock": ({ lockMode, headFolderMode, holder, home }) => {
    if (lockMode === undefined) return ok("there is none");
    const verdict = ownersOnly({ what: "the lock", mode: lockMode, folder: headFolderMode, home });
    if (verdict.grade !== "ok") return verdict;
    return ok(holder === undefined ? "nobody holds it" : `held by process ${holder}`);
  },

  "head log": ({ logTail, logPath }) => {
    const error = lastError(logTail);
    if (error === undefined) return ok("no error since the last start");
    return warning(`its last error: ${error}`, `see ${logPath}; report it: sky debug export`);
  },

  "journal room": ({ inside }) => roomVerdict(inside),
  "journal replica": ({ inside, isReplicaBeside = false }) =>
    replicaVerdict(inside, isReplicaBeside),

  "content store": ({ inside }) => storeVerdict(inside),

  leftovers: leftoverVerdict,
  "left cgroups": cgroupVerdict,
};

function headVerdict({ answer, holder, logPath }: HeadReading): Verdict {
  switch (answer.kind) {
    case "version":
      return ok(`process ${answer.pid} answers`);
    case "silent": {
      const who = holder === undefined ? "the head" : `the head (process ${holder})`;
      const remedy = `see ${logPath}; end it, its ranks run on: kill -9 ${holder ?? "its process"}`;
      return problem(`${who} takes connections and does not answer: ${answer.why}`, remedy);
    }
    case "nobody-listens":
      if (holder === undefined) return ok("none runs; the next command starts one");
      return problem(
        `process ${holder} holds the home and does not listen`,
        `it starts or ends, or hangs: look again, then kill -9 ${holder}, its ranks run on`,
      );
  }
}

interface Guarded {
  readonly what: string;
  readonly mode: number;
  readonly folder: number | undefined;
  readonly home: string;
}

/** A file in a folder that lets nobody in is its owner's only, whatever its own mode. */
function ownersOnly({ what, mode, folder = 0o777, home }: Guarded): Verdict {
  const open = (mode & 0o077) !== 0 && (folder & 0o011) !== 0;
  const text = `${what} has mode ${(mode & 0o777).toString(8).padStart(4, "0")}`;
  if (open)
    return problem(`${text}: others can use it`, `chmod -R go-rwx ${quoted(`${home}/head`)}`);
  return ok(`${text}, in a folder of its owner's`);
}

/** Of the last run of a head: what it complained of last; or why the next one did not start. */
export function lastError(lines: readonly string[]): string | undefined {
  let found: string | undefined;
  for (const line of lines) {
    const entry = entryOf(line);
    if (entry === undefined) found = /^skyhead: (.+)/.exec(line)?.[1] ?? found;
    else if (entry.msg === "head is ready") found = undefined;
    else if (entry.level === "error") found = entryText(entry);
  }
  return found;
}

interface LogEntry {
  readonly level?: unknown;
  readonly time?: unknown;
  readonly msg?: unknown;
  readonly error?: { readonly message?: unknown } | null;
  readonly why?: unknown;
}

function entryOf(line: string): LogEntry | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    // The first line of a tail is often cut, and a crash may cut the last.
    return undefined;
  }
}

function entryText({ time, msg, error, why }: LogEntry): string {
  const cause = error?.message ?? why;
  return [time, cause === undefined ? msg : `${String(msg)}: ${String(cause)}`]
    .filter((part) => part !== undefined)
    .join(" ");
}

function leftoverVerdict({ processes, answer, inside }: HeadReading): Verdict {
  const known = at(inside, "clusters");
  const orphans = processes.filter(({ cluster, clusterExists }) => {
    if (cluster === undefined) return false;
    // A folder is there that the head knows nothing of: its journal was lost.
    return !clusterExists || (known !== undefined && !Object.hasOwn(Object(known), cluster));
  });
  if (orphans.length > 0) {
    const pids = orphans.map(({ pid }) => String(pid));
    const clusters = [...new Set(orphans.map(({ cluster }) => cluster ?? ""))];
    const many = counted(orphans.length, "process", "processes");
    return problem(
      `${many} of clusters that are gone: ${someOf(clusters)}`,
      `kill ${pids.join(" ")}`,
    );
  }
  const count = counted(processes.length, "process", "processes");
  if (processes.length === 0) return ok("no process of a node without its cluster");
  if (answer.kind !== "nobody-listens") return ok(`${count} of nodes, all of known clusters`);
  const pids = someOf(processes.map(({ pid }) => String(pid)));
  return warning(
    `${count} of this home without a head: ${pids}`,
    "they run on; sky status starts a head, which finds them",
  );
}

/** The head and its agents remove them when they end in order; a killed one cannot. */
function cgroupVerdict({ cgroups, answer, processes }: HeadReading): Verdict {
  const empty = cgroups.filter(({ processCount }) => processCount === 0);
  const attended = answer.kind !== "nobody-listens" || processes.length > 0;
  if (empty.length === 0) return ok("none is empty");
  if (attended) return ok(`${cgroups.length} of living nodes`);
  const folders = empty.map(({ path }) => quoted(path));
  const byHand = `find ${folders.join(" ")} -depth -type d -exec rmdir {} ';'`;
  return warning(
    `${counted(empty.length, "folder")} of nodes without an agent: ${someOf(folders)}`,
    `the next head removes them; by hand: ${byHand}`,
  );
}
