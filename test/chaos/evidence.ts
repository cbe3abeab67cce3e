// What the audit of a run reads, and nothing of ours: what an outsider could have seen.

/** A submission that was answered with an id. */
export interface Acknowledged {
  readonly cluster: string;
  readonly id: number;
  readonly name: string;
  /** What must become of it, unless somebody strikes its ranks. */
  readonly status: "SUCCEEDED" | "FAILED" | "CANCELLED";
  readonly numNodes: number;
  /** Of its last rank. */
  readonly code: number;
  /** How often it may be run anew. */
  readonly restarts: number;
}

/** One fault, and whom it hit. Times are milliseconds since the epoch. */
export interface Hit {
  readonly kind: "kill" | "stop" | "cut" | "delay" | "freeze";
  /** `head`, `skylet`, `keeper`…, or `bus wire`. */
  readonly role: string;
  /** `<cluster>/<node>`. */
  readonly node?: string;
  /** `<cluster>-<job>-<attempt>-<phase>-<index>`. */
  readonly rank?: string;
  readonly token?: string;
  readonly from: number;
  readonly until: number;
}

/** What a `sky logs` printed, and what it ended with. */
export interface Printed {
  readonly cluster: string;
  readonly id: number;
  readonly path: string;
  readonly code: number | null;
}

export interface Evidence {
  readonly acknowledged: readonly Acknowledged[];
  /** What `sky queue -o json` printed at the end. */
  readonly queue: string;
  /** What it had printed before. */
  readonly earlier: readonly string[];
  /**
   * Lines of the ranks: `<cluster> start|end|left <job>-<attempt>-<phase>-<index> <word>`, with the
   * words pid, exit code, `<pid>:<mark>`; and `<cluster> slot <name of the job>:<rank> <token>`.
   */
  readonly side: string;
  /**
   * Folders with one file for each log, `<cluster>-<job>-<attempt>-<phase>-<index>`: what the rank
   * says it wrote, the file on its node, what a follower received.
   */
  readonly written: string;
  readonly onNode: string;
  readonly followed: string;
  /** The jobs that somebody followed, `<cluster>-<job>`. */
  readonly following: ReadonlySet<string>;
  /** How each follower's stream ended: `<cluster>-<job>` to the status that it was told. */
  readonly told: ReadonlyMap<string, string>;
  readonly printed: readonly Printed[];
  readonly hits: readonly Hit[];
}

export interface SeenJob {
  readonly cluster: string;
  readonly id: number;
  readonly name: string;
  readonly status: string;
  readonly submittedAt: number;
  readonly endedAt?: number;
  readonly reason?: string;
  readonly reasonText?: string;
  readonly attempt: number;
  readonly ranks: readonly SeenRank[];
  readonly setups?: readonly SeenRank[];
}

export interface SeenRank {
  readonly rank: number;
  readonly node: string;
  readonly exitCode: number | null;
  readonly outcome: string | null;
  readonly logBytes?: number;
}

export interface SideLine {
  readonly cluster: string;
  readonly word: string;
  readonly key: string;
  readonly value: string;
}

/** The evidence, looked up by rank. */
export interface Facts extends Evidence {
  readonly jobs: readonly SeenJob[];
  readonly lines: readonly SideLine[];
  /** Of a rank: its line with this word, if there is one. */
  said(key: string, word: string): SideLine | undefined;
  /** Who of the rank's own processes was killed. */
  killed(key: string, roles: readonly string[]): boolean;
}

/** What a rank's shell is reported with when it was killed. */
export const killedCode = 137;

export function jobLabel({ cluster, id }: { readonly cluster: string; readonly id: number }) {
  return `${cluster}-${id}`;
}

export function rankKey(job: SeenJob, rank: number, phase = "run"): string {
  return `${jobLabel(job)}-${job.attempt}-${phase}-${rank}`;
}

/** Of one of its setups, where nobody can tell which. */
export function setupKey(job: SeenJob): string {
  return `${jobLabel(job)}-setup`;
}

export function factsOf(evidence: Evidence): Facts {
  const lines = sideLines(evidence.side);
  const byKey = new Map(lines.map((line) => [`${line.word} ${line.key}`, line]));
  const jobs = JSON.parse(evidence.queue) as readonly SeenJob[];
  const tokens = keysByToken(lines, jobs);
  const killed = new Set(
    evidence.hits.flatMap(({ kind, role, rank, token }) => {
      const key = rank ?? tokens.get(token ?? "");
      return kind === "kill" && key !== undefined ? [`${role} ${key}`] : [];
    }),
  );
  return {
    ...{ ...evidence, jobs, lines },
    said: (key, word) => byKey.get(`${word} ${key}`),
    killed: (key, roles) => roles.some((role) => killed.has(`${role} ${key}`)),
  };
}

/** Which rank had a slot: of the last attempt that said it. */
function keysByToken(lines: readonly SideLine[], jobs: readonly SeenJob[]) {
  const byName = new Map(jobs.map((job) => [`${job.cluster}-${job.name}`, job]));
  return new Map(
    lines.flatMap(({ word, key, value }) => {
      const [name = "", rank] = key.split(":");
      const job = word === "slot" ? byName.get(name) : undefined;
      if (job === undefined) return [];
      return [[value, rank === "setup" ? setupKey(job) : rankKey(job, Number(rank))] as const];
    }),
  );
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
