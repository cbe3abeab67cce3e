// How the head of a home reaches gateways: its own, those of nodes whose cluster it is the head of,
// and those of clusters on hosts, through the heads there.
//
// Every answer is of the moment: a node that is not heard is no site, and one that goes breaks its
// channels. Nothing is started for a transfer but what it opens.

import type { ClusterRecord } from "../../clouds/cluster-record.ts";
import type { Fleets } from "../../clouds/fleets-actor.ts";
import { SkyError } from "../../model/errors.ts";
import type { NodePhase } from "../../model/node.ts";
import { parsePeer } from "../../runtime/certificates.ts";
import type { StreamChannel } from "../../runtime/stream.ts";
import type { GatewayDoors, GatewaySite } from "../../transfer/gateway/doors.ts";
import { homeGateway } from "../../transfer/gateway/program.ts";
import { localRegion } from "../../transfer/gateway/reach.ts";
import type { Heads } from "../heads-os.ts";
import type { RemoteHead, RemoteHeads } from "../remote/remote.ts";

export interface GatewayDoorsOptions {
  readonly fleets: Pick<Fleets, "records" | "record">;
  readonly heads: Pick<Heads, "get" | "nodes">;
  /** Absent where there are no clusters on hosts. */
  readonly remote?: Pick<RemoteHeads, "get">;
  /** To what serves gateways in this process. */
  readonly openHome: (header: string, signal: AbortSignal) => Promise<StreamChannel>;
  readonly reach?: NonNullable<GatewayDoors["reach"]>;
}

/** How long a head on a host is waited for before its nodes are left out. */
const patienceMs = 3_000;

export function createGatewayDoors(options: GatewayDoorsOptions): GatewayDoors {
  const { fleets, reach } = options;
  return {
    sites: async (signal) => {
      const up = fleets.records().filter(({ status }) => status === "UP");
      const nodes = await Promise.all(up.map((record) => sitesOf(options, record, signal)));
      return [homeSite, ...nodes.flat()];
    },
    gone: (gateway) => goneOf(fleets, gateway),
    open: (gateway, header, signal) =>
      gateway === homeGateway
        ? options.openHome(header, signal)
        : openNode(options, { gateway, header }, signal),
    ...(reach === undefined ? {} : { reach }),
  };
}

/** Nobody dials this machine: it may be behind a router, and asleep. */
const homeSite: GatewaySite = {
  ...{ gateway: homeGateway, region: localRegion, addresses: [], canListen: false },
};

async function sitesOf(
  { heads, remote }: GatewayDoorsOptions,
  record: ClusterRecord,
  signal: AbortSignal,
): Promise<readonly GatewaySite[]> {
  const elsewhere = remote?.get(record.name);
  if (elsewhere !== undefined) return await sitesElsewhere(elsewhere, record, signal);
  const board = heads.get(record.name)?.board;
  if (board === undefined) return [];
  const phases = new Map(record.nodes.map(({ id }) => [id, board.nodePhase(id)]));
  return aliveSites(record, phases);
}

function regionOfCluster({ cloud, region }: ClusterRecord): string {
  return region === undefined ? cloud : `${cloud}:${region}`;
}

async function sitesElsewhere(
  head: RemoteHead,
  record: ClusterRecord,
  signal: AbortSignal,
): Promise<readonly GatewaySite[]> {
  const patience = AbortSignal.any([signal, AbortSignal.timeout(patienceMs)]);
  const [heard] = await Promise.allSettled([head.client(patience)]);
  signal.throwIfAborted();
  // One that is not heard has no nodes to offer; who wants just those is told why by `open`.
  const view = heard.status === "rejected" ? undefined : head.view();
  if (view === undefined) return [];
  const phases = new Map(view.nodes.map(({ id, phase }) => [id, phase]));
  return aliveSites(record, phases);
}

function aliveSites(
  record: ClusterRecord,
  phases: ReadonlyMap<string, NodePhase>,
): readonly GatewaySite[] {
  const { name, nodes } = record;
  const region = regionOfCluster(record);
  return nodes
    .filter(({ id }) => phases.get(id) === "alive")
    .map(({ id, ip }) => ({
      gateway: `${name}/${id}`,
      region,
      addresses: ip === undefined ? [] : [ip],
      canListen: ip !== undefined,
    }));
}

async function openNode(
  { fleets, heads, remote }: GatewayDoorsOptions,
  { gateway, header }: { readonly gateway: string; readonly header: string },
  signal: AbortSignal,
): Promise<StreamChannel> {
  const gone = goneOf(fleets, gateway);
  if (gone !== undefined) throw gone;
  const { cluster = "", node = "" } = parsePeer(gateway) ?? {};
  const elsewhere = remote?.get(cluster);
  if (elsewhere !== undefined) return await elsewhere.openNode(node, header, signal);
  return await heads.nodes.open({ cluster, node }, header, signal);
}

/** INIT comes up, or is being looked at. */
function goneOf(fleets: Pick<Fleets, "record">, gateway: string): SkyError | undefined {
  if (gateway === homeGateway) return undefined;
  const { cluster = "", node = "" } = parsePeer(gateway) ?? {};
  const known = fleets.record(cluster);
  const notFound = (name: string): SkyError =>
    new SkyError("cluster/not-found", { name: `'${name}'`, hint: "" });
  if (known === undefined) return notFound(cluster);
  if (!known.nodes.some(({ id }) => id === node)) return notFound(gateway);
  const { status } = known;
  if (status === "UP" || status === "INIT") return undefined;
  return new SkyError("cluster/not-up", { what: "A transfer is", name: cluster, status });
}
