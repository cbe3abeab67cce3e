// The random port over the operating system's generator. Tokens and keys come from here, so both
// readings are of cryptographic quality; neither can be guessed from the other.

import { randomBytes } from "node:crypto";
import type { Random } from "./random.ts";

export function createOsRandom(): Random {
  return {
    // 53 bits: as many as a number in [0, 1) can hold.
    unit: () => {
      const bytes = randomBytes(8);
      return (bytes.readUInt32BE(0) * 2 ** 21 + (bytes.readUInt32BE(4) >>> 11)) / 2 ** 53;
    },
    bytes: (count) => new Uint8Array(randomBytes(count)),
  };
}
