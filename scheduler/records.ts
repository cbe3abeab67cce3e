// The scheduler's records: what is on disk of each job, of the nodes and of the cluster's settings.
//
// A job's spec is written once and never changes; its state is written whenever it changed. A spec
// without a state is a job that still waits for its first placement, so that a bulk submission
// writes one record a job. A settled job has one record of its own kind (`settle.ts`). Secrets are
// in none of them. Keys start with the cluster's name, so that taking one down deletes a prefix.

import { headNode } from "../model/address.ts";
import { SkyError } from "../model/errors.ts";
import type { Job } from "../model/job.ts";
import type { Task } from "../model/task.ts";
import type { MountTree, TreeRef } from "../model/tree.ts";
import { given } from "../proto/fields.ts";
import type { Store, StoreRecord } from "../runtime/store.ts";
import type { AutostopState } from "./autostop.ts";
import type { GangRank, GangState, PastAttempt, PlacedState } from "./gang-state.ts";
import { newGang } from "./gang-state.ts";

/** What was submitted. Never changes. */
export interface JobSpec {
  readonly id: number;
  /** Without its secrets. */
  readonly task: Task;
  readonly hasSecrets: boolean;
  /** Its workdir as it was when it was submitted; absent also in records of 0.1.0. */
  readonly tree?: TreeRef;
  /** The same as a folder, for nodes that cannot take chunks. */
  readonly workdir?: string;
  /** Its file mounts, as they were then; absent if there are none. */
  readonly mounts?: readonly MountTree[];
  readonly user: string;
  readonly noSetup: boolean;
  /** Its files go to all nodes of the cluster. */
  readonly allNodes?: boolean;
  readonly submittedAt: number;
}

export interface JobState {
  readonly gang: GangState;
  /** Attempts whose logs the head has completely, and how much that is. */
  readonly logs: readonly number[];
  readonly logBytes?: number;
}

export interface JobRecord extends JobState {
  readonly spec: JobSpec;
}

/**
 * What is kept of a node: its boot, what its agent can do, and processes of ended jobs that may
 * still run there. Absent capabilities: the record is of a time when agents did not say.
 */
export interface NodeRecord {
  readonly bootId: string;
  readonly capabilities?: readonly string[];
  readonly ghosts: readonly string[];
}

/** The ids that an idempotency key stands for: `count` of them from `first`. */
export interface KeyRecord {
  readonly first: number;
  readonly count: number;
}

/** The nodes that the job at the head of the line will get. */
export interface Reservation {
  readonly job: number;
  readonly nodes: readonly string[];
}

export interface ClusterRecord {
  readonly autostop: AutostopState;
  /** Set while the cluster takes no jobs. */
  readonly closed?: Closed;
  readonly reservation?: Reservation;
  readonly restored?: RestoredState;
}

/** What a restore from a replica left behind. */
export interface RestoredState {
  readonly atWallMs: number;
  /** Jobs from this id on may have been acknowledged and are not on record. */
  readonly lostFrom: number;
  /** New jobs have ids from here on. */
  readonly idMin: number;
}

export interface Closed {
  readonly verb: "stopped" | "terminated";
  readonly why: "asked" | "autostop";
}

/** A settled job (`settle.ts`). */
export interface SettledRecord {
  readonly job: Job;
  /** Its place in the order in which jobs settled. */
  readonly order: number;
  /** Earlier attempts, whose logs have names of their own. */
  readonly past?: readonly PastAttempt[];
}

/** The job at one place of that order, and the bytes of all logs up to it, its own included. */
export type OrderRecord = readonly [job: number, logBytes: number];

/** What is remembered of all jobs that ever were. */
export interface HistoryRecord {
  /** No job that was has a greater id, but for those that have a spec. */
  readonly newest: number;
  readonly settled: number;
  /** Of all settled jobs that ever were. */
  readonly logBytes: number;
}

export interface Records {
  readonly jobs: readonly JobRecord[];
  readonly nodes: ReadonlyMap<string, NodeRecord>;
  readonly keys: ReadonlyMap<string, KeyRecord>;
  readonly cluster: ClusterRecord;
  readonly history: HistoryRecord;
}

/** Keys of the scheduler's records, below its cluster's prefix. */
export const recordKeys = {
  prefix: (cluster: string) => `${cluster}/`,
  spec: (cluster: string, job: number) => `${cluster}/job/${job}/spec`,
  state: (cluster: string, job: number) => `${cluster}/job/${job}/state`,
  node: (cluster: string, node: string) => `${cluster}/node/${node}`,
  key: (cluster: string, key: string) => `${cluster}/key/${encodeURIComponent(key)}`,
  cluster: (cluster: string) => `${cluster}/scheduler`,
  history: (cluster: string) => `${cluster}/history`,
  /** The same for all settled jobs; and one of them. Numbers are padded: keys sort as text. */
  dones: (cluster: string) => `${cluster}/done/`,
  done: (cluster: string, job: number) => `${cluster}/done/${digits(job)}`,
  orders: (cluster: string) => `${cluster}/order/`,
  order: (cluster: string, place: number) => `${cluster}/order/${digits(place)}`,
  /** What the limits on the history have taken; see `retention.ts`. */
  retention: (cluster: string) => `${cluster}/retention`,
} as const;

/**
 * What a head reads when it starts: everything but what is settled, however much that is.
 */
export async function recordsAtStart(
  store: Pick<Store, "read">,
  cluster: string,
): Promise<readonly StoreRecord[]> {
  const parts = ["job/", "node/", "key/", "scheduler", "history", `${headNode}/`];
  const found = await Promise.all(parts.map((part) => store.read(`${cluster}/${part}`)));
  return found.flat();
}

/** What the records say. Records of others under the same prefix are passed over. */
export function readRecords(cluster: string, records: readonly StoreRecord[]): Records {
  const specs = new Map<number, JobSpec>();
  const states = new Map<number, JobState>();
  const nodes = new Map<string, NodeRecord>();
  const keys: (readonly [string, KeyRecord])[] = [];
  let settings: ClusterRecord = { autostop: { phase: "off", running: 0 } };
  let history: HistoryRecord = { newest: 0, settled: 0, logBytes: 0 };
  for (const { key, value } of records) {
    if (!key.startsWith(recordKeys.prefix(cluster))) continue;
    const [kind = "", id = "", part = ""] = key.slice(cluster.length + 1).split("/");
    if (kind === "job" && part === "spec") specs.set(Number(id), parse(key, value));
    if (kind === "job" && part === "state") states.set(Number(id), parse(key, value));
    if (kind === "node" && part === "") nodes.set(id, parse(key, value));
    if (kind === "key") keys.push([decodeURIComponent(id), parse(key, value)]);
    if (key === recordKeys.cluster(cluster)) settings = parse(key, value);
    if (key === recordKeys.history(cluster)) history = parse(key, value);
  }
  const jobs = [...specs.values()]
    .sort((a, b) => a.id - b.id)
    .map((spec): JobRecord => jobOf(spec, states.get(spec.id)));
  const oldestFirst = keys.sort(([, a], [, b]) => a.first - b.first);
  return { jobs, nodes, keys: new Map(oldestFirst), cluster: settings, history };
}

/** The state as it is stored: without the terms, which follow from the spec. */
export function stateRecord(state: JobState): string {
  return JSON.stringify({ ...state, gang: { ...state.gang, terms: undefined } });
}

export function gangTermsOf(spec: JobSpec): GangState["terms"] {
  const { task, noSetup } = spec;
  return {
    job: spec.id,
    hasSetup: isGiven(task.setup) && !noSetup,
    hasRun: isGiven(task.run),
    restartsMax: task.maxRestarts,
    ...given("timeoutMs", task.timeoutMs),
  };
}

function jobOf(spec: JobSpec, state: JobState | undefined): JobRecord {
  const terms = gangTermsOf(spec);
  if (state === undefined) return { spec, gang: newGang(terms), logs: [] };
  return { spec, ...state, gang: awake({ ...state.gang, terms }) };
}

/** Whether a process stands ready is the node's to say, again after every start of the head. */
function awake(gang: GangState): GangState {
  if (gang.phase !== "preparing" && gang.phase !== "setting-up") return gang;
  const unready = (list: readonly GangRank[]): readonly GangRank[] =>
    list.map((process) => (process.pid === undefined ? { ...process, ready: false } : process));
  const placed: PlacedState = gang;
  return { ...placed, ranks: unready(gang.ranks), setups: unready(gang.setups) };
}

/** Enough for any safe integer. */
function digits(number: number): string {
  return String(number).padStart(16, "0");
}

function isGiven(script: string | undefined): boolean {
  return script !== undefined && script.trim() !== "";
}

/** Our own records: their shape is trusted, their being JSON is checked. */
export function parse<T>(key: string, value: string): T {
  try {
    return JSON.parse(value) as T;
  } catch (cause) {
    throw new SkyError("codec/invalid", { what: `record ${key}`, why: "not JSON" }, { cause });
  }
}
