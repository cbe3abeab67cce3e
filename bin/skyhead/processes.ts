// The process lane: skylets of their own, over a nats-server and TLS.
//
// The bus, the listener of the bulk wire and every node prove who they are by certificates of the
// home's authority; nodes get theirs by a join on the head's own socket, with a token that this
// process hands to the skylet that it starts and to nobody else. What a skylet was told when it
// joined holds as long as it lives: should the bus have to move, skylets are started anew.

import type { RunningNode } from "../../clouds/node-starter.ts";
import { addService } from "../../proto/server-grpc.ts";
import { joinService } from "../../proto/services.ts";
import { headPeer, peerText } from "../../runtime/certificates.ts";
import type { KeyedCertificate } from "../../runtime/certificates-os.ts";
import { issueCertificate } from "../../runtime/certificates-os.ts";
import { createOsFiles } from "../../runtime/files-os.ts";
import type { StreamListener, StreamTarget } from "../../runtime/stream.ts";
import type { StreamTcpPort } from "../../runtime/stream-tcp.ts";
import { createTcpStreams } from "../../runtime/stream-tcp.ts";
import type { JoinDesk } from "../../scheduler/join-grpc.ts";
import { createJoinDesk } from "../../scheduler/join-grpc.ts";
import { skyletIncarnation } from "../skylet/orders.ts";
import { openAuthority, openServerCertificate } from "./authority.ts";
import { openGivenBus } from "./given-bus.ts";
import type { HeadBus } from "./head-bus.ts";
import type { Lane, LanesOptions } from "./lane.ts";
import { openOwnBus } from "./own-bus.ts";
import { startSkylet } from "./skylet-process.ts";

const host = "127.0.0.1";

interface Parts {
  readonly options: LanesOptions;
  readonly authority: KeyedCertificate;
  readonly bus: HeadBus;
  /** Those that run. */
  readonly skylets: Set<RunningNode>;
  readonly streams: StreamTcpPort;
  readonly listener: StreamListener;
}

export async function openProcessLane(options: LanesOptions): Promise<Lane> {
  const parts = await openParts(options);
  const { authority, bus } = parts;
  const desk = createJoinDesk({
    ...{ authority, users: bus.users, busUrl: bus.url, stream: () => streamTargetOf(parts) },
    ...(bus.access === undefined ? {} : { busAccess: bus.access }),
    ...{ clock: options.clock, random: options.random, log: options.log },
    onMisfit: options.onMisfit,
  });
  addService(options.server, joinService, {
    handlers: desk.handlers,
    hearBug: (error, method) => options.log.error("join failed", { method, error }),
  });
  return laneOf(parts, desk);
}

async function openParts(options: LanesOptions): Promise<Parts> {
  const { home, config, clock, log } = options;
  const nowMs = clock.now().wallMs;
  const advertised = [config.bus.advertise?.host, config.bulk.advertise?.host];
  const hosts = [...new Set([host, ...advertised])].filter((name) => name !== undefined);
  const files = createOsFiles(home.bus);
  const authority = await openAuthority(files, home.bus, nowMs);
  const own = { commonName: peerText(headPeer), hosts, nowMs };
  const certificate = await issueCertificate(authority, own);
  const skylets = new Set<RunningNode>();
  const { given } = config.bus;
  const openBus = async (): Promise<HeadBus> => {
    if (given !== undefined) return openGivenBus(options, given);
    const server = await openServerCertificate(files, home.bus, { authority, hosts, nowMs });
    const onMoved = (): void => endAll(skylets);
    return openOwnBus(options, { host, authority, certificate, server, onMoved });
  };
  const bus = await openBus();
  const streams = createTcpStreams({
    security: { kind: "tls", ...certificate, authority: authority.certificate },
    clock,
    onRefused: (why) => log.info("peer refused on the bulk wire", { why }),
  });
  try {
    const target = { host, port: config.bulk.port };
    const listener = await streams.listen({ target, onSession: options.onSession });
    return { options, authority, bus, skylets, streams, listener };
  } catch (error) {
    // The lane is opened again, with a server of its own.
    await bus.close();
    throw error;
  }
}

/** The local cloud starts them again, and they join anew; their ranks run on. */
function endAll(skylets: ReadonlySet<RunningNode>): void {
  for (const skylet of skylets) void skylet.close();
}

function streamTargetOf({ options, listener }: Parts): StreamTarget {
  return options.config.bulk.advertise ?? listener.target;
}

function laneOf(parts: Parts, desk: JoinDesk): Lane {
  const { options, bus, skylets, streams, listener } = parts;
  const { home, config } = options;
  const socket = config.join.advertise ?? home.socket;
  let starts = 0;
  return {
    headBus: bus.connect,
    startNode: async (node) => {
      const { cluster, id, capacity, ip } = node;
      const token = desk.issue(cluster, id);
      const { root } = node.home;
      starts += 1;
      const incarnation = skyletIncarnation(options.incarnation, starts);
      const about = { cluster, node: id, capacity, root, host: ip };
      const chunkBytes = config.chunks.bytes;
      const orders = { ...about, socket, token, incarnation, chunkBytes };
      const skylet = await startSkylet(node, orders);
      skylets.add(skylet);
      const forget = (): Promise<void> => {
        skylets.delete(skylet);
        return desk.dismiss(cluster, id);
      };
      // While the bus is being closed its users need not be taken off it any more.
      void skylet.ended.then(forget).catch(() => {});
      return skylet;
    },
    inspect: () => ({
      ...bus.inspect(),
      joins: desk.counts(),
      streams: streams.counts(),
    }),
    close: async () => {
      await listener.close();
      await bus.close();
    },
  };
}
