// The messages between head and agents, as the program sees them: plain unions.
//
// `proto/envelope.ts` turns them into `sky.v1.Envelope` and back, totally by type. Messages may be
// lost; none needs to arrive for the system to be right. An agent repeats what the head has not
// acknowledged, sends its whole inventory after every (re)connect, and the head reconciles.

import type { Address } from "../model/address.ts";
import type { Exit, RankKey, StopCause, SweepRecord } from "../model/job.ts";
import type { Capacity } from "../model/resources.ts";
import type { MountTree, TreeRef } from "../model/tree.ts";

/** Head → the actor `agent/main` of a node. */
export type AgentMessage =
  /**
   * Claim the rank's directory and stand ready. Answered by `rank-prepared` or `rank-refused`; in
   * another boot than `bootId` by an inventory: what ran before may be forgotten with its disk.
   */
  | {
      readonly kind: "prepare";
      readonly key: RankKey;
      readonly spec: RankSpec;
      readonly bootId?: string;
    }
  /** Start what stands ready. Repeating it is harmless. */
  | {
      readonly kind: "go";
      readonly key: RankKey;
      /** `askedAt` of the `rank-prepared` that it answers, for a rank that runs on a lease. */
      readonly leaseFrom?: number;
    }
  /**
   * The head heard a beat of the node: leases hold from when that was sent. Late, twice or lost, it
   * makes a lease shorter than it might be and never longer.
   */
  | { readonly kind: "renew-lease"; readonly bootId: string; readonly leaseFrom: number }
  /**
   * End the rank whatever it does: TERM, the grace, KILL, then sweep. Answered by `rank-exited`
   * (if it ever started) and always by `rank-swept`. A rank that was never prepared can never be
   * prepared afterwards.
   */
  | {
      readonly kind: "stop";
      readonly key: RankKey;
      readonly graceMs: number;
      readonly why: StopCause;
    }
  /** The head has this rank's exit (and sweep, if one was asked for) on disk: stop repeating it. */
  | { readonly kind: "acknowledge"; readonly key: RankKey }
  /** The head has the whole log too: the rank's directory may go. */
  | { readonly kind: "forget"; readonly key: RankKey }
  | { readonly kind: "report-inventory" }
  /** Have a session with the head: it has a channel to open. Repeating it is harmless. */
  | { readonly kind: "connect" }
  /** End for good, with all that is ours on the host if `remove`. Ranks have ended before. */
  | {
      readonly kind: "leave";
      readonly remove: boolean;
      readonly why: string;
      /** Hears `left` when all but the process itself is gone. */
      readonly replyTo: Address;
    }
  | { readonly kind: "inspect"; readonly replyTo: Address };

/** All that a node needs to run one rank. */
export interface RankSpec {
  readonly taskName: string;
  readonly script: string;
  /** `SKYPILOT_*`, `CUDA_VISIBLE_DEVICES` and the user's envs, complete, without secrets. */
  readonly env: Readonly<Record<string, string>>;
  /** Joined to `env`, and masked in the log when it leaves the node. */
  readonly secrets: Readonly<Record<string, string>>;
  /** What belongs in `~/sky_workdir`; without this and the next, it is left alone. */
  readonly workdirTree?: TreeRef;
  /** How many nodes get it now, if more than one: they may get it from each other. */
  readonly workdirTakers?: number;
  /** The same as a folder on this machine, for a node that cannot fetch chunks. */
  readonly workdirSource?: string;
  /** What belongs elsewhere on the node. In records of earlier versions there is none. */
  readonly mounts?: readonly RankMount[];
  /** One rank, no barrier: start as soon as it stands ready. */
  readonly goWhenReady: boolean;
  /** Without the head's word for so long, it is ended. Absent: it runs on. */
  readonly leaseMs?: number;
}

export interface RankMount extends MountTree {
  /** As `workdirTakers`. */
  readonly takers?: number;
}

/** Where a rank started that did not in `~/sky_workdir`. Earlier agents do not say. */
export interface RankPlace {
  /** In the node's home. */
  readonly folder: string;
  /** The job that used `~/sky_workdir` with another version, where that is why. */
  readonly inUseBy?: number;
}

/** Agent → the actor `scheduler/main` of the head. */
export type AgentReport =
  | {
      readonly kind: "rank-prepared";
      readonly key: RankKey;
      /** The node's monotonic clock, for a rank that runs on a lease. */
      readonly askedAt?: number;
    }
  | {
      readonly kind: "rank-refused";
      readonly key: RankKey;
      readonly why: string;
      /** It is the job's own doing. Absent: the node's, or an older agent's word. */
      readonly fault?: "job";
    }
  | {
      readonly kind: "rank-started";
      readonly key: RankKey;
      readonly pid: number;
      readonly startedAt: number;
      readonly place?: RankPlace;
    }
  | {
      readonly kind: "rank-exited";
      readonly key: RankKey;
      readonly exit: Exit;
      readonly endedAt: number;
      readonly logBytes: number;
      /** It stood ready or was on its way there, and its agent ended. */
      readonly neverStarted?: true;
    }
  | { readonly kind: "rank-swept"; readonly key: RankKey; readonly sweep: SweepRecord }
  | ({ readonly kind: "inventory" } & NodeInventory)
  /** Of an inventory that is too large for one message: see `proto/inventory-parts.ts`. */
  | {
      readonly kind: "inventory-part";
      readonly snapshot: number;
      readonly part: number;
      readonly parts: number;
      /** With some of the ranks. */
      readonly inventory: NodeInventory;
    };

/** What a node has, all of it, at one moment. */
export interface NodeInventory {
  readonly bootId: string;
  readonly capacity: Capacity;
  readonly version: string;
  /** What the agent's program can do beyond its wire version; see `model/wire.ts`. */
  readonly capabilities: readonly string[];
  readonly ranks: readonly RankReport[];
}

/** What an agent knows of one rank. */
export type RankReport =
  | { readonly phase: "preparing" | "ready"; readonly key: RankKey }
  | {
      readonly phase: "running";
      readonly key: RankKey;
      readonly pid: number;
      readonly startedAt: number;
      readonly place?: RankPlace;
    }
  | {
      readonly phase: "exited";
      readonly key: RankKey;
      readonly exit: Exit;
      readonly pid?: number;
      readonly startedAt?: number;
      readonly place?: RankPlace;
      readonly endedAt: number;
      readonly logBytes: number;
      readonly sweep?: SweepRecord;
    };

/** On `sky.<cluster>.beat.<node>`, once a second; the head's own is on `…beat.skyhead`. */
export interface Beat {
  readonly kind: "beat";
  readonly seq: number;
  readonly bootId: string;
  /** The newest of the head's beats that this node saw; 0 for none. */
  readonly headSeq: number;
  /** Asks for the node's leases to be renewed: its monotonic clock as this beat leaves. */
  readonly askedAt?: number;
}

/** The answer to `inspect`. */
export interface Inspection {
  readonly kind: "inspection";
  /** JSON text for people and `sky debug`. */
  readonly json: string;
}

/** The answer to `leave`. */
export interface Left {
  readonly kind: "left";
  /** What is not ours to remove, a sentence each. */
  readonly kept: readonly string[];
}

/** Refusals that the runtime itself sends back to an asker. */
export interface Refusal {
  readonly kind: "refusal";
  readonly code: "bus/no-such-actor" | "mailbox/full";
  readonly to: string;
}

/** Whatever may cross the bus. */
export type WireMessage = AgentMessage | AgentReport | Beat | Inspection | Left | Refusal;
