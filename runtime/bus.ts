// The bus port: small messages between nodes, at most once.
//
// One `Bus` is one connection with one identity. Obligations of every version:
// - Between one publisher and one subscriber, what arrives arrives in order.
// - A message may be lost while the connection is down; none is delivered twice.
// - A bus whose identity may not publish or subscribe a subject counts and reports it
//   (`onDenied`) and delivers nothing; the message does not reach anybody.
// - Delivery is asynchronous: `publish` never runs a subscriber's callback itself.
// Source of the limits: nats-server's default `max_payload`, 1 MiB.

export const busPayloadBytesMax = 1_000_000;

export interface Bus {
  /**
   * Sends `payload` to all that subscribe to `subject`. Does not wait. The bytes must not be
   * changed afterwards.
   * @throws SkyError `bus/closed` after `close`, `bus/too-large` over `busPayloadBytesMax`.
   */
  publish(subject: string, payload: Uint8Array): void;
  /** Patterns are NATS's: `*` is one token, a last `>` one or more. Returns what unsubscribes. */
  subscribe(pattern: string, onMessage: (message: BusMessage) => void): () => void;
  /** Resolves when everything published before has reached the server. */
  flush(timeoutMs: number): Promise<void>;
  /** Whether messages flow now; `onChange` hears of changes. Returns what stops hearing. */
  connected(): boolean;
  onChange(hear: (connected: boolean) => void): () => void;
  /** Hears of each publish or subscribe of ours that was refused. */
  onDenied(hear: (subject: string) => void): () => void;
  /** Since it was opened; a bus that loses nothing has none. */
  counts?(): BusCounts;
  close(): Promise<void>;
}

export interface BusCounts {
  /** Messages of ours that were not sent: there was no connection, or too much was on its way. */
  readonly dropped: number;
  /** How often it came back. */
  readonly reconnects: number;
}

export interface BusMessage {
  readonly subject: string;
  readonly payload: Uint8Array;
}

/** What an identity may do. Patterns as in `subscribe`. */
export interface BusPermissions {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}
