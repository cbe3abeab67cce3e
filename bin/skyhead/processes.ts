// The process lane: skylets of their own, over a nats-server and TLS.
//
// The bus, the listener of the bulk wire and every node prove who they are by certificates of the
// home's authority; nodes get theirs by a join on the head's own socket, with a token that this
// process hands to the skylet that it starts and to nobody else. What a skylet was told when it
// joined holds as long as it lives: should the bus have to move, skylets are started anew.

import type { RunningNode } from "../../clouds/node-starter.ts";
import { addService } from "../../proto/server-grpc.ts";
import { joinService } from "../../proto/services.ts";
import { connectNats } from "../../runtime/bus-nats.ts";
import { headPermissions } from "../../runtime/bus-permissions.ts";
import { headPeer, peerText } from "../../runtime/certificates.ts";
import type { KeyedCertificate } from "../../runtime/certificates-os.ts";
import { issueCertificate } from "../../runtime/certificates-os.ts";
import { createOsFiles } from "../../runtime/files-os.ts";
import type { NatsServer } from "../../runtime/nats-server-os.ts";
import { startNatsServer } from "../../runtime/nats-server-os.ts";
import type { UserNkey } from "../../runtime/nkeys-nats.ts";
import { createUserNkey } from "../../runtime/nkeys-nats.ts";
import type { StreamListener, StreamTarget } from "../../runtime/stream.ts";
import type { StreamTcpPort } from "../../runtime/stream-tcp.ts";
import { createTcpStreams } from "../../runtime/stream-tcp.ts";
import type { JoinDesk } from "../../scheduler/join-grpc.ts";
import { createJoinDesk } from "../../scheduler/join-grpc.ts";
import { skyletIncarnation } from "../skylet/orders.ts";
import { openAuthority, openServerCertificate } from "./authority.ts";
import type { Lane, LanesOptions } from "./lane.ts";
import { startSkylet } from "./skylet-process.ts";

const host = "127.0.0.1";
const connectMs = 20_000;

interface Parts {
  readonly options: LanesOptions;
  readonly authority: KeyedCertificate;
  /** The head's own: on the bus and on the bulk wire. */
  readonly certificate: KeyedCertificate;
  readonly nkey: UserNkey;
  readonly server: NatsServer;
  /** Those that run. */
  readonly skylets: Set<RunningNode>;
  readonly streams: StreamTcpPort;
  readonly listener: StreamListener;
}

export async function openProcessLane(options: LanesOptions): Promise<Lane> {
  const parts = await openParts(options);
  const { server } = parts;
  const desk = createJoinDesk({
    ...{ authority: parts.authority, users: server },
    ...{ busUrl: () => busUrlOf(parts), stream: () => streamTargetOf(parts) },
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
  const [busCertificate, certificate] = await Promise.all([
    openServerCertificate(files, home.bus, { authority, hosts, nowMs }),
    issueCertificate(authority, { commonName: peerText(headPeer), hosts, nowMs }),
  ]);
  const nkey = createUserNkey();
  const label = peerText(headPeer);
  const skylets = new Set<RunningNode>();
  const server = await startNatsServer({
    ...{ dir: home.bus, host, log, binaryDirs: [`${home.root}/bin`] },
    ...(config.bus.binary === undefined ? {} : { binary: config.bus.binary }),
    ...{ server: busCertificate, authority: authority.certificate },
    users: [{ publicKey: nkey.publicKey, label, permissions: headPermissions() }],
    // Where others forward a port to it, it must stay where it is.
    ...(config.bus.advertise === undefined ? { onMoved: () => endAll(skylets) } : {}),
  });
  const streams = createTcpStreams({
    security: { kind: "tls", ...certificate, authority: authority.certificate },
    clock,
    onRefused: (why) => log.info("peer refused on the bulk wire", { why }),
  });
  try {
    const target = { host, port: config.bulk.port };
    const listener = await streams.listen({ target, onSession: options.onSession });
    return { options, authority, certificate, nkey, server, skylets, streams, listener };
  } catch (error) {
    // The lane is opened again, with a server of its own.
    await server.close();
    throw error;
  }
}

/** The local cloud starts them again, and they join anew; their ranks run on. */
function endAll(skylets: ReadonlySet<RunningNode>): void {
  for (const skylet of skylets) void skylet.close();
}

/** What nodes are told: where the bus is, seen from them. */
function busUrlOf({ options, server }: Parts): string {
  const { advertise } = options.config.bus;
  return advertise === undefined ? server.url : `tls://${advertise.host}:${advertise.port}`;
}

function streamTargetOf({ options, listener }: Parts): StreamTarget {
  return options.config.bulk.advertise ?? listener.target;
}

function laneOf(parts: Parts, desk: JoinDesk): Lane {
  const { options, server, skylets, streams, listener } = parts;
  const { home, config } = options;
  const socket = config.join.advertise ?? home.socket;
  let starts = 0;
  return {
    headBus: (cluster) => connectHead(parts, cluster),
    startNode: async (node) => {
      const { cluster, id, capacity } = node;
      const token = desk.issue(cluster, id);
      const { root } = node.home;
      starts += 1;
      const incarnation = skyletIncarnation(options.incarnation, starts);
      const orders = { cluster, node: id, capacity, root, socket, token, incarnation };
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
      nats: {
        ...{ url: server.url, pid: server.pid(), restarts: server.restarts() },
        ...server.status(),
      },
      denied: Object.fromEntries(server.denials().denied),
      refused: server.denials().refused,
      joins: desk.counts(),
      streams: streams.counts(),
    }),
    close: async () => {
      await listener.close();
      await server.close();
    },
  };
}

function connectHead({ options, authority, certificate, nkey, server }: Parts, cluster: string) {
  return connectNats({
    ...{ servers: () => [server.url], name: `${peerText(headPeer)} ${cluster}` },
    identity: { kind: "nkey", seed: nkey.seed },
    ...{ ...certificate, authority: authority.certificate },
    ...{ clock: options.clock, random: options.random, connectMs },
  });
}
