// How much may be on its way to a server that has not said that it read it. Pure.
//
// A server that is stopped reads nothing, and for some seconds nobody can know. What is published
// until then waits in this process; without a bound it would be everything. The server is asked now
// and then how far it has read; what would exceed the bound is dropped, as if the connection were
// down, and is said again by whoever needs it.

/** As much as the server in its turn keeps for a client that does not read. */
export const unconfirmedBytesMax = 64 * 1024 * 1024;
/** After so much it is asked: seldom enough to cost nothing. */
const askBytes = 256 * 1024;
/** What a message costs beside its payload: its subject, and the library's own. */
const messageBytes = 256;

export class SendWindow {
  #unconfirmed = 0;
  #sinceAsked = 0;
  /** Rises with each connection: what was sent over an earlier one is no more on its way. */
  #connection = 0;

  /** Whether a message may be sent, and whether the server should then be asked. */
  take(payloadBytes: number): "send" | "send-and-ask" | "drop" {
    const bytes = payloadBytes + messageBytes;
    if (this.#unconfirmed + bytes > unconfirmedBytesMax) return "drop";
    this.#unconfirmed += bytes;
    this.#sinceAsked += bytes;
    return this.#sinceAsked < askBytes ? "send" : "send-and-ask";
  }

  /** What to call when the server has read all that was sent until now. */
  confirming(): () => void {
    const bytes = this.#sinceAsked;
    const connection = this.#connection;
    this.#sinceAsked = 0;
    return () => {
      if (connection === this.#connection) this.#unconfirmed -= bytes;
    };
  }

  /** There is another connection, or none. */
  reset(): void {
    this.#connection += 1;
    this.#unconfirmed = 0;
    this.#sinceAsked = 0;
  }
}
