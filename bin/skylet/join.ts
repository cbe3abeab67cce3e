// The join itself: the only part of a skylet that needs gRPC. Loaded by `skylet join` alone.

import { joinCluster } from "../../agent/join-grpc.ts";
import { nodeHomeAt } from "../../model/home.ts";
import { channelTo } from "../../proto/channel-grpc.ts";
import { clientOf } from "../../proto/client-grpc.ts";
import { joinService } from "../../proto/services.ts";
import { createOsClock } from "../../runtime/clock-os.ts";
import { createOsFiles } from "../../runtime/files-os.ts";
import { socketAddress } from "../../runtime/socket-os.ts";
import { packageVersion } from "../../runtime/version-os.ts";
import type { Orders } from "./orders.ts";

/** Resolves when the node's credentials are in its state folder. */
export async function joinAsOrdered(orders: Orders, signal: AbortSignal): Promise<void> {
  const { cluster, node, token, socket, root } = orders;
  const address = socketAddress(socket);
  const channel = channelTo(`unix:${address.path}`);
  try {
    await joinCluster({
      ...{ cluster, node, token, signal, version: packageVersion(), clock: createOsClock() },
      client: clientOf(channel, joinService),
      files: createOsFiles(root),
      stateDir: nodeHomeAt(root).state,
    });
  } finally {
    channel.close();
    address.release();
  }
}
