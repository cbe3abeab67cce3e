// What the simulation of the wire holds sessions with lanes to; a broken promise is told by its
// name, with the seed and what led to it.

export const wirePromises = {
  "every byte": "the bytes of a channel arrive in order and once",
  "true end": "an iteration ends normally only after the peer's end, with all before it",
  "true word": "what is acknowledged has been handed to the session",
  "own session": "a lane joins the session that it names, and no other",
  bounds: "what is kept and what is under way stays within the limits",
  "lane alone": "what is wrong with a lane ends that lane, and no session",
  "comes to rest": "once all is healed everything arrives, or both ends know of the failure",
  "no waiting": "wide lanes do not wait for a slow one",
  "nothing left": "a session that is over leaves no lane, no connection, no timer and no name",
} as const;

export type WirePromise = keyof typeof wirePromises;

export class BrokenWire extends Error {
  readonly promise: WirePromise;
  readonly what: string;

  constructor(promise: WirePromise, what: string) {
    super(`${promise}: ${what}`);
    this.promise = promise;
    this.what = what;
  }
}
