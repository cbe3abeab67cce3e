// The process lane of a head on a host: nodes are other hosts, and come over the network.
//
// Bus, bulk wire and join listen on the address that the other hosts reach; each demands a
// certificate of this head's authority. What serves the join serves nothing else. Nobody starts a
// skylet here: whoever owns the hosts invites it (`invite`), and it comes.
//
// What must always hold: no port of ours that is open to other machines answers anybody without
// proof; the ports stay where they were, because nodes remember them.

import { ServerCredentials } from "@grpc/grpc-js";
import { SkyError } from "../../model/errors.ts";
import type { Invitation } from "../../model/host-file.ts";
import {
  addService,
  closeGrpcServer,
  createGrpcServer,
  listenGrpc,
} from "../../proto/server-grpc.ts";
import { joinService } from "../../proto/services.ts";
import {
  headPeer,
  homeDaysMax,
  homePeer,
  joinName,
  joinValidityFrom,
  peerText,
  type Validity,
  validityFrom,
} from "../../runtime/certificates.ts";
import type { KeyedCertificate } from "../../runtime/certificates-os.ts";
import { issueCertificate } from "../../runtime/certificates-os.ts";
import { endpointText, portIn } from "../../runtime/endpoint.ts";
import { createOsFiles } from "../../runtime/files-os.ts";
import type { StreamListener } from "../../runtime/stream.ts";
import type { StreamTcpPort } from "../../runtime/stream-tcp.ts";
import { createTcpStreams } from "../../runtime/stream-tcp.ts";
import type { HomeAccess } from "../../scheduler/api-hosts-grpc.ts";
import type { JoinDesk } from "../../scheduler/join-grpc.ts";
import { createJoinDesk } from "../../scheduler/join-grpc.ts";
import { openAuthority, openServerCertificate } from "./authority.ts";
import type { HeadBus } from "./head-bus.ts";
import { openBusFolder } from "./hosted-bus-folder-os.ts";
import type { HostedPorts } from "./hosted-ports.ts";
import { keepPorts, onPort, readPorts } from "./hosted-ports.ts";
import type { Lane, LanesOptions } from "./lane.ts";
import { openOwnBus } from "./own-bus.ts";

export interface HostedLane extends Lane {
  /** Lets a node of the cluster join once, soon. */
  invite(cluster: string, node: string): Promise<Invitation>;
  /** Where the owner of the table of clusters gives chunks, and how it proves who it is. */
  homeAccess(cluster: string): Promise<HomeAccess>;
}

/** What a head on a host is told of where it is. */
export interface HostedPlace {
  /** The cluster's folder on this host. */
  readonly dir: string;
  readonly ip: string;
  readonly natsServer: string;
}

const callGraceMs = 500;

export async function openHostedLane(
  options: LanesOptions,
  place: HostedPlace,
): Promise<HostedLane> {
  const opening = new Opening(options, place);
  try {
    return await opening.open();
  } catch (error) {
    // It is opened again, with ports and a server of its own.
    await opening.close();
    throw error;
  }
}

interface Wires {
  readonly authority: KeyedCertificate;
  readonly certificate: KeyedCertificate;
  readonly bus: HeadBus;
  readonly streams: StreamTcpPort;
  readonly listener: StreamListener;
}

class Opening {
  readonly #options: LanesOptions;
  readonly #place: HostedPlace;
  readonly #closers: (() => Promise<void>)[] = [];

  constructor(options: LanesOptions, place: HostedPlace) {
    this.#options = options;
    this.#place = place;
  }

  async open(): Promise<HostedLane> {
    const { home } = this.#options;
    const files = createOsFiles(home.root);
    const path = `${home.head}/ports.json`;
    const before = await readPorts(files, path);
    const wires = await this.#wires(before);
    const { bus, listener } = wires;
    const desk = this.#desk(wires);
    const join = await this.#serveJoin(wires, { desk, port: before.join });
    const ports = { nats: portIn(bus.url()), bulk: listener.target.port, join };
    await keepPorts(files, path, ports);
    return this.#lane(wires, { desk, ports });
  }

  async close(): Promise<void> {
    for (const close of this.#closers.splice(0).reverse()) await close();
  }

  async #wires(before: HostedPorts): Promise<Wires> {
    const { home, clock, log, onSession } = this.#options;
    const { ip: host, dir, natsServer } = this.#place;
    const nowMs = clock.now().wallMs;
    const files = createOsFiles(home.root);
    const leaf = { hosts: [host], nowMs };
    const authority = await openAuthority(files, home.bus, nowMs);
    const own = { commonName: peerText(headPeer), ...leaf };
    const certificate = await issueCertificate(authority, own);
    const server = await openServerCertificate(files, home.bus, { authority, ...leaf });
    const folder = openBusFolder({ dir, bus: home.bus, binary: natsServer });
    const bus = await openOwnBus(this.#options, {
      ...{ host, authority, certificate, server, folder, port: before.nats },
      onMoved: () => log.warn("the bus has moved: nodes must be invited anew"),
    });
    this.#closers.push(() => bus.close());
    const streams = createTcpStreams({
      security: { kind: "tls", ...certificate, authority: authority.certificate },
      clock,
      onRefused: (why) => log.info("peer refused on the bulk wire", { why }),
    });
    const listener = await onPort(before.bulk, (port) =>
      streams.listen({ target: { host, port }, onSession }),
    );
    this.#closers.push(() => listener.close());
    return { authority, certificate, bus, streams, listener };
  }

  #desk({ authority, bus, listener }: Wires): JoinDesk {
    const { clock, random, log, onMisfit } = this.#options;
    return createJoinDesk({
      ...{ authority, users: bus.users, busUrl: bus.url, stream: () => listener.target },
      ...{ clock, random, log, onMisfit, certified: true },
    });
  }

  /** Resolves with the port. */
  async #serveJoin(
    { authority, certificate }: Wires,
    { desk, port }: { readonly desk: JoinDesk; readonly port: number },
  ): Promise<number> {
    const { log } = this.#options;
    const pair = { private_key: Buffer.from(certificate.key) };
    const credentials = ServerCredentials.createSsl(
      Buffer.from(authority.certificate),
      [{ ...pair, cert_chain: Buffer.from(certificate.certificate) }],
      true,
    );
    const listen = async (wanted: number): Promise<number> => {
      const server = createGrpcServer();
      addService(server, joinService, {
        handlers: desk.handlers,
        hearBug: (error, method) => log.error("join failed", { method, error }),
      });
      const listening = await listenGrpc(server, endpointText(this.#place.ip, wanted), credentials);
      this.#closers.push(() => closeGrpcServer(server, callGraceMs));
      return listening;
    };
    return await onPort(port, listen);
  }

  #lane(
    { authority, bus, streams, listener }: Wires,
    { desk, ports }: { readonly desk: JoinDesk; readonly ports: HostedPorts },
  ): HostedLane {
    const { clock } = this.#options;
    const { certificate: root } = authority;
    const issue = (commonName: string, validity: (nowMs: number) => Validity) => {
      const nowMs = clock.now().wallMs;
      const leaf = { commonName, hosts: [], nowMs, validity: validity(nowMs) };
      return issueCertificate(authority, leaf);
    };
    return {
      headBus: bus.connect,
      startNode: async ({ id }) => {
        throw new SkyError("process/failed", { what: id, why: "it is for its host to start it" });
      },
      invite: async (cluster, node) => {
        const own = await issue(joinName({ cluster, node }), joinValidityFrom);
        const token = desk.issue(cluster, node);
        return { host: this.#place.ip, port: ports.join, token, authority: root, ...own };
      },
      homeAccess: async (cluster) => {
        const lasting = (nowMs: number): Validity => validityFrom(nowMs, homeDaysMax);
        const own = await issue(peerText(homePeer(cluster)), lasting);
        return { bulk: listener.target, authority: root, ...own };
      },
      inspect: () => ({
        ...bus.inspect(),
        ...{ joins: desk.counts(), streams: streams.counts(), ports },
      }),
      close: () => this.close(),
    };
  }
}
