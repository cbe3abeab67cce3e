// What `sky debug` makes of a head's account of itself: facts, actors and nodes for people. Pure.
//
// The account is JSON whose shape may change with every version, and the head may be of another one
// than we are: whatever is missing is left out, never an error.

import type { ActorReport } from "../runtime/actor.ts";
import { actorTable } from "../runtime/inspect.ts";
import type { HeadVersion } from "./head.ts";

interface Account {
  readonly process?: {
    readonly rssBytes?: number;
    readonly cpu?: { readonly user: number; readonly system: number };
    readonly store?: { readonly commits: number; readonly transactions: number };
    readonly chunks?: StoreAccount;
    readonly actors?: readonly ActorReport[];
    readonly lanes?: unknown;
    readonly metricsText?: string;
  };
  readonly clusters?: Readonly<Record<string, ClusterAccount>>;
}

interface ClusterAccount {
  readonly record?: { readonly status?: string };
  readonly actors?: readonly ActorReport[];
  readonly logs?: Readonly<Record<string, number>>;
  readonly nodes?: Readonly<Record<string, NodeAccount>>;
}

/** A content store. */
interface StoreAccount {
  readonly chunks?: number;
  readonly bytes?: number;
  readonly pinnedBytes?: number;
  readonly limitBytes?: number;
  readonly damaged?: number;
}

interface NodeAccount {
  readonly unreachable?: string;
  readonly version?: string;
  readonly bootId?: string;
  readonly strangers?: number;
  readonly ranks?: readonly { readonly rank: string; readonly phase: string }[];
  readonly workdir?: {
    readonly trees?: number;
    readonly moved?: number;
    readonly movedBytes?: number;
    readonly store?: StoreAccount;
  };
}

const bytesInMib = 1_048_576;
const microsInSecond = 1_000_000;

/** Facts of the process, then its actors, then each cluster with its actors and nodes. */
export function inspectionText(head: HeadVersion, inside: unknown, nowMs: number): string {
  const { process: facts = {}, clusters = {} } = accountOf(inside);
  const parts = [
    [
      processLine(head, facts, nowMs),
      ...(facts.chunks === undefined ? [] : [`content store: ${storeText(facts.chunks)}`]),
      `lanes: ${JSON.stringify(facts.lanes ?? {})}`,
    ].join("\n"),
    actorTable(facts.actors ?? []),
    ...Object.entries(clusters).map(([name, cluster]) => clusterText(name, cluster)),
  ];
  return parts.map((part) => part.trimEnd()).join("\n\n");
}

/** The head's counters and gauges, as a Prometheus server reads them. */
export function metricsOf(inside: unknown): string {
  return accountOf(inside).process?.metricsText ?? "";
}

/** The head's own word: trusted to be an object, and nothing else. */
function accountOf(inside: unknown): Account {
  return typeof inside === "object" && inside !== null ? inside : {};
}

function processLine(
  { version, pid, startedAt }: HeadVersion,
  { rssBytes, cpu, store }: NonNullable<Account["process"]>,
  nowMs: number,
): string {
  const facts = [
    `skyhead ${version}`,
    `pid ${pid}`,
    `up ${Math.max(0, Math.round((nowMs - startedAt) / 1_000))} s`,
    ...(rssBytes === undefined ? [] : [`${Math.round(rssBytes / bytesInMib)} MiB`]),
    ...(cpu === undefined
      ? []
      : [`${((cpu.user + cpu.system) / microsInSecond).toFixed(1)} s of CPU`]),
    ...(store === undefined
      ? []
      : [`${store.commits} commits in ${store.transactions} transactions`]),
  ];
  return facts.join(", ");
}

function clusterText(name: string, { record, actors, logs, nodes }: ClusterAccount): string {
  const counts = Object.entries(logs ?? {}).map(([what, count]) => `${what} ${count}`);
  const lines = [
    `${name}: ${record?.status ?? "unknown"}`,
    ...(counts.length === 0 ? [] : [`logs: ${counts.join(", ")}`]),
    ...Object.entries(nodes ?? {}).map(([id, node]) => nodeLine(id, node)),
  ];
  return `${lines.join("\n")}\n${actorTable(actors ?? [])}`;
}

/** `83 chunks, 101 MiB of 10240, 12 pinned`. */
export function storeText(store: StoreAccount): string {
  const { chunks = 0, bytes = 0, pinnedBytes = 0, limitBytes, damaged = 0 } = store;
  const mib = (count: number): number => Math.ceil(count / bytesInMib);
  const limit = limitBytes === undefined ? "" : ` of ${mib(limitBytes)}`;
  const bad = damaged === 0 ? "" : `, ${damaged} found damaged`;
  return `${chunks} chunks, ${mib(bytes)} MiB${limit}, ${mib(pinnedBytes)} pinned${bad}`;
}

function workdirText({ trees = 0, moved = 0, movedBytes = 0, store = {} }: Workdir): string {
  if (trees === 0 && moved === 0) return "";
  const fetched = `${moved} chunks (${Math.ceil(movedBytes / bytesInMib)} MiB) fetched`;
  return `\n  workdirs: ${trees} in use, ${fetched}; content store: ${storeText(store)}`;
}

type Workdir = NonNullable<NodeAccount["workdir"]>;

function nodeLine(id: string, node: NodeAccount): string {
  const { unreachable, version, bootId, ranks, strangers, workdir = {} } = node;
  if (unreachable !== undefined) return `${id}: ${unreachable}`;
  const running = (ranks ?? []).map(({ rank, phase }) => `${rank} ${phase}`).join(", ");
  const refused = strangers === undefined || strangers === 0 ? "" : `, ${strangers} strangers`;
  return `${id}: skylet ${version}, boot ${bootId}${refused}, ranks: ${
    running || "none"
  }${workdirText(workdir)}`;
}
