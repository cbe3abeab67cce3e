// HostService: what a head that runs on a host of its cluster is told by whoever owns the table of
// clusters, and what it tells of the cluster.
//
// What must always hold: `Host` brings a cluster up that is new, or that was stopped before this
// head started, and changes nothing of one that is on its way down.

import type { HostsCloud } from "../clouds/cloud-hosts.ts";
import { hostsCloud } from "../clouds/cloud-hosts.ts";
import type { LaunchRequest } from "../clouds/cluster-record.ts";
import { SkyError } from "../model/errors.ts";
import type { Invitation } from "../model/host-file.ts";
import type { Node } from "../model/node.ts";
import type { Capacity } from "../model/resources.ts";
import { wireCapabilities } from "../model/wire.ts";
import { plainNodeFromProto } from "../proto/converters-cluster.ts";
import type { sky } from "../proto/gen/sky.js";
import type { CallContext, HandlersOf, hostService } from "../proto/services.ts";
import type { StreamTarget } from "../runtime/stream.ts";
import type { ApiOptions } from "./api-options.ts";
import { watchCluster } from "./cluster-watch.ts";
import { demandValid } from "./lookup.ts";
import { clusterNameProblem, keptCommand } from "./submission.ts";

/** How whoever owns the table of clusters gives chunks. The key is secret. */
export interface HomeAccess {
  readonly bulk: StreamTarget;
  readonly authority: string;
  readonly certificate: string;
  readonly key: string;
}

export interface HostOptions extends ApiOptions {
  readonly hosts: Pick<HostsCloud, "give" | "given">;
  /** Of the one cluster of this head. */
  readonly own: { readonly cluster: string; readonly token: string };
  readonly invite: (cluster: string, node: string) => Promise<Invitation>;
  readonly homeAccess: (cluster: string) => Promise<HomeAccess>;
  /** What the cluster was last busy with, as a sentence; empty when nothing is known. */
  readonly why: () => string;
}

type HostHandlers = HandlersOf<typeof hostService>;

export function hostHandlers(options: HostOptions): HostHandlers {
  return {
    host: (request, context) => host(options, request, context),
    invite: async ({ cluster, node }) => {
      demandOwn(options, cluster);
      const known = options.hosts.given()?.nodes.some(({ id }) => id === node);
      demandValid(known ? undefined : { field: "node", why: `${node} is no node of ${cluster}` });
      return { ...(await options.invite(cluster, node)) };
    },
    watch: ({ cluster }, { signal }) => {
      demandOwn(options, cluster);
      return watchCluster(options, { name: cluster, why: options.why, signal });
    },
  };
}

async function host(
  options: HostOptions,
  request: sky.v1.HostRequest,
  { signal }: CallContext,
): Promise<sky.v1.HostResponse.$Properties> {
  const { cluster, token } = request;
  demandValid(clusterNameProblem(cluster));
  demandOwn(options, cluster);
  if (token !== options.own.token) {
    throw new SkyError("request/invalid", { field: "token", why: `it is of another ${cluster}` });
  }
  const nodes = request.nodes.map(plainNodeFromProto);
  await options.hosts.give({ cluster, token, nodes });
  // What autostop began and finished before, its scheduler asks for again as it opens: then it is
  // no longer meant.
  if (options.fleets.record(cluster) !== undefined) await options.heads.whenOpen(cluster, signal);
  bringUp(options, request, nodes);
  await recorded(options, cluster, signal);
  await options.heads.whenOpen(cluster, signal);
  const { bulk, ...proof } = await options.homeAccess(cluster);
  const capabilities = [...wireCapabilities];
  return { bulkHost: bulk.host, bulkPort: bulk.port, ...proof, capabilities };
}

/** Nobody waits for it here: whoever asked watches. */
function bringUp(
  { fleets, log }: HostOptions,
  request: sky.v1.HostRequest,
  nodes: readonly Node[],
): void {
  const { cluster, user } = request;
  const status = fleets.record(cluster)?.status;
  const command = keptCommand(request.command);
  const { signal } = new AbortController();
  const hear = (error: unknown): void => log.warn("the cluster is not up", { cluster, error });
  if (status === undefined) {
    fleets.launch(launchOf(request, nodes), signal).catch(hear);
  } else if (status === "STOPPED") {
    fleets.start(cluster, { command, user, force: false }, signal).catch(hear);
  }
}

function launchOf(request: sky.v1.HostRequest, nodes: readonly Node[]): LaunchRequest {
  const { cluster: name, token, user, region } = request;
  const found = nodes.map(({ capacity, host = "", ip }) => ({ capacity, host, ip }));
  const [first] = nodes;
  if (first === undefined) {
    throw new SkyError("request/invalid", { field: "nodes", why: "there are none" });
  }
  const capacity: Capacity = first.capacity;
  return {
    ...{ name, token, numNodes: nodes.length, asked: {}, capacity, isolation: "process" },
    ...{ cloud: hostsCloud, command: keptCommand(request.command) },
    found: { region, nodes: found },
    ...(user === "" ? {} : { user }),
  };
}

/** Resolves when its first record is on disk. */
async function recorded({ fleets }: HostOptions, name: string, signal: AbortSignal): Promise<void> {
  if (fleets.record(name) !== undefined) return;
  await new Promise<void>((resolve, reject) => {
    const stop = fleets.onChange(name, () => {
      stop();
      resolve();
    });
    const giveUp = (): void => {
      stop();
      reject(new SkyError("core/cancelled", { what: `hosting ${name}` }));
    };
    signal.addEventListener("abort", giveUp, { once: true });
  });
}

function demandOwn({ own }: HostOptions, cluster: string): void {
  if (cluster === own.cluster) return;
  throw new SkyError("cluster/not-found", { name: `'${cluster}'`, hint: "" });
}
