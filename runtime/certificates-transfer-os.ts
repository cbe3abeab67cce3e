// Certificates for one transfer: an authority that exists only for it, and one for each peer.
//
// Whoever starts a transfer makes them and gives each peer its own. On the port of that transfer
// nobody else gets in: not a peer of another transfer, and not a node with its cluster's
// certificate. The authority's key is forgotten as soon as all are signed, so that no peer can be
// added afterwards, by anybody.
//
// What must always hold: a peer's key is given to that peer alone; what is signed here ends with
// the transfer, however long clusters live.

import { SkyError } from "../model/errors.ts";
import { parsePeer, peerText, transferHoursMax, validityFrom } from "./certificates.ts";
import { createAuthority, issueCertificate, type KeyedCertificate } from "./certificates-os.ts";
import type { StreamSecurity } from "./stream-tcp.ts";

export interface TransferPeer {
  /** `<cluster>/<node>`. */
  readonly peer: string;
  /** Names and addresses under which it is dialled; none if those who dial name the peer. */
  readonly hosts?: readonly string[];
}

export interface TransferOptions {
  /** The transfer's id: it names the authority. */
  readonly transfer: string;
  readonly peers: readonly TransferPeer[];
  readonly nowMs: number;
  /** How long connections may be made. */
  readonly hours: number;
}

/** What one peer is given. Plain data, and secret: the key is in it. */
export interface TransferPass extends KeyedCertificate {
  readonly peer: string;
  /** PEM of the transfer's authority. */
  readonly authority: string;
}

const peersMax = 10_000;
const hoursOfDay = 24;

/**
 * The passes of a transfer, by peer.
 * @throws SkyError `request/invalid` for names that are none.
 */
export async function createTransferPasses(
  options: TransferOptions,
): Promise<ReadonlyMap<string, TransferPass>> {
  const { transfer, peers, nowMs, hours } = options;
  demandSense(options);
  const validity = validityFrom(nowMs, hours / hoursOfDay);
  const authority = await createAuthority(`transfer ${transfer}`, nowMs, validity);
  const passes = new Map<string, TransferPass>();
  for (const { peer, hosts = [] } of peers) {
    const leaf = { commonName: peer, hosts, nowMs, validity };
    const keyed = await issueCertificate(authority, leaf);
    passes.set(peer, { ...keyed, peer, authority: authority.certificate });
  }
  return passes;
}

/** How a peer of a transfer proves itself on its port, and what it asks of others. */
export function transferSecurity({ certificate, key, authority }: TransferPass): StreamSecurity {
  return { kind: "tls", certificate, key, authority };
}

function demandSense({ peers, hours }: TransferOptions): void {
  const refuse = (field: string, why: string): SkyError =>
    new SkyError("request/invalid", { field, why });
  if (!(hours > 0 && hours <= transferHoursMax)) {
    throw refuse("hours", `a transfer's certificates are for at most ${transferHoursMax} hours`);
  }
  if (peers.length > peersMax) throw refuse("peers", `there are more than ${peersMax}`);
  const names = new Set(peers.map(({ peer }) => peer));
  if (names.size < peers.length) throw refuse("peers", "one of them is named twice");
  for (const name of names) {
    const parsed = parsePeer(name);
    const isName = parsed !== undefined && peerText(parsed) === name;
    if (!isName) throw refuse("peers", `${name} is not <cluster>/<node>`);
  }
}
