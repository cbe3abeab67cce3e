// What one session of the bulk wire may cost, and how long it is patient.
//
// What all sessions of a process may cost together is `memory-budget.ts`. Each limit says in its
// own words what happens when it is reached; docs/limits.md has them for operators.

export interface SessionLimits {
  /** Live channels that the peer may have opened. */
  readonly channelsMax: number;
  /** How far a peer may be ahead of the reader of one channel… */
  readonly windowBytes: number;
  /** …and where its round trip is long and its reader fast. */
  readonly windowBytesMax: number;
  /** No data is given to a link that holds this much; it ends at the higher mark. */
  readonly linkBytesHigh: number;
  readonly linkBytesMax: number;
  /** A ping goes out after this long without a word; so many of them and the peer is given up. */
  readonly pingMs: number;
  readonly silentPingsMax: number;
  /** Channels that may end by the peer's fault before the session does. */
  readonly faultsMax: number;
}

export const sessionLimits: SessionLimits = {
  channelsMax: 1_024,
  windowBytes: 1024 * 1024,
  windowBytesMax: 64 * 1024 * 1024,
  linkBytesHigh: 512 * 1024,
  linkBytesMax: 8 * 1024 * 1024,
  pingMs: 5_000,
  silentPingsMax: 3,
  faultsMax: 16,
};
