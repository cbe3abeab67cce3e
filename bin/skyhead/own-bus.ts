// A nats-server of the head's own: kept running, with a user for the head and one for each node
// that joins.

import { given } from "../../proto/fields.ts";
import { connectNats, nkeyIdentity } from "../../runtime/bus-nats.ts";
import { headPermissions } from "../../runtime/bus-permissions.ts";
import { headPeer, peerText } from "../../runtime/certificates.ts";
import type { KeyedCertificate } from "../../runtime/certificates-os.ts";
import { startNatsServer } from "../../runtime/nats-server-os.ts";
import { createUserNkey } from "../../runtime/nkeys-nats.ts";
import type { HeadBus } from "./head-bus.ts";
import { headConnectMs } from "./head-bus.ts";
import type { BusFolder } from "./hosted-bus-folder-os.ts";
import type { LanesOptions } from "./lane.ts";

export interface OwnBusOptions {
  readonly host: string;
  readonly authority: KeyedCertificate;
  /** The head's, to show to the server. */
  readonly certificate: KeyedCertificate;
  /** The server's. */
  readonly server: KeyedCertificate;
  /** Where it keeps its files, and as whom it runs; absent: in the home, as who we are. */
  readonly folder?: BusFolder;
  /** Where it listened before, where its own files do not tell; 0 = wherever there is room. */
  readonly port?: number;
  /** It has another `url`: nodes that were told the old one must join anew. */
  readonly onMoved: () => void;
}

export async function openOwnBus(options: LanesOptions, own: OwnBusOptions): Promise<HeadBus> {
  const { home, config, clock, random, log } = options;
  const { advertise } = config.bus;
  const { folder, port } = own;
  const binary = folder?.binary ?? config.bus.binary;
  const authority = own.authority.certificate;
  const nkey = createUserNkey();
  const label = peerText(headPeer);
  const server = await startNatsServer({
    ...{ dir: folder?.dir ?? home.bus, host: own.host, log, binaryDirs: [`${home.root}/bin`] },
    ...given("owner", folder?.owner),
    ...given("port", port),
    ...(binary === undefined ? {} : { binary }),
    ...{ server: own.server, authority },
    users: [{ publicKey: nkey.publicKey, label, permissions: headPermissions() }],
    // Where others forward a port to it, it must stay where it is.
    ...(advertise === undefined ? { onMoved: own.onMoved } : {}),
  });
  return {
    users: server,
    url: () => (advertise === undefined ? server.url : `tls://${advertise.host}:${advertise.port}`),
    connect: (cluster) =>
      connectNats({
        ...{ servers: () => [server.url], name: `${label} ${cluster}` },
        identity: nkeyIdentity(nkey.seed),
        ...{ ...own.certificate, authority, clock, random, connectMs: headConnectMs },
      }),
    inspect: () => ({
      nats: {
        ...{ url: server.url, pid: server.pid(), restarts: server.restarts() },
        ...server.status(),
      },
      denied: Object.fromEntries(server.denials().denied),
      refused: server.denials().refused,
    }),
    close: () => server.close(),
  };
}
