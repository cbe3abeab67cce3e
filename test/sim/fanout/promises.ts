// What the simulated fan-outs are held to. A broken promise is told by its name.

export const promises = {
  "bytes proven": "a chunk that a sink keeps is good when it is kept",
  "given by one": "a chunk that arrives was had, undamaged, by the one that gave it",
  "named only": "a peer is served only while it is named",
  "no cycle": "nobody is, by way of its parents, its own parent",
  "once from the source": "bytes leave the source once, but for what a replaced child had ahead",
  "no hold-up": "slow and stuck sinks hold the others up by a bounded time",
  "few moves": "a sink is moved so many times a minute at most",
  "not idle": "a sink that lacks something, and can be told what to do, does it",
  "sent to the living": "nobody is sent to one that has been gone for long",
  "goes on alone": "a sink whose source is away keeps the parent that feeds it",
  patient: "a sink gives its source up only after the silence that it may take",
  "true end": "who is called done has every chunk",
  "comes to rest": "once all is healed, every sink is done and released",
} as const;

export type PromiseName = keyof typeof promises;

export class BrokenPromise extends Error {
  readonly promise: PromiseName;
  readonly what: string;

  constructor(promise: PromiseName, what: string) {
    super(`${promise}: ${what}`);
    this.promise = promise;
    this.what = what;
  }
}

export function keep(promise: PromiseName, holds: boolean, what: () => string): void {
  if (!holds) throw new BrokenPromise(promise, what());
}
