// A session of the bulk wire with a head on a host, through a tunnel that is there for it alone.

import { headPeer, peerText } from "../../runtime/certificates.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Random } from "../../runtime/random.ts";
import { socketAddress } from "../../runtime/socket-os.ts";
import type { Ssh } from "../../runtime/ssh.ts";
import type { StreamSession } from "../../runtime/stream.ts";
import { createTcpStreams } from "../../runtime/stream-tcp.ts";
import type { HeadLine } from "./head-line-grpc.ts";
import { freshSocket } from "./tunnel-sockets-os.ts";

export interface BulkSessionOptions {
  readonly cluster: string;
  /** Where our ends of tunnels are. */
  readonly dir: string;
  readonly ssh: Pick<Ssh, "tunnel">;
  readonly clock: Clock;
  readonly random: Random;
}

export interface BulkSession {
  readonly session: StreamSession;
  /** Ends it, and its tunnel. */
  close(): Promise<void>;
}

/** @throws what the tunnel throws; SkyError `stream/closed`, `stream/denied`. */
export async function openBulkSession(
  options: BulkSessionOptions,
  line: Pick<HeadLine, "bulk" | "place">,
  signal: AbortSignal,
): Promise<BulkSession> {
  const { dir, ssh, cluster, clock, random } = options;
  const { bulkHost: host, bulkPort: port, authority, certificate, key } = line.bulk;
  const local = freshSocket(dir, cluster);
  const tunnel = await ssh.tunnel(line.place.target, { local, remote: { host, port } }, signal);
  const address = socketAddress(local);
  const closeTunnel = async (): Promise<void> => {
    address.release();
    await tunnel.close();
  };
  try {
    const security = { kind: "tls", authority, certificate, key } as const;
    const target = { host, port, path: address.path, peer: peerText(headPeer) };
    const session = await createTcpStreams({ security, clock, random }).dial(target, signal);
    return {
      session,
      close: async () => {
        session.close();
        await closeTunnel();
      },
    };
  } catch (error) {
    await closeTunnel();
    throw error;
  }
}
