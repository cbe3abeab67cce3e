// What a node is told of a process that it shall run.

import { assert } from "../model/errors.ts";
import type { RankKey } from "../model/job.ts";
import { type Capacity, type DeviceShare, deviceIds } from "../model/resources.ts";
import { given } from "../proto/fields.ts";
import type { RankMount, RankSpec } from "../proto/messages.ts";
import { runEnv, setupEnv } from "./env.ts";
import type { GangRank } from "./gang-state.ts";
import { processOf } from "./gang-state.ts";
import type { JobSpec } from "./records.ts";
import type { JobEntry, SchedulerState } from "./table.ts";
import { nodeCan } from "./table.ts";

/** The name under which the lines of a job without one are shown. Source: SkyPilot's log prefix. */
const namelessTask = "task";

export function rankSpec(state: SchedulerState, entry: JobEntry, key: RankKey): RankSpec {
  const { spec, gang } = entry;
  const { task } = spec;
  assert(gang.phase !== "queued", `job ${spec.id} has a place`);
  const process = processOf(gang, key);
  assert(process !== undefined, `job ${spec.id} has the process`);
  const { cluster } = state;
  const about = { cluster, job: spec.id, submittedAt: spec.submittedAt, task };
  const isSetup = key.phase === "setup";
  const peers = isSetup ? gang.setups : gang.ranks;
  const input = { ...about, ips: peers.map(({ ip }) => ip), rank: peers.indexOf(process) };
  const capacity = state.nodesById.get(process.node)?.node.capacity;
  const nodeHasDevices = (capacity?.accelerators.length ?? 0) > 0;
  const devices = namedDevices(process.devices, capacity);
  return {
    taskName: task.name ?? namelessTask,
    // A setup that only brings files runs nothing.
    script: (isSetup ? gang.terms.hasSetup && task.setup : task.run) || "",
    env: isSetup ? setupEnv(input) : runEnv({ ...input, devices, nodeHasDevices }),
    secrets: state.secrets.get(spec.id) ?? {},
    ...workdirOf(state, spec, { node: process.node, peers }),
    ...mountsOf(spec, peers),
    goWhenReady: gang.phase === "preparing" && gang.goWhenReady,
    ...given("leaseMs", process.leaseMs),
  };
}

/** With the numbers by which their machine knows them. */
function namedDevices(
  devices: readonly DeviceShare[],
  capacity: Capacity | undefined,
): readonly DeviceShare[] {
  const ids = capacity === undefined ? [] : deviceIds(capacity);
  return devices.map(({ index, share }) => ({ index: ids[index] ?? index, share }));
}

/** A node of an earlier version gets the path of a copy: see `workdirs-os.ts`. */
function workdirOf(
  state: SchedulerState,
  { tree, workdir }: JobSpec,
  { node: id, peers }: { readonly node: string; readonly peers: readonly GangRank[] },
): Pick<RankSpec, "workdirTree" | "workdirTakers" | "workdirSource"> {
  const node = state.nodesById.get(id);
  const takesChunks = node !== undefined && nodeCan(node, "chunks");
  if (tree === undefined || !takesChunks) return given("workdirSource", workdir);
  const takers = takersOf(peers);
  return { workdirTree: tree, ...(takers > 1 ? { workdirTakers: takers } : {}) };
}

function mountsOf(
  { mounts = [] }: JobSpec,
  peers: readonly GangRank[],
): { readonly mounts?: readonly RankMount[] } {
  if (mounts.length === 0) return {};
  const takers = takersOf(peers);
  return { mounts: mounts.map((mount) => ({ ...mount, ...(takers > 1 ? { takers } : {}) })) };
}

function takersOf(peers: readonly GangRank[]): number {
  return new Set(peers.map(({ node }) => node)).size;
}
