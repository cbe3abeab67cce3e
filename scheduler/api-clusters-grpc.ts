// ClusterService: launch, status, start, stop, down, autostop.
//
// Requests are checked here and handed to the fleets; their outcome is the answer. Launch
// (`launch-steps-grpc.ts`) and start show how many nodes are up until the cluster is. A caller who
// goes away changes nothing: what was asked for is on disk and goes on.

import type { ClusterRecord } from "../clouds/cluster-record.ts";
import { costOf, costOfGone } from "../clouds/usage.ts";
import type { ClusterCost, Refreshed } from "../model/cluster.ts";
import { errorText, isSkyError, SkyError } from "../model/errors.ts";
import { costToProto } from "../proto/converters-cluster.ts";
import { given } from "../proto/fields.ts";
import type { sky } from "../proto/gen/sky.js";
import type { clusterService, HandlersOf } from "../proto/services.ts";
import { demandRoom, unlessFull } from "../runtime/store-room.ts";
import type { ApiOptions } from "./api-options.ts";
import { autostopRequest, autostopSetting } from "./autostop-setting.ts";
import { stepsOf, viewProto } from "./cluster-steps.ts";
import { viewOf } from "./cluster-view.ts";
import { firstWords } from "./first-word.ts";
import { launchSteps, userOf } from "./launch-steps-grpc.ts";
import { demandUp, recordOf, upHeadOf } from "./lookup.ts";
import type { AutostopSetting, Done, SchedulerMessage } from "./messages.ts";
import { keptCommand } from "./submission.ts";

const askMs = 30_000;

export function clusterHandlers(options: ApiOptions): HandlersOf<typeof clusterService> {
  const { fleets, store } = options;
  return {
    launch: (request, { signal }) => launchSteps(options, request, signal),
    start: async function* (request, { signal }) {
      await firstWords(options, [recordOf(options, request.cluster)], signal);
      const { name, cloud, command, busy } = recordOf(options, request.cluster);
      demandRoom(store, "begin");
      demandAble(options, cloud, "start");
      const setting = request.autostop ? autostopSetting(request.autostop) : undefined;
      const wanted = {
        command: request.command === "" ? command : keptCommand(request.command),
        user: userOf(request),
        force: request.force,
      };
      // Also armed when who asked has gone away meanwhile.
      const started = fleets.start(name, wanted, new AbortController().signal);
      const work = armed(options, started, setting);
      yield* stepsOf(options, { name, busy, work, signal });
    },
    status: (request, { signal }) => statusOf(options, request, signal),
    stop: async (request, { signal }) => {
      const { name, cloud } = recordOf(options, request.cluster);
      demandAble(options, cloud, "stop");
      demandRoom(store, "change");
      await unlessFull(store, fleets.stop(name, userOf(request), signal));
      return {};
    },
    down: async (request, { signal }) => {
      const { name } = recordOf(options, request.cluster);
      demandRoom(store, "change");
      const wanted = { user: userOf(request), purge: request.purge };
      const outcome = await unlessFull(store, fleets.down(name, wanted, signal));
      return { ...outcome, kept: [...outcome.kept] };
    },
    costReport: async () => ({ clusters: costReport(options).map(costToProto) }),
    setAutostop: async (request, { signal }) => {
      const setting = autostopSetting(request);
      demandRoom(store, "change");
      await unlessFull(store, setAutostop(options, request.cluster, { setting, signal }));
      return {};
    },
  };
}

async function statusOf(
  options: ApiOptions,
  { clusters, refresh }: sky.v1.StatusRequest,
  signal: AbortSignal,
): Promise<sky.v1.StatusResponse.$Properties> {
  const { fleets } = options;
  const find = (): readonly ClusterRecord[] =>
    clusters.length === 0 ? fleets.records() : clusters.map((name) => recordOf(options, name));
  await firstWords(options, find(), signal);
  const asked = find();
  if (!refresh) return { clusters: asked.map((record) => viewProto(options, record)) };
  const names = asked.map(({ name }) => name);
  const refreshed = await Promise.all(names.map((name) => refreshOne(options, name, signal)));
  const left = names.flatMap((name) => fleets.record(name) ?? []);
  return {
    clusters: left.map((record) => viewProto(options, record)),
    refreshed: refreshed.filter(({ text }) => text !== ""),
  };
}

/** @throws SkyError `cluster/not-up`. */
async function setAutostop(
  options: ApiOptions,
  cluster: string,
  {
    setting,
    signal,
  }: { readonly setting: AutostopSetting | undefined; readonly signal: AbortSignal },
): Promise<void> {
  const wanted = { cluster, what: "Setting autostop", signal };
  const remote = options.remote?.get(cluster);
  if (remote !== undefined) {
    demandUp(options, wanted);
    const { clusters } = await remote.client(signal);
    await clusters.setAutostop(autostopRequest(cluster, setting), { signal });
    return;
  }
  const head = await upHeadOf(options, wanted);
  await head.system.ask<SchedulerMessage, Done>(
    head.scheduler,
    (replyTo) => ({ kind: "set-autostop", setting, replyTo }),
    { timeoutMs: askMs, signal },
  );
}

/** A cluster that has come up, with its autostop armed if one is given. */
async function armed(
  options: ApiOptions,
  work: Promise<ClusterRecord>,
  setting: AutostopSetting | undefined,
): Promise<ClusterRecord> {
  const record = await work;
  const { signal } = new AbortController();
  if (setting !== undefined) await setAutostop(options, record.name, { setting, signal });
  return record;
}

/** What its cloud says; whatever goes wrong is part of the answer. */
async function refreshOne(
  options: ApiOptions,
  name: string,
  signal: AbortSignal,
): Promise<Refreshed> {
  const { fleets } = options;
  const record = fleets.record(name);
  const isAutodown = record !== undefined && viewOf(options, record).autostop?.verb === "down";
  try {
    return { cluster: name, ...(await fleets.refresh(name, { isAutodown }, signal)) };
  } catch (error) {
    if (isSkyError(error, "cluster/not-found")) return { cluster: name, text: "", failed: false };
    const text = `Failed to refresh status for cluster '${name}': ${errorText(error)}`;
    return { cluster: name, text, failed: true };
  }
}

/** Those that are there in the order of their names, then those that are gone, newest first. */
function costReport(options: ApiOptions): readonly ClusterCost[] {
  const { fleets, clock } = options;
  const nowWallMs = clock.now().wallMs;
  const live = fleets.records().map((record) => {
    return costOf(record, { nowWallMs, ...given("nodePricePerHour", priceNow(options, record)) });
  });
  return [...live, ...fleets.gone().map((gone) => costOfGone(gone, nowWallMs))];
}

/** For records of earlier versions, which do not say. */
function priceNow({ cloud }: ApiOptions, record: ClusterRecord): number | undefined {
  const [node] = record.nodes;
  if (record.nodePricePerHour !== undefined || node === undefined) return undefined;
  try {
    return cloud(record.cloud).pricePerHour?.(node.capacity);
  } catch (error) {
    if (isSkyError(error, "cloud/unknown")) return undefined;
    throw error;
  }
}

function demandAble(options: ApiOptions, cloud: string, verb: "start" | "stop"): void {
  if (options.cloud(cloud)[verb] !== undefined) return;
  throw new SkyError("request/invalid", { field: "cluster", why: `${cloud} cannot ${verb} nodes` });
}
