// Nkeys: who a node is on the bus.
//
// The seed stays on the node; the public half ("U…") is what nats-server gets. The server sends a
// nonce, the node signs it: no secret travels. Node's own Ed25519 does it: the library's is
// JavaScript that is hot enough to be compiled, and a skylet that idles would hold the compilers
// and their code in memory for three multiplications in its life.

import { createPrivateKey, createPublicKey, type KeyObject, randomBytes, sign } from "node:crypto";
import type { Authenticator } from "@nats-io/transport-node";
import { userSeedBytes, userSeedText, userText } from "./nkey-text.ts";

export interface UserNkey {
  /** Secret. "SU…" */
  readonly seed: string;
  /** "U…" */
  readonly publicKey: string;
}

const seedBytes = 32;
/** PKCS #8 around the seed of an Ed25519 key. Source: RFC 8410, section 7. */
const pkcs8Prefix = Buffer.from("302e020100300506032b657004220420", "hex");

export function createUserNkey(): UserNkey {
  const seed = userSeedText(randomBytes(seedBytes));
  return { seed, publicKey: publicKeyOf(seed) };
}

/** The public half of a seed. @throws SkyError `codec/invalid` if it is not a user's seed. */
export function publicKeyOf(seed: string): string {
  return publicTextOf(privateKeyOf(seed));
}

/** Answers the nonces of a server. @throws SkyError `codec/invalid`. */
export function nkeySigner(seed: string): Authenticator {
  const key = privateKeyOf(seed);
  const nkey = publicTextOf(key);
  return (nonce = "") => {
    const sig = nonce === "" ? "" : sign(null, Buffer.from(nonce), key).toString("base64");
    return { nkey, sig };
  };
}

function privateKeyOf(seed: string): KeyObject {
  const key = Buffer.concat([pkcs8Prefix, userSeedBytes(seed)]);
  return createPrivateKey({ key, format: "der", type: "pkcs8" });
}

function publicTextOf(key: KeyObject): string {
  const spki = createPublicKey(key).export({ format: "der", type: "spki" });
  return userText(spki.subarray(-seedBytes));
}
