// What is asked for of a transfer: model ↔ proto, both ways, total by type.
//
// Paths and patterns arrive byte for byte as they were given; an option that is absent stays so.

import type {
  Filter,
  TransferOptions,
  TransferOrder,
  TransferPreview,
  Verification,
} from "../model/transfer.ts";
import { verifications } from "../model/transfer.ts";
import type { Bucket, TransferPath } from "../model/transfer-path.ts";
import { storeKinds } from "../model/transfer-path.ts";
import { solvers } from "../model/transfer-plan.ts";
import { planFromProto, planToProto } from "./converters-transfer-view.ts";
import { transferVerbs } from "./enums.ts";
import { given, givenText, needed, oneOf } from "./fields.ts";
import type { sky } from "./gen/sky.js";

const compares = Object.keys({
  usual: true,
  size: true,
  digest: true,
} satisfies Record<TransferOptions["compare"], true>) as readonly TransferOptions["compare"][];

export function orderToProto(order: TransferOrder): sky.v1.TransferOrder.$Properties {
  const { verb, source, destinations, options, ...plain } = order;
  return {
    ...plain,
    verb: transferVerbs.toProto(verb),
    source: pathToProto(source),
    destinations: destinations.map(pathToProto),
    options: optionsToProto(options),
  };
}

/** @throws SkyError `codec/invalid` if it is absent, or has a word that we do not know. */
export function orderFromProto(message: sky.v1.TransferOrder | null): TransferOrder {
  const order = needed(message, "TransferOrder");
  const { recursive, user, command, idempotencyKey } = order;
  return {
    ...{ recursive, user, command, idempotencyKey },
    verb: transferVerbs.fromProto(order.verb),
    source: pathFromProto(order.source),
    destinations: order.destinations.map(pathFromProto),
    options: optionsFromProto(needed(order.options, "TransferOptions")),
  };
}

export function pathToProto(path: TransferPath): sky.v1.TransferPath.$Properties {
  switch (path.kind) {
    case "local":
      return { local: { path: path.path } };
    case "node": {
      const { cluster, node = "", path: at } = path;
      return { node: { cluster, node, path: at } };
    }
    case "store": {
      const { store, account = "", bucket, endpoint = "", region = "" } = path.bucket;
      return { store: { key: path.key, bucket: { store, account, bucket, endpoint, region } } };
    }
  }
}

export function pathFromProto(message: sky.v1.TransferPath | null): TransferPath {
  const path = needed(message, "TransferPath");
  if (path.local !== null) return { kind: "local", path: path.local.path };
  if (path.node !== null) {
    const { cluster, node, path: at } = path.node;
    return { kind: "node", cluster, ...givenText("node", node), path: at };
  }
  const { bucket, key } = needed(path.store, "TransferPath.at");
  return { kind: "store", bucket: bucketFromProto(bucket), key };
}

function bucketFromProto(message: sky.v1.Bucket | null): Bucket {
  const { store, account, bucket, endpoint, region } = needed(message, "Bucket");
  return {
    store: oneOf(store, storeKinds, "Bucket.store"),
    ...givenText("account", account),
    bucket,
    ...givenText("endpoint", endpoint),
    ...givenText("region", region),
  };
}

function optionsToProto(options: TransferOptions): sky.v1.TransferOptions.$Properties {
  const { filters, via, solver = "", ...plain } = options;
  return {
    ...plain,
    solver,
    filters: filters.map(({ verb, pattern }) => ({ include: verb === "include", pattern })),
    ...given("via", via && { clusters: [...via] }),
  };
}

function optionsFromProto(options: sky.v1.TransferOptions): TransferOptions {
  const { multipart, requesterPays, compress, delete: removes, verify, compare, via } = options;
  return {
    ...{ multipart, requesterPays, compress, delete: removes },
    ...given("solver", options.solver === "" ? undefined : solverOf(options.solver)),
    ...given("gbps", options.gbps),
    ...given("pricePerGb", options.pricePerGb),
    ...given("costMax", options.costMax),
    ...given("instancesMax", options.instancesMax),
    ...given("connections", options.connections),
    ...given("multipartBytes", options.multipartBytes),
    verify: oneOf<Verification>(verify, verifications, "TransferOptions.verify"),
    ...given("bandwidth", options.bandwidth),
    ...given("profile", options.profile),
    filters: options.filters.map(filterFromProto),
    compare: oneOf(compare, compares, "TransferOptions.compare"),
    ...given("via", via?.clusters),
  };
}

function solverOf(text: string): NonNullable<TransferOptions["solver"]> {
  return oneOf(text, solvers, "TransferOptions.solver");
}

function filterFromProto({ include, pattern }: sky.v1.TransferFilter): Filter {
  return { verb: include ? "include" : "exclude", pattern };
}

export function previewToProto(
  preview: TransferPreview,
): sky.v1.PreviewTransferResponse.$Properties {
  const { plan, sample, notes, ...plain } = preview;
  return { ...plain, plan: planToProto(plan), sample: [...sample], notes: [...notes] };
}

export function previewFromProto(message: sky.v1.PreviewTransferResponse): TransferPreview {
  const { objects, bytes, isPart, deletes, failed, notes } = message;
  return {
    plan: planFromProto(message.plan),
    ...{ objects, bytes, isPart, deletes, failed, notes },
    sample: message.sample.map(({ from, to, bytes: size }) => ({ from, to, bytes: size })),
  };
}
