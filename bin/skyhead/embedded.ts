// The embedded lane: agents in this process, over a bus and streams in memory.

import { startAgent } from "../../agent/agent-os.ts";
import type { LocalNode, RunningNode } from "../../clouds/node-starter.ts";
import { headNode } from "../../model/address.ts";
import { createBusHub } from "../../runtime/bus-memory.ts";
import { headPermissions, nodePermissions } from "../../runtime/bus-permissions.ts";
import { fairDefer } from "../../runtime/deferral-os.ts";
import { createOsFiles } from "../../runtime/files-os.ts";
import { createStreamHub } from "../../runtime/stream-memory.ts";
import { createSystem } from "../../runtime/system-actor.ts";
import { packageVersion } from "../../runtime/version-os.ts";
import { gatewaysAt } from "../skylet/gateways.ts";
import type { Lane, LanePorts } from "./lane.ts";

export async function openEmbeddedLane(ports: LanePorts): Promise<Lane> {
  const defer = fairDefer();
  const bus = createBusHub({ defer });
  const streams = createStreamHub({ defer });
  const target = { host: headNode, port: 0 };
  const listener = await streams.connect(headNode).listen({ target, onSession: ports.onSession });
  return {
    headBus: async (cluster) => bus.connect(headNode, headPermissions(cluster)),
    startNode: async (node) => {
      const { cluster, id } = node;
      const connected = bus.connect(id, nodePermissions(cluster, id));
      const stream = streams.connect(`${cluster}/${id}`);
      return startEmbedded(ports, { node, bus: connected, streams: stream, target });
    },
    inspect: () => ({ denied: Object.fromEntries(bus.denied()) }),
    close: () => listener.close(),
  };
}

interface Wires {
  readonly node: LocalNode;
  readonly bus: ReturnType<ReturnType<typeof createBusHub>["connect"]>;
  readonly streams: ReturnType<ReturnType<typeof createStreamHub>["connect"]>;
  readonly target: { readonly host: string; readonly port: number };
}

async function startEmbedded(ports: LanePorts, wires: Wires): Promise<RunningNode> {
  const { clock, random, metrics, incarnation } = ports;
  const { node, bus, streams, target } = wires;
  const { cluster, id, home, capacity } = node;
  const { log, chunks, work, near } = ports;
  const system = createSystem({ cluster, node: id, incarnation, clock, bus, log, metrics });
  const agent = await startAgent({
    ...{ cluster, node: id, system, bus, streams, streamTarget: target },
    ...{ home, capacity, clock, random, log },
    files: createOsFiles(home.root),
    ...{ chunks, work },
    gateways: gatewaysAt({
      ...{ cluster, node: id, host: node.ip, near },
      ...{ home, work, clock, random, log },
    }),
    version: packageVersion(),
  }).catch(async (error: unknown) => {
    // It is started again: nobody may listen in its name meanwhile.
    await system.close("the agent did not start");
    await bus.close();
    throw error;
  });
  let end: (why: string) => void = () => {};
  const ended = new Promise<string>((resolve) => {
    end = resolve;
  });
  system.watch({ cluster, node: id, kind: "agent", id: "main" }, end);
  return {
    ended,
    close: async () => {
      await agent.close();
      await system.close("the agent ends");
      await bus.close();
      end("closed");
    },
  };
}
