// ClusterService: launch, status, start, stop, down, autostop.
//
// Requests are checked here and handed to the fleets; their outcome is the answer. Launch and start
// show how many nodes are up until the cluster is. A caller who goes away changes nothing: what was
// asked for is on disk and goes on.

import type { ClusterRecord, LaunchRequest } from "../clouds/cluster-record.ts";
import { clusterOf } from "../clouds/cluster-record.ts";
import type { Progress } from "../clouds/fleets-actor.ts";
import type { ClusterCost, ClusterView, Isolation } from "../model/cluster.ts";
import { SkyError } from "../model/errors.ts";
import {
  clusterToProto,
  costToProto,
  isolationFromText,
  progressToProto,
} from "../proto/converters-cluster.ts";
import { acceleratorsFromProto } from "../proto/converters-rank.ts";
import { given } from "../proto/fields.ts";
import type { sky } from "../proto/gen/sky.js";
import type { clusterService, HandlersOf } from "../proto/services.ts";
import { hexToken } from "../runtime/random.ts";
import { demandRoom, unlessFull } from "../runtime/store-room.ts";
import type { ApiOptions } from "./api-options.ts";
import { autostopSetting } from "./autostop-setting.ts";
import { demandValid, recordOf, upHeadOf } from "./lookup.ts";
import type { Done, SchedulerMessage } from "./messages.ts";
import { clusterNameProblem, devicesProblem, keptCommand, nodeCountProblem } from "./submission.ts";

const askMs = 30_000;
const tokenBytes = 16;
const bytesPerGigabyte = 1024 ** 3;

export function clusterHandlers(options: ApiOptions): HandlersOf<typeof clusterService> {
  const { fleets, store } = options;
  return {
    launch: (request, { signal }) => {
      demandRoom(store, "begin");
      const wanted = launchRequest(options, request);
      return steps(options, wanted.name, fleets.launch(wanted, signal));
    },
    start: (request, { signal }) => {
      const { name, cloud, command } = recordOf(options, request.cluster);
      demandRoom(store, "begin");
      demandAble(options, cloud, "start");
      return steps(options, name, fleets.start(name, command, signal));
    },
    status: async ({ clusters }) => {
      const records =
        clusters.length === 0 ? fleets.records() : clusters.map((name) => recordOf(options, name));
      return { clusters: records.map((record) => clusterToProto(viewOf(options, record))) };
    },
    stop: async ({ cluster }, { signal }) => {
      const { name, cloud } = recordOf(options, cluster);
      demandAble(options, cloud, "stop");
      demandRoom(store, "change");
      await unlessFull(store, fleets.stop(name, "stopped by the user", signal));
      return {};
    },
    down: async ({ cluster }, { signal }) => {
      const { name } = recordOf(options, cluster);
      demandRoom(store, "change");
      const down = fleets.down(name, "taken down by the user", signal);
      return { logsArchive: await unlessFull(store, down) };
    },
    costReport: async () => ({ clusters: fleets.records().map(runningCost).map(costToProto) }),
    setAutostop: async (request, { signal }) => {
      const wanted = { cluster: request.cluster, what: "Setting autostop", signal };
      const head = await upHeadOf(options, wanted);
      const setting = autostopSetting(request);
      demandRoom(store, "change");
      const asked = head.system.ask<SchedulerMessage, Done>(
        head.scheduler,
        (replyTo) => ({ kind: "set-autostop", setting, replyTo }),
        { timeoutMs: askMs, signal },
      );
      await unlessFull(store, asked);
      return {};
    },
  };
}

/** @throws SkyError `request/invalid`, `cloud/unknown`. */
function launchRequest(options: ApiOptions, request: sky.v1.LaunchRequest): LaunchRequest {
  const numNodes = request.numNodes === 0 ? 1 : request.numNodes;
  demandValid(clusterNameProblem(request.cluster) ?? nodeCountProblem(numNodes));
  const cloud = options.cloud(request.cloud === "" ? "local" : request.cloud);
  const asked = askedShape(request);
  const capacity = cloud.declare?.(asked, numNodes);
  if (capacity === undefined) throw new SkyError("cloud/unknown", { cloud: cloud.name });
  return {
    name: request.cluster,
    numNodes,
    asked,
    capacity,
    cloud: cloud.name,
    isolation: isolationOf(request.isolation, options.isolation),
    token: hexToken(options.random, tokenBytes),
    command: keptCommand(request.command),
    user: request.user,
  };
}

/** What runs, since it was launched. A local machine costs nothing. */
function runningCost(record: ClusterRecord): ClusterCost {
  const { name, user = "", launchedAt, nodes, resources, status } = record;
  const durationMs = Date.now() - launchedAt;
  const cost = { costPerHour: 0, cost: 0, usage: [{ startedAt: launchedAt }] };
  return { name, user, launchedAt, durationMs, numNodes: nodes.length, resources, status, ...cost };
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

/** Progress as it comes, then the cluster. */
async function* steps(
  options: ApiOptions,
  name: string,
  work: Promise<ClusterRecord>,
): AsyncGenerator<sky.v1.LaunchResponse.$Properties> {
  let wake = () => {};
  let news: Progress | undefined;
  let shown = "";
  const stopHearing = options.fleets.onProgress(name, (progress) => {
    news = progress;
    wake();
  });
  let isOver = false;
  const over = unlessFull(options.store, work).finally(() => {
    isOver = true;
    wake();
  });
  // Awaited below; until then a refusal must not count as unhandled.
  over.catch(() => {});
  try {
    while (!isOver) {
      const text = news === undefined ? "" : progressText(news);
      if (news !== undefined && text !== shown) {
        shown = text;
        const { nodesUp, record } = news;
        const nodesWanted = record.nodes.length;
        yield { progress: progressToProto({ nodesUp, nodesWanted, text }) };
      } else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
    yield { cluster: clusterToProto(viewOf(options, await over)) };
  } finally {
    stopHearing();
  }
}

function progressText({ record, nodesUp }: Progress): string {
  return `${nodesUp} of ${record.nodes.length} nodes are up`;
}

function viewOf({ heads }: ApiOptions, record: ClusterRecord): ClusterView {
  const board = heads.get(record.name)?.board;
  const cluster = clusterOf(record);
  return {
    ...cluster,
    nodes: cluster.nodes.map((node) => ({ ...node, phase: board?.nodePhase(node.id) ?? "absent" })),
    // The setting dies with a stop: a stopped cluster has none.
    ...given("autostop", record.status === "STOPPED" ? undefined : board?.autostop()),
  };
}

function demandAble(options: ApiOptions, cloud: string, verb: "start" | "stop"): void {
  if (options.cloud(cloud)[verb] !== undefined) return;
  throw new SkyError("request/invalid", { field: "cluster", why: `${cloud} cannot ${verb} nodes` });
}
