// A launch, as the API takes it: checked, the nodes looked for where its cloud has to look, and
// then the fleets' business.
//
// A cluster that is there is not looked for again: its record says which machines are its own. One
// that is going down is waited for first, because what it holds is free only then. Until the fleets
// have it on record nothing is taken, so a caller who goes away meanwhile has asked for nothing.

import type { Cloud, FoundNodes } from "../clouds/cloud.ts";
import { type ClusterRecord, type LaunchRequest, waitText } from "../clouds/cluster-record.ts";
import type { Isolation } from "../model/cluster.ts";
import { SkyError } from "../model/errors.ts";
import { isolationFromText, progressToProto } from "../proto/converters-cluster.ts";
import { acceleratorsFromProto } from "../proto/converters-rank.ts";
import { given } from "../proto/fields.ts";
import type { sky } from "../proto/gen/sky.js";
import { hexToken } from "../runtime/random.ts";
import { demandRoom } from "../runtime/store-room.ts";
import type { ApiOptions } from "./api-options.ts";
import { stepsOf } from "./cluster-steps.ts";
import { firstWords } from "./first-word.ts";
import { demandValid } from "./lookup.ts";
import {
  clusterNameProblem,
  devicesProblem,
  keptCommand,
  labelBytesMax,
  lengthProblem,
  nodeCountProblem,
} from "./submission.ts";

const tokenBytes = 16;
const bytesPerGigabyte = 1024 ** 3;

type Step = sky.v1.LaunchResponse.$Properties;

/** @throws SkyError `request/invalid`, `cloud/unknown`, those of `Cloud.find` and of the fleets. */
export async function* launchSteps(
  options: ApiOptions,
  request: sky.v1.LaunchRequest,
  signal: AbortSignal,
): AsyncGenerator<Step> {
  const { fleets, store } = options;
  demandRoom(store, "begin");
  await firstWords(options, [fleets.record(request.cluster)], signal);
  const plan = planOf(options, request);
  const { name } = plan.wanted;
  const { find } = plan.cloud;
  let found: FoundNodes | undefined;
  if (find !== undefined && !isThere(fleets.record(name))) {
    const busy = fleets.record(name)?.busy;
    if (busy !== undefined) yield step(plan, waitText(busy, options.clock.now().wallMs));
    await fleets.whenGone(name, signal);
    yield step(plan, `looking at the hosts of ${poolText(request.region)}`);
    found = await find(nodesWanted(plan, request), signal);
    for (const { host, why } of found.leftOut) yield step(plan, `${host} is left out: ${why}`);
  }
  const wanted = withNodes(plan, found);
  const busy = fleets.record(name)?.busy;
  yield* stepsOf(options, { name, busy, work: fleets.launch(wanted, signal), signal });
}

/** @throws SkyError `request/invalid`. */
export function userOf({ user }: { readonly user: string }): string {
  demandValid(lengthProblem("user", user, labelBytesMax));
  return user;
}

interface Plan {
  readonly cloud: Cloud;
  readonly wanted: Omit<LaunchRequest, "capacity" | "found" | "nodePricePerHour">;
}

function isThere(record: ClusterRecord | undefined): boolean {
  return record !== undefined && record.goal !== "absent";
}

function planOf(options: ApiOptions, request: sky.v1.LaunchRequest): Plan {
  const { cluster: name, region } = request;
  const numNodes = request.numNodes === 0 ? 1 : request.numNodes;
  demandValid(clusterNameProblem(name) ?? nodeCountProblem(numNodes));
  const record = options.fleets.record(name);
  const cloud = options.cloud(request.cloud || record?.cloud || defaultCloud);
  const isNowhere = region !== "" && cloud.find === undefined;
  if (isNowhere) demandValid({ field: "region", why: `${cloud.name} has none` });
  const wanted = {
    ...{ name, numNodes, cloud: cloud.name },
    asked: askedShape(request),
    isolation: isolationOf(request.isolation, options.isolation),
    token: hexToken(options.random, tokenBytes),
    command: keptCommand(request.command),
    ...given("region", region || undefined),
    ...given("user", userOf(request) || undefined),
  };
  return { cloud, wanted };
}

const defaultCloud = "local";

function nodesWanted({ wanted }: Plan, { trustedHostKeys }: sky.v1.LaunchRequest) {
  const { name: cluster, asked, numNodes, region } = wanted;
  return { cluster, asked, numNodes, ...given("region", region), trustedHostKeys };
}

/** @throws SkyError `cloud/unknown` for a cloud that can neither declare nor find nodes. */
function withNodes({ cloud, wanted }: Plan, found: FoundNodes | undefined): LaunchRequest {
  const capacity = found?.nodes[0]?.capacity ?? cloud.declare?.(wanted.asked, wanted.numNodes);
  if (capacity === undefined && cloud.find === undefined) {
    throw new SkyError("cloud/unknown", { cloud: cloud.name });
  }
  const price = capacity && cloud.pricePerHour?.(capacity);
  return {
    ...wanted,
    ...given("capacity", capacity),
    ...given("found", found),
    ...given("nodePricePerHour", price),
  };
}

function step({ wanted }: Plan, text: string): Step {
  return { progress: progressToProto({ nodesUp: 0, nodesWanted: wanted.numNodes, text }) };
}

function poolText(region: string): string {
  return region === "" ? "all pools" : `pool ${region}`;
}

function askedShape(request: sky.v1.LaunchRequest): LaunchRequest["asked"] {
  const { cpus, memoryGb, accelerators } = request;
  const memoryBytes = memoryGb && Math.round(memoryGb * bytesPerGigabyte);
  for (const [field, amount] of Object.entries({ cpus, memory: memoryGb })) {
    const isAmount = amount === null || amount === undefined || (amount > 0 && amount < Infinity);
    if (!isAmount) demandValid({ field, why: `${amount} is not above 0` });
  }
  const devices = accelerators ? acceleratorsFromProto(accelerators) : undefined;
  demandValid(devicesProblem(devices));
  return {
    ...given("cpus", cpus),
    ...given("memoryBytes", memoryBytes),
    ...given("accelerators", devices),
  };
}

function isolationOf(asked: string, configured: Isolation): Isolation {
  return asked === "" ? configured : isolationFromText(asked);
}
