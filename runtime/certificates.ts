// What our certificates say, apart from the cryptography.
//
// Every node has a certificate of its cluster's head. The subject's common name is
// `<cluster>/<node>`; that, and never what a peer says of itself, is who it is on the bulk wire.

import { headNode } from "../model/address.ts";
import { clusterPattern, tokenPattern } from "../model/ids.ts";

export interface PeerName {
  readonly cluster: string;
  readonly node: string;
}

/** The head's own name. It serves all clusters of its home; no node may have its node id. */
export const headPeer: PeerName = { cluster: "sky", node: headNode };

/**
 * Whoever owns the table of clusters, on the bulk wire of a head that runs elsewhere: no node may
 * have its node id. It gives chunks and takes none.
 */
export function homePeer(cluster: string): PeerName {
  return { cluster, node: homeNode };
}

export const homeNode = "_home";

/**
 * The name in the certificate with which a node may dial the join, and nothing else: it is no
 * peer's name (`parsePeer`), and nobody signs in on the bus by a certificate alone.
 */
export function joinName(name: PeerName): string {
  return `${peerText(name)}/join`;
}

/** The name of a node in its certificate and on the bulk wire. */
export function peerText(name: PeerName): string {
  return `${name.cluster}/${name.node}`;
}

/** The node that a common name means, or `undefined` if it is not a node's. */
export function parsePeer(text: string): PeerName | undefined {
  const [cluster, node, ...rest] = text.split("/");
  if (cluster === undefined || node === undefined || rest.length > 0) return undefined;
  if (!clusterPattern.test(cluster) || !tokenPattern.test(node)) return undefined;
  return { cluster, node };
}

export interface Validity {
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/** Clocks of two nodes may differ by this much. */
export const clockSkewMs = hourMs;
export const authorityDaysMax = 3_650;
export const leafDaysMax = 825;

/** The certificates of one transfer: connections are made within this, and again after a break. */
export const transferHoursMax = 168;

/** For a join: as short as the life of its token, with room for a slow start. */
export const joinMinutesMax = 10;
/** For whoever owns the table of clusters; asked for anew with each connection. */
export const homeDaysMax = 7;

export function joinValidityFrom(nowMs: number): Validity {
  return { notBeforeMs: nowMs - clockSkewMs, notAfterMs: nowMs + joinMinutesMax * 60_000 };
}

/** From an hour before `nowMs`, so that a node whose clock is behind accepts it at once. */
export function validityFrom(nowMs: number, days: number): Validity {
  return { notBeforeMs: nowMs - clockSkewMs, notAfterMs: nowMs + days * dayMs };
}
