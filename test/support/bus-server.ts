// A real nats-server for tests, as a head runs it: TLS with our own authority, one nkey per user.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Bus, BusPermissions } from "../../runtime/bus.ts";
import { connectNats } from "../../runtime/bus-nats.ts";
import {
  createAuthority,
  issueCertificate,
  type KeyedCertificate,
} from "../../runtime/certificates-os.ts";
import { createOsClock } from "../../runtime/clock-os.ts";
import { silentLog } from "../../runtime/log.ts";
import {
  type NatsServer,
  type NatsServerOptions,
  startNatsServer,
} from "../../runtime/nats-server-os.ts";
import { createUserNkey } from "../../runtime/nkeys-nats.ts";
import { createOsRandom } from "../../runtime/random-os.ts";

export interface BusServer {
  readonly dir: string;
  readonly server: NatsServer;
  readonly authority: KeyedCertificate;
  /** A new user with a certificate and an nkey of its own, connected; also through a proxy. */
  connect(label: string, permissions: BusPermissions, proxyPort?: number): Promise<Bus>;
  close(): Promise<void>;
}

export type BusServerOptions = Pick<NatsServerOptions, "watch" | "onMoved">;

/** Fails with the command that installs nats-server where there is none. */
export async function startBusServer(options: BusServerOptions = {}): Promise<BusServer> {
  const dir = mkdtempSync(join(tmpdir(), "sky bus "));
  const nowMs = Date.now();
  const authority = await createAuthority("test head", nowMs);
  const server = await startNatsServer({
    ...options,
    dir,
    server: await issueCertificate(authority, {
      commonName: "skyhead",
      hosts: ["127.0.0.1"],
      nowMs,
    }),
    authority: authority.certificate,
    users: [],
    log: silentLog,
  });
  const buses: Bus[] = [];
  return {
    dir,
    server,
    authority,
    connect: async (label, permissions, proxyPort) => {
      const nkey = createUserNkey();
      await server.add({ publicKey: nkey.publicKey, label, permissions });
      const ours = await issueCertificate(authority, { commonName: label, hosts: [], nowMs });
      const bus = await connectNats({
        servers: [proxyPort === undefined ? server.url : `tls://127.0.0.1:${proxyPort}`],
        name: label,
        identity: { kind: "nkey", seed: nkey.seed },
        authority: authority.certificate,
        certificate: ours.certificate,
        key: ours.key,
        clock: createOsClock(),
        random: createOsRandom(),
        connectMs: 20_000,
      });
      buses.push(bus);
      return bus;
    },
    close: async () => {
      for (const bus of buses) await bus.close();
      await server.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
