// A random port that is a function of its seed: the same seed draws the same numbers.
//
// The generator is sfc32, seeded through splitmix32. It is fast and passes the usual test suites,
// and it is no secret: never use it for keys. `fork` gives a stream of its own to each part of a
// simulation, so that one more draw in one part does not change all the others.
// Source: Chris Doty-Humphrey, PractRand, `sfc32`.

import type { Random } from "./random.ts";

export interface MemoryRandom extends Random {
  /** A generator of its own: a function of this one's seed and of the name, not of its draws. */
  fork(name: string): MemoryRandom;
  /** A whole number in [0, count). */
  below(count: number): number;
}

export function createMemoryRandom(seed: number | string): MemoryRandom {
  const text = String(seed);
  const next = sfc32(hashOf(text));
  const unit = (): number => (next() * 2 ** 21 + (next() >>> 11)) / 2 ** 53;
  return {
    unit,
    bytes: (count) => Uint8Array.from({ length: count }, () => next() >>> 24),
    fork: (name) => createMemoryRandom(`${text}/${name}`),
    below: (count) => Math.floor(unit() * count),
  };
}

function sfc32(seed: number): () => number {
  const mix = splitmix32(seed);
  let a = mix();
  let b = mix();
  let c = mix();
  let counter = 1;
  const next = (): number => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return sum >>> 0;
  };
  for (let i = 0; i < 12; i += 1) next();
  return next;
}

function splitmix32(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return mixed ^ (mixed >>> 15);
  };
}

/** FNV-1a, 32 bits. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash;
}
