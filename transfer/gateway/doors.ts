// How the head of a transfer reaches gateways, wherever they are, and what serves it there.

import type { SkyError } from "../../model/errors.ts";
import type { StreamChannel, StreamTarget } from "../../runtime/stream.ts";
import type { GatewayId } from "./program.ts";

/** A node that is up, and can be a gateway. */
export interface GatewaySite {
  readonly gateway: GatewayId;
  /** For prices: `local`, `ssh:POOL`, later a cloud's region. */
  readonly region: string;
  /** Where it can listen for its peers; the first that a peer reaches is used. */
  readonly addresses: readonly string[];
  /**
   * Peers dial it. This machine may be behind a router: nobody dials it if anybody else can listen.
   */
  readonly canListen: boolean;
}

/** Of the head: one channel to any node, whatever is in between. */
export interface GatewayDoors {
  /** This machine is the first. */
  sites(signal: AbortSignal): Promise<readonly GatewaySite[]>;
  /**
   * Why that gateway cannot be had, and will not be by waiting: it is no node, or its cluster is
   * stopped or being ended. `undefined`: it is up, or may come back by itself.
   */
  gone?(gateway: GatewayId): SkyError | undefined;
  /**
   * A channel to what serves gateways at that node. The header is one of `orders.ts`.
   * @throws SkyError `cluster/not-found`, `cluster/not-up`, `stream/closed`, `head/unreachable`.
   */
  open(gateway: GatewayId, header: string, signal: AbortSignal): Promise<StreamChannel>;
  /**
   * Where `from` dials what listens at `target` for `to`: there, or at this end of a tunnel, if it
   * cannot be dialled and a tunnel can be had. Before it is told to; until `close`. Absent: there.
   */
  reach?(
    ways: { readonly from: GatewayId; readonly to: GatewayId; readonly target: StreamTarget },
    signal: AbortSignal,
  ): Promise<Reached>;
}

export interface Reached {
  readonly target: StreamTarget;
  close(): Promise<void>;
}

/** Of a node: takes the channels that the head opened. */
export interface GatewayHost {
  /** Resolves when the channel is over; tells the head what went wrong, and never throws. */
  serve(channel: StreamChannel, signal: AbortSignal): Promise<void>;
  counts(): {
    readonly transfers: number;
    readonly memoryBytes: number;
    readonly diskBytes: number;
  };
  close(): Promise<void>;
}
