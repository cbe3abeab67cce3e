// An event: one change, with who, why and on what evidence.
//
// The journal keeps them, followers watch them, and `sky why` prints the chain that led to where a
// job or a cluster is now.

export interface Event {
  readonly at: number;
  /** `job/7`, `node/worker1`, `cluster`. */
  readonly subject: string;
  /** Who: `user:ann`, `scheduler`, `liveness`, `agent:worker1`, `autostop`. */
  readonly actor: string;
  /** What happened: `submitted`, `placed`, `phase`, `rank-exited`, `swept`, `verdict`, … */
  readonly kind: string;
  readonly from?: string;
  readonly to?: string;
  /** One sentence. */
  readonly cause: string;
  readonly evidence: Readonly<Record<string, string>>;
}

/** An event with its place in the history: rising, never reused, in commit order. */
export interface NumberedEvent extends Event {
  readonly seq: number;
}
