// Who may speak to whom in a proof, and the place where their connections can be disturbed.
//
// The parties of one transfer have certificates of one authority, made for it. Whoever dials does
// so through a proxy, whose port stays when the party behind it is started again elsewhere.

import {
  createTransferPasses,
  type TransferPass,
  transferSecurity,
} from "../../runtime/certificates-transfer-os.ts";
import type { StreamSecurity } from "../../runtime/stream-tcp.ts";
import { type FaultProxy, type ProxyOptions, startFaultProxy } from "../support/proxy.ts";
import { host } from "./config.ts";
import type { Role } from "./processes.ts";

export interface Wires {
  security(role: Role): StreamSecurity;
  /** The proxy before a party that listens. */
  before(role: Role): FaultProxy;
  /** That party listens there now. */
  listens(role: Role, port: number): void;
  close(): Promise<void>;
}

export interface WiresOptions {
  readonly kind: "tls" | "plain";
  readonly listeners: readonly Role[];
  readonly change?: ProxyOptions["change"];
}

const cluster = "proof";

const roles: readonly Role[] = ["source", "relay", "sink"];
const hours = 1;

/** Once a process: a transfer more or less makes no difference here. */
let passes: Promise<ReadonlyMap<string, TransferPass>> | undefined;

export async function openWires({ kind, listeners, change }: WiresOptions): Promise<Wires> {
  const peers = roles.map((role) => ({ peer: `${cluster}/${role}`, hosts: [host] }));
  passes ??= createTransferPasses({ transfer: "proof", peers, nowMs: Date.now(), hours });
  const passOf = await passes;
  const plain = { kind: "plain", peer: `${cluster}/somebody` } as const;
  const ports = new Map<Role, number>();
  const proxies = new Map<Role, FaultProxy>();
  for (const role of listeners) {
    const target = () => {
      const port = ports.get(role);
      return port === undefined ? undefined : { host, port };
    };
    const options = { listen: { port: 0 }, target, ...(change === undefined ? {} : { change }) };
    proxies.set(role, await startFaultProxy(options));
  }
  return {
    security: (role) => {
      const pass = demand(passOf.get(`${cluster}/${role}`));
      return kind === "tls" ? transferSecurity(pass) : plain;
    },
    before: (role) => demand(proxies.get(role)),
    listens: (role, port) => void ports.set(role, port),
    close: async () => {
      for (const proxy of proxies.values()) await proxy.close();
    },
  };
}

function demand<T>(found: T | undefined): T {
  if (found === undefined) throw new Error("no such party");
  return found;
}
