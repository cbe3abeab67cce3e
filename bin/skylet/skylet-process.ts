// The parts of a skylet, put together: credentials, bus, bulk wire, agent.

import { credentials as grpcCredentials } from "@grpc/grpc-js";
import type { RunningAgent } from "../../agent/agent-os.ts";
import { startAgent } from "../../agent/agent-os.ts";
import type { Credentials } from "../../agent/credentials.ts";
import { joinCluster } from "../../agent/join-grpc.ts";
import { nodeHomeAt } from "../../model/home.ts";
import { clientOf, dialGrpc } from "../../proto/client-grpc.ts";
import { joinService } from "../../proto/services.ts";
import type { Bus } from "../../runtime/bus.ts";
import { connectNats } from "../../runtime/bus-nats.ts";
import { headPeer, peerText } from "../../runtime/certificates.ts";
import { createOsClock } from "../../runtime/clock-os.ts";
import { createOsFiles } from "../../runtime/files-os.ts";
import type { Log } from "../../runtime/log.ts";
import { createOsRandom } from "../../runtime/random-os.ts";
import { socketAddress } from "../../runtime/socket-os.ts";
import { createTcpStreams } from "../../runtime/stream-tcp.ts";
import { createSystem } from "../../runtime/system-actor.ts";
import { packageVersion } from "../version.ts";
import type { Orders } from "./orders.ts";

const connectMs = 60_000;

const clock = createOsClock();
const random = createOsRandom();

export async function startSkyletProcess(
  orders: Orders,
  { log, signal }: { readonly log: Log; readonly signal: AbortSignal },
): Promise<RunningAgent> {
  const { cluster, node, capacity, incarnation } = orders;
  const home = nodeHomeAt(orders.root);
  const files = createOsFiles(home.root);
  const joined = await join(orders, { stateDir: home.state, files, signal });
  const bus = await connectBus(joined, signal);
  const streams = createTcpStreams({
    security: { kind: "tls", ...pemOf(joined) },
    clock,
  });
  const system = createSystem({ cluster, node, incarnation, clock, bus, log });
  const agent = await startAgent({
    ...{ cluster, node, system, bus, streams, files, home, capacity, clock, random, log },
    streamTarget: {
      ...{ host: joined.streamHost, port: joined.streamPort },
      peer: peerText(headPeer),
    },
    version: packageVersion(),
  });
  return {
    close: async () => {
      await agent.close();
      await system.close("the skylet ends");
      await bus.close();
    },
  };
}

async function join(
  { cluster, node, token, socket }: Orders,
  world: Pick<Parameters<typeof joinCluster>[0], "stateDir" | "files" | "signal">,
): Promise<Credentials> {
  const address = socketAddress(socket);
  const channel = dialGrpc(`unix:${address.path}`, grpcCredentials.createInsecure());
  try {
    const client = clientOf(channel, joinService);
    const version = packageVersion();
    return await joinCluster({ ...world, cluster, node, token, client, version, clock });
  } finally {
    channel.close();
    address.release();
  }
}

function connectBus(joined: Credentials, signal: AbortSignal): Promise<Bus> {
  return connectNats({
    ...{ servers: [joined.busUrl], name: `${joined.cluster}/${joined.node}` },
    identity: { kind: "nkey", seed: joined.nkeySeed },
    ...{ ...pemOf(joined), clock, random, connectMs, signal },
  });
}

function pemOf({ certificate, key, authority }: Credentials) {
  return { certificate, key, authority };
}
