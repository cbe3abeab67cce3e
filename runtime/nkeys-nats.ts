// Nkeys: who a node is on the bus.
//
// The seed stays on the node; the public half ("U…") is what nats-server gets. The server sends a
// nonce, the node signs it: no secret travels.

import { createUser, fromSeed } from "@nats-io/nkeys";

export interface UserNkey {
  /** Secret. "SU…" */
  readonly seed: string;
  /** "U…" */
  readonly publicKey: string;
}

export function createUserNkey(): UserNkey {
  const pair = createUser();
  const nkey = { seed: Buffer.from(pair.getSeed()).toString(), publicKey: pair.getPublicKey() };
  pair.clear();
  return nkey;
}

/** The public half of a seed. Throws if it is not a user's seed. */
export function publicKeyOf(seed: string): string {
  const pair = fromSeed(Buffer.from(seed));
  const publicKey = pair.getPublicKey();
  pair.clear();
  return publicKey;
}
