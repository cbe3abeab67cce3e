// What may be asked of a transfer, as far as its form goes: numbers in their ranges, texts of a
// length that can be kept, paths of this machine that are absolute. Pure.
//
// Whether there is anything at the paths, and whether they may be read, is found out later.

import type { TransferOptions, TransferOrder } from "../model/transfer.ts";
import type { TransferPath } from "../model/transfer-path.ts";
import {
  clusterNameProblem,
  type FieldProblem,
  labelBytesMax,
  lengthProblem,
  userProblem,
} from "./submission.ts";

/** Of one transfer: each is a column of the plan, and of every object's record. */
export const destinationsMax = 64;
/** Of one transfer: each is tried on every object. */
export const filtersMax = 1_024;
/** The text of a grid: 71 regions of three clouds with each other are 0.4 MB. */
export const profileBytesMax = 4 * 1024 * 1024;
/** A path, a key, a pattern. The longest are HDFS's: 8,000 (`transfer/stores/limits.ts`). */
export const pathBytesMax = 8_192;
/** Variables that a caller passes for its credentials, together. */
export const environmentBytesMax = 64 * 1024;
/** Of one link, when links are measured. */
export const profileSecondsMax = 60;

/** The first thing that is wrong with it, if anything is. */
export function orderProblem(order: TransferOrder): FieldProblem | undefined {
  const { source, destinations, user, idempotencyKey } = order;
  return (
    userProblem(user) ??
    lengthProblem("idempotency_key", idempotencyKey, labelBytesMax) ??
    keyProblem(idempotencyKey) ??
    destinationsProblem(destinations.length) ??
    pathProblem("source", source) ??
    firstOf(destinations, (path, at) => pathProblem(`destinations[${at}]`, path)) ??
    verbProblem(order) ??
    optionsProblem(order.options)
  );
}

export function environmentProblem(
  environment: Readonly<Record<string, string>>,
): FieldProblem | undefined {
  // Values are secrets: no message has any of them.
  const all = Object.entries(environment).flat().join("");
  return lengthProblem("environment", all, environmentBytesMax);
}

export function profileProblem(seconds: number | undefined): FieldProblem | undefined {
  if (seconds === undefined || (seconds > 0 && seconds <= profileSecondsMax)) return undefined;
  const why = `${seconds} is not a time of more than 0 and at most ${profileSecondsMax} seconds`;
  return { field: "seconds", why };
}

function keyProblem(idempotencyKey: string): FieldProblem | undefined {
  if (idempotencyKey !== "") return undefined;
  return { field: "idempotency_key", why: "it is missing: the same order again is told by it" };
}

function destinationsProblem(count: number): FieldProblem | undefined {
  if (count >= 1 && count <= destinationsMax) return undefined;
  return { field: "destinations", why: `there are ${count}: from 1 to ${destinationsMax} go` };
}

function pathProblem(field: string, path: TransferPath): FieldProblem | undefined {
  if (path.kind === "store") {
    const { endpoint } = path.bucket;
    return endpointProblem(field, endpoint) ?? lengthProblem(field, path.key, pathBytesMax);
  }
  if (path.kind === "node") {
    const named = clusterNameProblem(path.cluster);
    if (named !== undefined) return { field, why: named.why };
  } else if (!path.path.startsWith("/")) {
    return { field, why: `'${path.path}' is not absolute` };
  }
  if (path.path.includes("\0")) return { field, why: "a path has no byte 0" };
  return lengthProblem(field, path.path, pathBytesMax);
}

/** An endpoint is kept and shown: one with a password in it is refused, and not repeated. */
function endpointProblem(field: string, endpoint: string | undefined): FieldProblem | undefined {
  if (endpoint === undefined) return undefined;
  if (!URL.canParse(endpoint) || !/^https?:\/\//i.test(endpoint)) {
    return { field, why: "its endpoint is no http(s) URL" };
  }
  const { username, password } = new URL(endpoint);
  if (username === "" && password === "") return undefined;
  return { field, why: "its endpoint has credentials in it: they go into variables or files" };
}

function verbProblem({ verb, source, options }: TransferOrder): FieldProblem | undefined {
  if (source.kind === "node" && source.node === "*") {
    return { field: "source", why: "all nodes can be copied to, one can be copied from" };
  }
  if (verb === "sync") return undefined;
  if (options.delete) return { field: "delete", why: "only a sync deletes" };
  if (options.compare === "usual") return undefined;
  return { field: "compare", why: "only a sync compares" };
}

function optionsProblem(options: TransferOptions): FieldProblem | undefined {
  const { filters, profile = "", via = [] } = options;
  return (
    rangeProblem("gbps", options.gbps, { above: 0 }) ??
    rangeProblem("price_per_gb", options.pricePerGb, { least: 0 }) ??
    rangeProblem("cost_max", options.costMax, { least: 0 }) ??
    rangeProblem("instances_max", options.instancesMax, { least: 1 }) ??
    rangeProblem("connections", options.connections, { least: 1 }) ??
    rangeProblem("multipart_bytes", options.multipartBytes, { least: 1 }) ??
    rangeProblem("bandwidth", options.bandwidth, { above: 0 }) ??
    goalsProblem(options) ??
    countProblem("filters", filters.length, filtersMax) ??
    firstOf(filters, ({ pattern }, at) => lengthProblem(`filters[${at}]`, pattern, pathBytesMax)) ??
    lengthProblem("profile", profile, profileBytesMax) ??
    firstOf(via, clusterNameProblem)
  );
}

/** A plan is the cheapest of a speed, or the fastest of a price. */
function goalsProblem({ gbps, pricePerGb }: TransferOptions): FieldProblem | undefined {
  if (gbps === undefined || pricePerGb === undefined) return undefined;
  const why = "a plan has a throughput floor or a price ceiling: one of them";
  return { field: "price_per_gb", why };
}

function rangeProblem(
  field: string,
  value: number | undefined,
  { above = Number.NEGATIVE_INFINITY, least = Number.NEGATIVE_INFINITY },
): FieldProblem | undefined {
  if (value === undefined || (value > above && value >= least && value < Infinity)) {
    return undefined;
  }
  const bound = Number.isFinite(above) ? `above ${above}` : `of at least ${least}`;
  return { field, why: `${value} is no number ${bound}` };
}

function countProblem(field: string, count: number, countMax: number): FieldProblem | undefined {
  if (count <= countMax) return undefined;
  return { field, why: `there are ${count}, at most ${countMax} are taken` };
}

function firstOf<T>(
  all: readonly T[],
  problem: (one: T, at: number) => FieldProblem | undefined,
): FieldProblem | undefined {
  for (const [at, one] of all.entries()) {
    const found = problem(one, at);
    if (found !== undefined) return found;
  }
  return undefined;
}
