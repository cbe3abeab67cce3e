// The node's one session with its head on the bulk wire: for logs, and for chunks that it fetches.
//
// Dialled when somebody needs it, and again after it has ended: whoever used it has its own way to
// go on where it was.

import type { StreamPort, StreamSession, StreamTarget } from "../runtime/stream.ts";

export class HeadSession {
  readonly #streams: StreamPort;
  readonly #target: StreamTarget;
  readonly #closing = new AbortController();
  #session: Promise<StreamSession> | undefined;

  constructor(streams: StreamPort, target: StreamTarget) {
    this.#streams = streams;
    this.#target = target;
  }

  /** @throws SkyError `stream/closed`, `stream/denied`. */
  get(): Promise<StreamSession> {
    if (this.#session) return this.#session;
    const dialling = this.#streams.dial(this.#target, this.#closing.signal);
    this.#session = dialling;
    const forgetIt = (): void => {
      if (this.#session === dialling) this.#session = undefined;
    };
    dialling.then((session) => session.closed.then(forgetIt), forgetIt);
    return dialling;
  }

  close(): void {
    this.#closing.abort();
    // A dial that fails after this has told whoever waited for it.
    this.#session?.then((session) => session.close()).catch(() => {});
  }
}
