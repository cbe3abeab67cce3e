// Bytes that look random, the same for the same seed, as fast as AES makes them: for files of many
// megabytes, where the simulator's generator takes its time.

import { createCipheriv, createHash } from "node:crypto";

export function noise(seed: number | string, bytes: number): Buffer {
  const key = createHash("sha256").update(`${seed}`).digest();
  return createCipheriv("aes-256-ctr", key, Buffer.alloc(16)).update(Buffer.alloc(bytes));
}
