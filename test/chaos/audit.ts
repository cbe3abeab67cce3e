// What a run of chaos must have left behind, and what not. Imports nothing of ours.
//
// It reads what the outside could see: the list of acknowledged jobs, what `sky queue -o json`
// printed, the lines that the ranks appended themselves, their own copies of what they wrote, and
// what followers received. Every sentence that it returns is something that was promised.

import { existsSync, readdirSync, readFileSync } from "node:fs";

/** A submission that was answered with an id. */
export interface Acknowledged {
  readonly cluster: string;
  readonly id: number;
  readonly name: string;
  /** What must become of it. */
  readonly status: "SUCCEEDED" | "FAILED" | "CANCELLED";
  readonly numNodes: number;
  /** Of its last rank. */
  readonly code: number;
}

export interface Evidence {
  readonly acknowledged: readonly Acknowledged[];
  /** What `sky queue -o json` printed at the end. */
  readonly queue: string;
  /** Lines of the ranks: `<cluster> start|end|left <job>-<attempt>-<phase>-<index> <word>`. */
  readonly side: string;
  /** Folders with one file for each log, `<cluster>-<job>-<attempt>-<phase>-<index>`. */
  readonly written: string;
  readonly followed: string;
  /** How each follower's stream ended: `<cluster>-<job>` to the status that it was told. */
  readonly told: ReadonlyMap<string, string>;
}

interface SeenJob {
  readonly cluster: string;
  readonly id: number;
  readonly name: string;
  readonly status: string;
  readonly reason?: string;
  readonly reasonText?: string;
  readonly attempt: number;
  readonly ranks: readonly SeenRank[];
}

interface SeenRank {
  readonly rank: number;
  readonly exitCode: number | null;
  readonly outcome: string | null;
  readonly logBytes?: number;
}

/** The longest line that a rank writes. */
const lineBytesMax = 64;
const killed = 137;

export function audit(evidence: Evidence): readonly string[] {
  const jobs = JSON.parse(evidence.queue) as readonly SeenJob[];
  return [
    ...oneOutcomeEach(evidence, jobs),
    ...startedOnce(evidence),
    ...jobs.flatMap((job) => trueCodes(evidence, job)),
    ...sameBytes(evidence, jobs),
    ...survivors(evidence, jobs),
  ];
}

function oneOutcomeEach(evidence: Evidence, jobs: readonly SeenJob[]): readonly string[] {
  const found: string[] = [];
  for (const wanted of evidence.acknowledged) {
    const { cluster, id, name, status } = wanted;
    const label = `${cluster}-${id} (${name})`;
    const seen = jobs.filter((job) => job.cluster === cluster && job.id === id);
    const named = jobs.filter((job) => job.cluster === cluster && job.name === name);
    const [job] = seen;
    if (job === undefined) found.push(`${label} was acknowledged and is not there`);
    else if (job.name !== name) found.push(`${label} is called ${job.name}`);
    else if (job.status !== status && !isPartOfGang(evidence, job)) {
      found.push(`${label} is ${job.status}, not ${status}: ${job.reasonText ?? "no reason"}`);
    }
    if (seen.length > 1) found.push(`${label} is there ${seen.length} times`);
    if (named.length > 1) found.push(`${label} became ${named.length} jobs`);
    const told = evidence.told.get(`${cluster}-${id}`);
    if (told !== job?.status) found.push(`the follower of ${label} was told ${told}`);
  }
  return found;
}

/**
 * The one outcome that a kill may make of a job that would have done well: an agent died between
 * the barrier and the first act of its rank, so that rank never started, and others had. At most
 * once is kept, so the gang is not run anew. True only of a gang, and only if
 * the rank said nothing.
 */
function isPartOfGang(
  { side }: Pick<Evidence, "side">,
  { cluster, id, attempt, ranks, reason }: SeenJob,
) {
  if (reason !== "never-started") return false;
  const started = new Set(
    sideLines(side).flatMap(({ word, key }) => (word === "start" ? [key] : [])),
  );
  const ran = ranks.filter(({ rank }) => started.has(`${cluster}-${id}-${attempt}-run-${rank}`));
  return ran.length > 0 && ran.length < ranks.length;
}

interface SideLine {
  readonly cluster: string;
  readonly word: string;
  readonly key: string;
  readonly value: string;
}

function sideLines(text: string): readonly SideLine[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [cluster = "", word = "", key = "", value = ""] = line.split(" ");
      return { cluster, word, key: `${cluster}-${key}`, value };
    });
}

function startedOnce({ side }: Evidence): readonly string[] {
  const found: string[] = [];
  const counts = new Map<string, number>();
  for (const { word, key } of sideLines(side)) {
    if (word !== "start" && word !== "end") continue;
    const event = `${key} ${word}s`;
    counts.set(event, (counts.get(event) ?? 0) + 1);
    if (!/^\w+-\d+-\d+-(run|setup)-\d+$/.test(key)) found.push(`${key} names no rank`);
  }
  for (const [event, count] of counts) if (count > 1) found.push(`${event} ${count} times`);
  return found;
}

/** A rank that says how it ends ends so, or was killed at that moment by a job that ended. */
function trueCodes({ side, acknowledged }: Evidence, job: SeenJob): readonly string[] {
  const found: string[] = [];
  const lines = sideLines(side);
  const wanted = acknowledged.find(({ cluster, id }) => cluster === job.cluster && id === job.id);
  for (const { rank, exitCode, outcome } of job.ranks) {
    const key = `${job.cluster}-${job.id}-${job.attempt}-run-${rank}`;
    const said = (word: string) => lines.find((line) => line.word === word && line.key === key);
    const end = said("end");
    const label = `${key}: ${outcome}`;
    if (job.status === "SUCCEEDED" && (exitCode !== 0 || end === undefined)) {
      found.push(`${label} in a job that succeeded`);
    }
    if (end === undefined && exitCode !== killed && said("start") !== undefined) {
      found.push(`${label}, and it never came to its end`);
    }
    if (end !== undefined && exitCode !== Number(end.value) && exitCode !== killed) {
      found.push(`${label}, and it ended with ${end.value}`);
    }
  }
  const known = wanted?.status === "FAILED" && !isPartOfGang({ side }, job);
  if (known && job.ranks.at(-1)?.exitCode !== wanted.code) {
    found.push(`${job.cluster}-${job.id}: its last rank should have ended with ${wanted.code}`);
  }
  return found;
}

/** What a follower received is what the rank wrote; of a killed one, all but its last line. */
function sameBytes(evidence: Evidence, jobs: readonly SeenJob[]): readonly string[] {
  const found: string[] = [];
  const ended = new Set(
    sideLines(evidence.side).flatMap(({ word, key }) => (word === "end" ? [key] : [])),
  );
  for (const name of new Set([...readdirSync(evidence.written), ...ended])) {
    const written = contentOf(`${evidence.written}/${name}`);
    const followed = contentOf(`${evidence.followed}/${name}`);
    const isWhole = followed.length === written.length;
    const isPart = written.length - followed.length <= lineBytesMax && !ended.has(name);
    if (!written.subarray(0, followed.length).equals(followed)) {
      found.push(`${name}: followed other bytes than were written, ${firstDifference()}`);
    } else if (!isWhole && !isPart) {
      found.push(`${name}: followed ${followed.length} of ${written.length} bytes`);
    }
    function firstDifference(): string {
      const at = followed.findIndex((byte, index) => byte !== written[index]);
      const excerpt = (from: Buffer) => JSON.stringify(from.toString("latin1", at, at + 60));
      return `at ${at}: ${excerpt(followed)} for ${excerpt(written)}`;
    }
  }
  for (const { cluster, id, attempt, ranks } of jobs) {
    for (const { rank, logBytes } of ranks) {
      const { length } = contentOf(`${evidence.followed}/${cluster}-${id}-${attempt}-run-${rank}`);
      if (logBytes === undefined || logBytes === length) continue;
      found.push(`${cluster}-${id} rank ${rank}: ${logBytes} bytes on record, ${length} followed`);
    }
  }
  return found;
}

/** A cancel and a failure leave no process of their job. Looked at before the clusters go down. */
function survivors({ side }: Evidence, jobs: readonly SeenJob[]): readonly string[] {
  return sideLines(side).flatMap(({ word, key, value }) => {
    const [pid = "", mark = ""] = value.split(":");
    const job = jobs.find((one) => key.startsWith(`${one.cluster}-${one.id}-`));
    const mayLive = job?.status === "SUCCEEDED";
    if (word !== "left" || mayLive || !commandOf(pid).includes(mark)) return [];
    return [`${key}: process ${pid} outlived its job, which is ${job?.status}`];
  });
}

/** What the run's own cgroup holds, or where there is none, who names its folder. */
export function processesLeft(place: { readonly folder: string; readonly cgroup?: string }) {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name) && Number(name) > 1);
  const group = place.cgroup?.split("/").at(-1);
  return pids.flatMap((pid) => {
    if (isDead(pid)) return [];
    const inGroup = group !== undefined && text(`/proc/${pid}/cgroup`).includes(`/${group}`);
    const named = `${commandOf(pid)}${text(`/proc/${pid}/environ`)}`.includes(place.folder);
    const isOurs = Number(pid) === process.pid || Number(pid) === process.ppid;
    return (inGroup || named) && !isOurs ? [{ pid: Number(pid), command: commandOf(pid) }] : [];
  });
}

function isDead(pid: string): boolean {
  const stat = text(`/proc/${pid}/stat`);
  return stat === "" || /^[ZX]/.test(stat.slice(stat.lastIndexOf(")") + 2));
}

function commandOf(pid: string): string {
  return text(`/proc/${pid}/cmdline`).replaceAll("\0", " ").trim();
}

function contentOf(path: string): Buffer {
  return existsSync(path) ? readFileSync(path) : Buffer.alloc(0);
}

/** A process may end while it is looked at. */
function text(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
