// What serves transfers at one node: made for the first of them, so that a node which takes part in
// none loads none of it.

import type { NodeHome } from "../../model/home.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { Random } from "../../runtime/random.ts";
import type { StreamHub } from "../../runtime/stream-memory.ts";
import type { ChunkWork } from "../../transfer/chunks/work.ts";
import type { GatewayHost } from "../../transfer/gateway/doors.ts";
import type { ObjectStore, OpenStore } from "../../transfer/stores/object-store.ts";

export interface GatewayPlace {
  readonly cluster: string;
  readonly node: string;
  /** Where its peers reach it; absent: they do not. */
  readonly host?: string;
  /** Joins the gateways of one process. */
  readonly near?: StreamHub | undefined;
  readonly home: Pick<NodeHome, "home" | "transfers">;
  readonly work: ChunkWork;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export function gatewaysAt(place: GatewayPlace): () => Promise<GatewayHost> {
  const { cluster, node, host, near, home, work, clock, random, log } = place;
  return async () => {
    const { createGatewayHost } = await import("../../transfer/gateway/host-os.ts");
    return createGatewayHost({
      gateway: `${cluster}/${node}`,
      addresses: host === undefined ? [] : [host],
      near,
      ...{ home: home.home, dir: home.transfers, work, clock, random, log, openStore },
    });
  };
}

/** By an adapter that is loaded when its store is first asked for. */
export async function openStore(open: OpenStore): Promise<ObjectStore> {
  const adapters = await import("../../transfer/stores/open-store-os.ts");
  return await adapters.openStore(open);
}
