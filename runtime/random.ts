// The random port. Everything that draws goes through it, so that a simulation is a seed.
// `random-os.ts` is fit for keys and tokens; `random-memory.ts` repeats itself and is not.
// Pure functions take a `Random`, or what was drawn from one, as a parameter.

export interface Random {
  /** A number in [0, 1). */
  unit(): number;
  /** `count` bytes that nobody can guess (from a seed in simulations). */
  bytes(count: number): Uint8Array;
}

/** `count` random bytes as lower-case hex. */
export function hexToken(random: Random, count: number): string {
  return Buffer.from(random.bytes(count)).toString("hex");
}
