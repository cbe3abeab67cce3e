// Messages on the bus: the unions of `proto/messages.ts` ↔ the bytes of `sky.v1.Envelope`.
//
// Total by type in both directions: a message without a body in the proto, or a body of the proto
// that gives no message, does not compile. Who sent a message is in its subject, never in here.

import { decodeMessage, decoding, encodeMessage } from "./codec.ts";
import {
  addressFromProto,
  addressToProto,
  capacityFromProto,
  capacityToProto,
  exitFromProto,
  exitToProto,
  rankKeyFromProto,
  rankKeyToProto,
  rankPlaceFromProto,
  rankReportFromProto,
  rankReportToProto,
  sweepFromProto,
  sweepToProto,
  treeFromProto,
  treeToProto,
} from "./converters-rank.ts";
import { stopCauses } from "./enums.ts";
import { given, needed, oneOf, recordFrom } from "./fields.ts";
import { sky } from "./gen/sky.js";
import type { NodeInventory, RankMount, RankSpec, Refusal, WireMessage } from "./messages.ts";

type Kind = WireMessage["kind"];
type Message<K extends Kind> = Extract<WireMessage, { readonly kind: K }>;
type Body = NonNullable<sky.v1.Envelope["body"]>;

export interface Enveloped {
  readonly message: WireMessage;
  /** Which start of the sender this comes from. */
  readonly incarnation: number;
  /** Absent: whoever sent it does not say. */
  readonly place?: Place;
}

/** Where a message stands among all that its sender ever said: later ones have a higher `seq`. */
export interface Place {
  /** Not 0; another one for each start of the sender. */
  readonly stream: number;
  readonly seq: number;
}

export function encodeEnvelope(
  message: WireMessage,
  incarnation: number,
  place?: Place,
): Uint8Array {
  return encodeMessage(sky.v1.Envelope, { ...bodyOf(message), incarnation, ...place });
}

/** @throws SkyError `codec/invalid` for garbage, an unknown body, or a part that is missing. */
export function decodeEnvelope(bytes: Uint8Array): Enveloped {
  return decoding("Envelope", () => {
    const envelope = decodeMessage(sky.v1.Envelope, bytes, "Envelope");
    const body = needed(envelope.body, "Envelope.body");
    const { incarnation, stream, seq } = envelope;
    const place = stream === 0 ? {} : { place: { stream, seq } };
    return { message: readers[body](envelope), incarnation, ...place };
  });
}

function bodyOf<K extends Kind>(message: Message<K>): sky.v1.Envelope.$Properties {
  const write: (message: Message<K>) => sky.v1.Envelope.$Properties = writers[message.kind as K];
  return write(message);
}

const writers: { readonly [K in Kind]: (message: Message<K>) => sky.v1.Envelope.$Properties } = {
  prepare: ({ key, spec, bootId }) => ({
    prepare: {
      ...{ key: rankKeyToProto(key), spec: rankSpecToProto(spec) },
      ...given("bootId", bootId),
    },
  }),
  go: ({ key, leaseFrom }) => ({
    go: { key: rankKeyToProto(key), ...given("leaseFrom", leaseFrom) },
  }),
  "renew-lease": ({ bootId, leaseFrom }) => ({ renewLease: { bootId, leaseFrom } }),
  stop: ({ key, graceMs, why }) => ({
    stop: { key: rankKeyToProto(key), graceMs, cause: stopCauses.toProto(why) },
  }),
  acknowledge: ({ key }) => ({ acknowledge: { key: rankKeyToProto(key) } }),
  forget: ({ key }) => ({ forget: { key: rankKeyToProto(key) } }),
  "report-inventory": () => ({ reportInventory: {} }),
  connect: () => ({ connect: {} }),
  leave: ({ remove, why, replyTo }) => ({
    leave: { remove, why, replyTo: addressToProto(replyTo) },
  }),
  left: ({ kept }) => ({ left: { kept: [...kept] } }),
  inspect: ({ replyTo }) => ({ inspect: { replyTo: addressToProto(replyTo) } }),
  "rank-prepared": ({ key, askedAt }) => ({
    rankPrepared: { key: rankKeyToProto(key), ...given("askedAt", askedAt) },
  }),
  "rank-refused": ({ key, why, fault }) => ({
    rankRefused: { key: rankKeyToProto(key), why, jobsFault: fault === "job" },
  }),
  "rank-started": ({ key, pid, startedAt, place }) => ({
    rankStarted: { key: rankKeyToProto(key), pid, startedAt, ...given("place", place) },
  }),
  "rank-exited": ({ key, exit, endedAt, logBytes, neverStarted = false }) => ({
    rankExited: {
      ...{ key: rankKeyToProto(key), exit: exitToProto(exit) },
      ...{ endedAt, logBytes, neverStarted },
    },
  }),
  "rank-swept": ({ key, sweep }) => ({
    rankSwept: { key: rankKeyToProto(key), sweep: sweepToProto(sweep) },
  }),
  inventory: (message) => ({ inventory: inventoryToProto(message) }),
  "inventory-part": ({ snapshot, part, parts, inventory }) => ({
    inventoryPart: { snapshot, part, parts, inventory: inventoryToProto(inventory) },
  }),
  beat: ({ seq, bootId, headSeq, askedAt }) => ({
    beat: { seq, bootId, headSeq, ...given("askedAt", askedAt) },
  }),
  inspection: ({ json }) => ({ inspection: { json } }),
  refusal: ({ code, to }) => ({ refusal: { code, to } }),
};

const readers: { readonly [B in Body]: (envelope: sky.v1.Envelope) => WireMessage } = {
  prepare: ({ prepare }) => {
    const { key, spec, bootId } = needed(prepare, "prepare");
    const what = { key: rankKeyFromProto(key), spec: rankSpecFromProto(spec) };
    return { kind: "prepare", ...what, ...given("bootId", bootId) };
  },
  go: ({ go }) => {
    const { key, leaseFrom } = needed(go, "go");
    return { kind: "go", key: rankKeyFromProto(key), ...given("leaseFrom", leaseFrom) };
  },
  renewLease: ({ renewLease }) => {
    const { bootId, leaseFrom } = needed(renewLease, "renew_lease");
    return { kind: "renew-lease", bootId, leaseFrom };
  },
  stop: ({ stop }) => {
    const { key, graceMs, cause } = needed(stop, "stop");
    return { kind: "stop", key: rankKeyFromProto(key), graceMs, why: stopCauses.fromProto(cause) };
  },
  acknowledge: ({ acknowledge }) => ({
    kind: "acknowledge",
    key: rankKeyFromProto(needed(acknowledge, "acknowledge").key),
  }),
  forget: ({ forget }) => ({
    kind: "forget",
    key: rankKeyFromProto(needed(forget, "forget").key),
  }),
  reportInventory: () => ({ kind: "report-inventory" }),
  connect: () => ({ kind: "connect" }),
  leave: ({ leave }) => {
    const { remove, why, replyTo } = needed(leave, "leave");
    return { kind: "leave", remove, why, replyTo: addressFromProto(replyTo) };
  },
  left: ({ left }) => ({ kind: "left", kept: needed(left, "left").kept }),
  inspect: ({ inspect }) => ({
    kind: "inspect",
    replyTo: addressFromProto(needed(inspect, "inspect").replyTo),
  }),
  rankPrepared: ({ rankPrepared }) => {
    const { key, askedAt } = needed(rankPrepared, "rank_prepared");
    return { kind: "rank-prepared", key: rankKeyFromProto(key), ...given("askedAt", askedAt) };
  },
  rankRefused: ({ rankRefused }) => {
    const { key, why, jobsFault } = needed(rankRefused, "rank_refused");
    const fault = jobsFault ? ({ fault: "job" } as const) : {};
    return { kind: "rank-refused", key: rankKeyFromProto(key), why, ...fault };
  },
  rankStarted: ({ rankStarted }) => {
    const { key, pid, startedAt, place } = needed(rankStarted, "rank_started");
    const start = { pid, startedAt, ...rankPlaceFromProto(place) };
    return { kind: "rank-started", key: rankKeyFromProto(key), ...start };
  },
  rankExited: ({ rankExited }) => {
    const { key, exit, endedAt, logBytes, neverStarted } = needed(rankExited, "rank_exited");
    return {
      kind: "rank-exited",
      key: rankKeyFromProto(key),
      exit: exitFromProto(exit),
      ...{ endedAt, logBytes },
      ...(neverStarted ? { neverStarted } : {}),
    };
  },
  rankSwept: ({ rankSwept }) => {
    const { key, sweep } = needed(rankSwept, "rank_swept");
    return { kind: "rank-swept", key: rankKeyFromProto(key), sweep: sweepFromProto(sweep) };
  },
  inventory: ({ inventory }) => ({ kind: "inventory", ...inventoryFromProto(inventory) }),
  inventoryPart: ({ inventoryPart }) => {
    const { snapshot, part, parts, inventory } = needed(inventoryPart, "inventory_part");
    const some = inventoryFromProto(inventory);
    return { kind: "inventory-part", snapshot, part, parts, inventory: some };
  },
  beat: ({ beat }) => {
    const { seq, bootId, headSeq, askedAt } = needed(beat, "beat");
    return { kind: "beat", seq, bootId, headSeq, ...given("askedAt", askedAt) };
  },
  inspection: ({ inspection }) => ({
    kind: "inspection",
    json: needed(inspection, "inspection").json,
  }),
  refusal: ({ refusal }) => {
    const { code, to } = needed(refusal, "refusal");
    return { kind: "refusal", code: oneOf(code, refusalCodes, "Refusal.code"), to };
  },
};

const refusalCodes = Object.keys({
  "bus/no-such-actor": true,
  "mailbox/full": true,
} satisfies Record<Refusal["code"], true>) as readonly Refusal["code"][];

function rankSpecToProto(spec: RankSpec): sky.v1.RankSpec.$Properties {
  const { taskName, script, env, secrets, goWhenReady, leaseMs } = spec;
  const { workdirSource, workdirTree, workdirTakers } = spec;
  return {
    ...{ taskName, script, env, secrets, goWhenReady },
    ...given("workdirSource", workdirSource),
    ...given("workdirTree", workdirTree && treeToProto(workdirTree)),
    ...given("workdirTakers", workdirTakers),
    ...given("leaseMs", leaseMs),
    mounts: (spec.mounts ?? []).map(mountToProto),
  };
}

function rankSpecFromProto(message: sky.v1.RankSpec | null): RankSpec {
  const spec = needed(message, "RankSpec");
  const { taskName, script, env, secrets, goWhenReady, leaseMs } = spec;
  const { workdirSource, workdirTree, workdirTakers } = spec;
  return {
    ...{ taskName, script, goWhenReady },
    env: recordFrom(env),
    secrets: recordFrom(secrets),
    ...given("workdirSource", workdirSource),
    ...given("workdirTree", workdirTree && treeFromProto(workdirTree)),
    ...given("workdirTakers", workdirTakers),
    ...given("leaseMs", leaseMs),
    ...(spec.mounts.length === 0 ? {} : { mounts: spec.mounts.map(mountFromProto) }),
  };
}

function mountToProto({ destination, tree, isFile, takers }: RankMount) {
  return { destination, tree: treeToProto(tree), isFile, ...given("takers", takers) };
}

function mountFromProto(mount: sky.v1.Mount): RankMount {
  const { destination, tree, isFile, takers } = mount;
  return {
    ...{ destination, isFile, tree: treeFromProto(needed(tree, "Mount.tree")) },
    ...given("takers", takers),
  };
}

function inventoryToProto(inventory: NodeInventory): sky.v1.Inventory.$Properties {
  const { bootId, capacity, version, capabilities, ranks } = inventory;
  return {
    ...{ bootId, version, capabilities: [...capabilities] },
    capacity: capacityToProto(capacity),
    ranks: ranks.map(rankReportToProto),
  };
}

function inventoryFromProto(message: sky.v1.Inventory | null): NodeInventory {
  const { bootId, capacity, version, capabilities, ranks } = needed(message, "inventory");
  return {
    ...{ bootId, version, capabilities: [...capabilities] },
    capacity: capacityFromProto(capacity),
    ranks: ranks.map(rankReportFromProto),
  };
}
