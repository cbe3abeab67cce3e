// The parts of a skylet, put together: credentials, bus, bulk wire, agent.
//
// On a host of the user's own (`host.ts`) they are the same, but for where the node is and how it
// comes to its credentials.

import type { AgentOptions, RunningAgent } from "../../agent/agent-os.ts";
import { startAgent } from "../../agent/agent-os.ts";
import type { Credentials } from "../../agent/credentials.ts";
import { defaultConfig } from "../../model/config.ts";
import { nodeHomeAt } from "../../model/home.ts";
import { given } from "../../proto/fields.ts";
import type { Bus } from "../../runtime/bus.ts";
import { connectNats, identityIn, nkeyIdentity } from "../../runtime/bus-nats.ts";
import { headPeer, peerText } from "../../runtime/certificates.ts";
import { createOsClock } from "../../runtime/clock-os.ts";
import { createOsFiles } from "../../runtime/files-os.ts";
import type { Log } from "../../runtime/log.ts";
import { createOsRandom } from "../../runtime/random-os.ts";
import { createTcpStreams } from "../../runtime/stream-tcp.ts";
import { createSystem } from "../../runtime/system-actor.ts";
import { packageVersion } from "../../runtime/version-os.ts";
import { createThreadWork } from "../../transfer/chunks/work-threads-os.ts";
import { chunksAt, nodeReserveBytes } from "./chunks.ts";
import { gatewaysAt } from "./gateways.ts";
import { joinInProcess } from "./join-process.ts";
import type { Orders } from "./orders.ts";

const connectMs = 60_000;

const clock = createOsClock();
const random = createOsRandom();

interface World {
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** What is otherwise on a host of the user's own. */
export type HostParts = Pick<AgentOptions, "home" | "onLeave" | "mark" | "keepsLists">;

/** Joins, and starts the agent of a node that is a folder of this machine. */
export async function startSkyletProcess(orders: Orders, world: World): Promise<RunningAgent> {
  const files = createOsFiles(orders.root);
  const joined = await joinInProcess(orders, { files, signal: world.signal });
  return await startJoined(joined, orders, { ...world, home: nodeHomeAt(orders.root) });
}

/** With the credentials of a join. */
export async function startJoined(
  joined: Credentials,
  orders: Omit<Orders, "token">,
  world: World & HostParts,
): Promise<RunningAgent> {
  const { cluster, node, capacity, incarnation } = orders;
  const { chunkBytes: bytesMax = defaultConfig.chunks.bytes } = orders;
  const { log, signal, ...parts } = world;
  const bus = await connectBus(joined, signal);
  const streams = createTcpStreams({
    security: { kind: "tls", ...pemOf(joined) },
    clock,
  });
  const system = createSystem({ cluster, node, incarnation, clock, bus, log });
  const work = createThreadWork();
  const chunks = chunksAt({
    reserveBytes: nodeReserveBytes,
    dir: world.home.chunks,
    bytesMax,
    work,
    log,
  });
  const agent = await startAgent({
    ...{ cluster, node, system, bus, streams, capacity, clock, random, log, ...parts },
    files: createOsFiles(world.home.root),
    streamTarget: {
      ...{ host: joined.streamHost, port: joined.streamPort },
      peer: peerText(headPeer),
    },
    version: packageVersion(),
    ...{ chunks, work },
    gateways: gatewaysAt({
      ...{ cluster, node, home: world.home, work, clock, random, log },
      ...given("host", orders.host),
    }),
    ...given("host", orders.host),
  });
  return {
    close: async () => {
      await agent.close();
      await chunks.close();
      await work.close();
      await system.close("the skylet ends");
      await bus.close();
    },
  };
}

function connectBus(joined: Credentials, signal: AbortSignal): Promise<Bus> {
  return connectNats({
    ...{ servers: joined.busUrl.split(","), name: `${joined.cluster}/${joined.node}` },
    ...busAccessOf(joined),
    ...{ clock, random, connectMs, signal },
  });
}

/** Ours, or what the head was given for us where the bus is not its own. */
function busAccessOf(joined: Credentials) {
  const { nkeySeed, busCredentials, busAuthority } = joined;
  if (busCredentials === "") return { identity: nkeyIdentity(nkeySeed), ...pemOf(joined) };
  const authority = busAuthority === "" ? {} : { authority: busAuthority };
  return { identity: identityIn(busCredentials), ...authority };
}

function pemOf({ certificate, key, authority }: Credentials) {
  return { certificate, key, authority };
}
