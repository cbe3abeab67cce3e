// Arbitrary values of the model, for round trips: every field of every noun, over its whole range.
//
// Texts are any Unicode without halves of pairs (UTF-8 has no way to say those), integers reach
// 2^53 - 1 where the wire has 64 bits and 2^31 - 1 where it has 32.

import type { Address } from "../../model/address.ts";
import type { ClusterView, NodeView } from "../../model/cluster.ts";
import type { NumberedEvent } from "../../model/event.ts";
import type { Exit, Job, RankKey, RankRecord, SweepRecord } from "../../model/job.ts";
import { type ReasonCode, reasons } from "../../model/reason.ts";
import type { Accelerators, Capacity } from "../../model/resources.ts";
import type { Task } from "../../model/task.ts";
import type { RankMount, RankReport, RankSpec, WireMessage } from "../../proto/messages.ts";
import { fc } from "./property.ts";

export const text = fc.string({ unit: "binary" });
export const someText = fc.string({ unit: "binary", minLength: 1 });
export const whole = fc.oneof(
  fc.constantFrom(0, 1, 2 ** 31, 2 ** 32 + 1, 2 ** 53 - 1),
  fc.integer({ min: 0, max: 2 ** 53 - 1 }),
);
export const small = fc.oneof(fc.constantFrom(0, 1, 2 ** 31 - 1), fc.nat());
const anyInt32 = fc.oneof(fc.constantFrom(-1, 2 ** 31 - 1, -(2 ** 31)), fc.integer());
/** Without -0, which protobuf's default does not keep apart. */
export const real = fc.double({ noNaN: true }).map((value) => value + 0);

export const record: fc.Arbitrary<Record<string, string>> = fc
  .uniqueArray(
    fc.tuple(fc.oneof(text, fc.constantFrom("__proto__", "constructor", "PATH", "1")), text),
    { selector: ([name]) => name, maxLength: 6 },
  )
  .map((entries) => Object.fromEntries(entries));

export function plain<T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record(model, { noNullPrototype: true }) as fc.Arbitrary<T>;
}

/** The fields of `must`, and any of those of `may`. */
export function withSome<A, B>(
  must: { [K in keyof A]: fc.Arbitrary<A[K]> },
  may: { [K in keyof B]: fc.Arbitrary<B[K]> },
): fc.Arbitrary<A & Partial<B>> {
  return fc
    .tuple(
      plain<A>(must),
      fc.record<Partial<B>, never>(may as never, { requiredKeys: [], noNullPrototype: true }),
    )
    .map(([a, b]) => ({ ...a, ...b }) as A & Partial<B>);
}

export const address: fc.Arbitrary<Address> = plain({
  cluster: text,
  node: text,
  kind: text,
  id: text,
});

export const rankKey: fc.Arbitrary<RankKey> = plain({
  job: whole,
  attempt: small,
  phase: fc.constantFrom("run", "setup"),
  index: small,
});

const stopWhy = fc.constantFrom(
  ...(["peer-failed", "cancelled", "node-lost", "lease-expired"] as const),
);

export const exit: fc.Arbitrary<Exit> = fc.oneof(
  plain({ kind: fc.constant("code"), code: anyInt32 }),
  plain({ kind: fc.constant("signal"), signal: anyInt32, evidence: text }),
  plain({ kind: fc.constant("stopped"), why: stopWhy }),
  plain({ kind: fc.constant("unknown"), evidence: text }),
);

export const sweep: fc.Arbitrary<SweepRecord> = plain({
  node: text,
  found: small,
  killed: small,
  survivors: small,
  unproven: fc.array(text),
});

export const accelerators: fc.Arbitrary<Accelerators> = withSome(
  { name: text, count: real },
  { ids: fc.array(small, { minLength: 1, maxLength: 4 }) },
);

export const capacity: fc.Arbitrary<Capacity> = plain({
  cpus: real,
  memoryBytes: whole,
  accelerators: fc.array(accelerators, { maxLength: 3 }),
});

export const rankRecord: fc.Arbitrary<RankRecord> = withSome(
  { rank: small, node: text, ip: text },
  { pid: whole, startedAt: real, endedAt: real, exit, logBytes: whole },
);

const rankPlace = withSome({ folder: text }, { inUseBy: whole });

export const rankReport: fc.Arbitrary<RankReport> = fc.oneof(
  plain({ phase: fc.constantFrom("preparing" as const, "ready" as const), key: rankKey }),
  withSome(
    { phase: fc.constant("running"), key: rankKey, pid: whole, startedAt: real },
    { place: rankPlace },
  ),
  withSome(
    { phase: fc.constant("exited"), key: rankKey, exit, endedAt: real, logBytes: whole },
    { pid: whole, startedAt: real, sweep, place: rankPlace },
  ),
);

const inventory = {
  ...{ bootId: text, capacity, version: text },
  capabilities: fc.array(text, { maxLength: 3 }),
  ranks: fc.array(rankReport, { maxLength: 4 }),
};

const tree = plain({ digest: text, bytes: whole });

const atLeast = plain({ amount: real, orMore: fc.boolean() });

export const task: fc.Arbitrary<Task> = withSome(
  {
    numNodes: small,
    resources: withSome({}, { cloud: text, cpus: atLeast, memoryGb: atLeast, accelerators }),
    envs: record,
    secrets: record,
    priority: anyInt32,
    maxRestarts: small,
  },
  {
    ...{ name: text, workdir: text, setup: text, run: text, timeoutMs: whole },
    workdirTree: tree,
    fileMounts: fc.array(
      withSome(
        { destination: text, source: text },
        { tree: plain({ tree, isFile: fc.boolean() }) },
      ),
      { minLength: 1, maxLength: 3 },
    ),
    config: withSome({}, { graceMs: whole, leaseMs: whole }),
  },
);

const reason = plain({
  code: fc.constantFrom(...(Object.keys(reasons) as ReasonCode[])),
  params: record,
});

export const job: fc.Arbitrary<Job> = withSome(
  {
    id: whole,
    name: text,
    user: text,
    status: fc.constantFrom(
      ...(["INIT", "PENDING", "SETTING_UP", "RUNNING"] as const),
      ...(["SUCCEEDED", "FAILED", "FAILED_SETUP", "CANCELLED"] as const),
    ),
    phase: fc.constantFrom(
      ...(["queued", "preparing", "setting-up", "starting"] as const),
      ...(["running", "draining", "ended"] as const),
    ),
    submittedAt: real,
    resources: text,
    numNodes: small,
    attempt: small,
    ranks: fc.array(rankRecord, { maxLength: 3 }),
    setups: fc.array(rankRecord, { maxLength: 2 }),
    sweeps: fc.array(sweep, { maxLength: 2 }),
  },
  { startedAt: real, endedAt: real, reason, waitingFor: someText },
);

export const event: fc.Arbitrary<NumberedEvent> = withSome(
  { seq: whole, at: real, subject: text, actor: text, kind: text, cause: text, evidence: record },
  { from: someText, to: someText },
);

const node: fc.Arbitrary<NodeView> = withSome(
  {
    id: text,
    index: small,
    ip: text,
    capacity,
    phase: fc.constantFrom("absent", "alive", "suspect", "lost"),
  },
  { host: someText },
);

/** Ten years: a length that seconds as a double keep to the millisecond. */
const idleMs = fc.integer({ min: 0, max: 315_360_000_000 });

export const cluster: fc.Arbitrary<ClusterView> = withSome(
  {
    name: text,
    status: fc.constantFrom("INIT", "UP", "STOPPING", "STOPPED"),
    cloud: text,
    isolation: fc.constantFrom("embedded", "process"),
    launchedAt: real,
    resources: text,
    command: text,
    user: text,
    lastUsedAt: real,
    nodes: fc.array(node, { maxLength: 3 }),
  },
  {
    busyWith: someText,
    region: someText,
    silence: plain({ since: real, why: text }),
    autostop: withSome(
      { idleMs, verb: fc.constantFrom("stop", "down"), verdict: text },
      { idleSince: real },
    ),
  },
);

const rankMount: fc.Arbitrary<RankMount> = withSome(
  { destination: text, tree, isFile: fc.boolean() },
  { takers: small },
);

const rankSpec: fc.Arbitrary<RankSpec> = withSome(
  { taskName: text, script: text, env: record, secrets: record, goWhenReady: fc.boolean() },
  {
    workdirSource: text,
    leaseMs: whole,
    mounts: fc.array(rankMount, { minLength: 1, maxLength: 3 }),
  },
);

type Arbitraries = {
  readonly [K in WireMessage["kind"]]: fc.Arbitrary<
    Omit<Extract<WireMessage, { readonly kind: K }>, "kind">
  >;
};

/** One arbitrary a kind: a message without one does not compile. */
const messages: Arbitraries = {
  prepare: plain({ key: rankKey, spec: rankSpec }),
  go: withSome({ key: rankKey }, { leaseFrom: real }),
  "renew-lease": plain({ bootId: text, leaseFrom: real }),
  stop: plain({ key: rankKey, graceMs: whole, why: stopWhy }),
  acknowledge: plain({ key: rankKey }),
  forget: plain({ key: rankKey }),
  "report-inventory": fc.constant({}),
  connect: fc.constant({}),
  leave: plain({ remove: fc.boolean(), why: text, replyTo: address }),
  inspect: plain({ replyTo: address }),
  "rank-prepared": withSome({ key: rankKey }, { askedAt: real }),
  "rank-refused": withSome({ key: rankKey, why: text }, { fault: fc.constant("job") }),
  "rank-started": withSome({ key: rankKey, pid: whole, startedAt: real }, { place: rankPlace }),
  "rank-exited": withSome(
    { key: rankKey, exit, endedAt: real, logBytes: whole },
    { neverStarted: fc.constant(true) },
  ),
  "rank-swept": plain({ key: rankKey, sweep }),
  inventory: plain(inventory),
  "inventory-part": plain({
    ...{ snapshot: whole, part: small, parts: small },
    inventory: plain(inventory),
  }),
  beat: withSome({ seq: whole, bootId: text, headSeq: whole }, { askedAt: real }),
  inspection: plain({ json: text }),
  left: plain({ kept: fc.array(text, { maxLength: 3 }) }),
  refusal: plain({ code: fc.constantFrom("bus/no-such-actor", "mailbox/full"), to: text }),
};

export const messageKinds = Object.keys(messages) as readonly WireMessage["kind"][];

export function messageOf(kind: WireMessage["kind"]): fc.Arbitrary<WireMessage> {
  return messages[kind].map((fields) => ({ kind, ...fields }) as WireMessage);
}
