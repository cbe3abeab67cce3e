// How gateways of this machine reach one on a host that may have no port open to us but SSH's.
//
// The host is dialled as it is, first: bytes go fastest without SSH in between. Where that fails, a
// tunnel of the host's own SSH leads to the gateway's port. Whoever dials through it proves itself,
// and is proven to, by the transfer's certificates, as without it.

import { connect } from "node:net";
import type { ClusterRecord } from "../../clouds/cluster-record.ts";
import { parsePeer } from "../../runtime/certificates.ts";
import { socketAddress } from "../../runtime/socket-os.ts";
import type { Ssh, SshTarget } from "../../runtime/ssh.ts";
import type { StreamTarget } from "../../runtime/stream.ts";
import type { GatewayDoors, Reached } from "../../transfer/gateway/doors.ts";
import { homeGateway } from "../../transfer/gateway/program.ts";
import { freshSocket } from "./tunnel-sockets-os.ts";

export interface GatewayReachOptions {
  readonly record: (cluster: string) => ClusterRecord | undefined;
  readonly ssh: () => Pick<Ssh, "tunnel">;
  /** Where our ends of tunnels are. */
  readonly dir: string;
}

/** A port that is filtered gives no answer at all. */
const dialMs = 2_000;

export function gatewayReach(options: GatewayReachOptions): NonNullable<GatewayDoors["reach"]> {
  return async ({ from, to, target }, signal) => {
    const host = isOnHost(options, from) ? undefined : hostOf(options, to);
    const isDirect = host === undefined || (await answers(target, signal));
    signal.throwIfAborted();
    return isDirect ? asItIs(target) : await tunnelled(options, { host, to, target }, signal);
  };
}

function asItIs(target: StreamTarget): Reached {
  return { target, close: async () => {} };
}

function isOnHost(options: GatewayReachOptions, gateway: string): boolean {
  return gateway !== homeGateway && hostOf(options, gateway) !== undefined;
}

/** How its machine is reached by SSH, where it is another one. */
function hostOf({ record }: GatewayReachOptions, gateway: string): SshTarget | undefined {
  const { cluster = "", node = "" } = parsePeer(gateway) ?? {};
  return record(cluster)?.nodes.find(({ id }) => id === node)?.target;
}

async function tunnelled(
  { ssh, dir }: GatewayReachOptions,
  to: { readonly host: SshTarget; readonly to: string; readonly target: StreamTarget },
  signal: AbortSignal,
): Promise<Reached> {
  const { host, port } = to.target;
  const local = freshSocket(dir, to.to.replace("/", "."));
  const tunnel = await ssh().tunnel(to.host, { local, remote: { host, port } }, signal);
  const address = socketAddress(local);
  // The name that works here works for other processes of this machine, too.
  const path = address.path.replace("/proc/self/", `/proc/${process.pid}/`);
  return {
    target: { ...to.target, path },
    close: async () => {
      address.release();
      await tunnel.close();
    },
  };
}

/** Whether something listens there. */
function answers({ host, port }: StreamTarget, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const done = (isThere: boolean): void => {
      socket.destroy();
      signal.removeEventListener("abort", giveUp);
      resolve(isThere);
    };
    const giveUp = (): void => done(false);
    signal.addEventListener("abort", giveUp, { once: true });
    socket.setTimeout(dialMs, giveUp);
    socket.on("error", giveUp);
    socket.on("connect", () => done(true));
  });
}
