// Heads that run elsewhere, on the first hosts of their clusters, as this head deals with them.
//
// For the fleets they are heads like any other (`HeadsPort`); for the API each is a client to which
// calls are forwarded, and what it said last of its cluster.

import type { HeadsPort } from "../../clouds/fleet-actor.ts";
import type { ClusterView, Silence } from "../../model/cluster.ts";
import type { Invitation } from "../../model/host-file.ts";
import type { HeadClient } from "../../proto/client-grpc.ts";
import type { sky } from "../../proto/gen/sky.js";
import type { StreamChannel } from "../../runtime/stream.ts";

export interface RemoteHeads extends HeadsPort {
  /** Of a cluster whose head runs elsewhere; `undefined` for any other. */
  get(cluster: string): RemoteHead | undefined;
  /** @throws SkyError `head/unreachable`. */
  invite(cluster: string, node: string, signal: AbortSignal): Promise<Invitation>;
  closeAll(): Promise<void>;
}

export interface RemoteHead {
  readonly cluster: string;
  /**
   * Connected; waits for a connection that is being made. Its calls end when the connection does,
   * with an error that names the host. @throws SkyError `head/unreachable`.
   */
  client(signal: AbortSignal): Promise<HeadClient>;
  /** Gives the head what the tasks name of this machine, and then the tasks. */
  submit(request: sky.v1.SubmitRequest, signal: AbortSignal): Promise<readonly number[]>;
  /**
   * A channel to one of the cluster's nodes.
   * @throws SkyError `head/unreachable`, `transfer/no-gateway`, `stream/closed`.
   */
  openNode(node: string, header: string, signal: AbortSignal): Promise<StreamChannel>;
  /** What it said last; `undefined` before it said anything. */
  view(): ClusterView | undefined;
  /** Since when (wall clock) it has not been heard, and why. */
  silence(): Silence | undefined;
}
