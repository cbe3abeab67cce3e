// The join itself: the only part of a skylet that needs gRPC. Loaded by `skylet join` alone.

import { joinCluster } from "../../agent/join-grpc.ts";
import { SkyError } from "../../model/errors.ts";
import { nodeHomeAt } from "../../model/home.ts";
import type { Channel } from "../../proto/channel-grpc.ts";
import { channelTo, secureChannelTo } from "../../proto/channel-grpc.ts";
import { clientOf } from "../../proto/client-grpc.ts";
import { joinService } from "../../proto/services.ts";
import { createOsClock } from "../../runtime/clock-os.ts";
import { endpointText } from "../../runtime/endpoint.ts";
import { createOsFiles } from "../../runtime/files-os.ts";
import { socketAddress } from "../../runtime/socket-os.ts";
import { packageVersion } from "../../runtime/version-os.ts";
import type { Orders } from "./orders.ts";

/** Resolves when the node's credentials are in its state folder. */
export async function joinAsOrdered(orders: Orders, signal: AbortSignal): Promise<void> {
  const { cluster, node, token, root } = orders;
  const { channel, release } = channelOf(orders);
  try {
    await joinCluster({
      ...{ cluster, node, token, signal, version: packageVersion(), clock: createOsClock() },
      client: clientOf(channel, joinService),
      files: createOsFiles(root),
      stateDir: nodeHomeAt(root).state,
    });
  } finally {
    channel.close();
    release();
  }
}

function channelOf({ socket, invitation }: Orders): {
  readonly channel: Channel;
  readonly release: () => void;
} {
  if (invitation !== undefined) {
    const { host, port } = invitation;
    return { channel: secureChannelTo(endpointText(host, port), invitation), release: () => {} };
  }
  if (socket === undefined) throw new SkyError("join/denied", { why: "nobody said where" });
  const address = socketAddress(socket);
  return { channel: channelTo(`unix:${address.path}`), release: () => address.release() };
}
