// The replica port: where copies of what is committed go, and how far behind they are.
//
// What must always hold: `note` never waits, never throws and never keeps a commit back. What
// cannot be written is made up for by a new copy of the whole journal, later.

import type { ReplicaStep } from "./replica-frames.ts";
import type { Store } from "./store.ts";

export interface ReplicaStatus {
  readonly dir: string;
  /** `current`: a restore brings all back but for the lag. `away`: nothing is written. */
  readonly phase: "copying" | "current" | "away";
  /** Why it is away. */
  readonly why: string;
  /** How old the oldest commit is that a restore would not bring back; 0 if there is none. */
  readonly lagMs: number;
  readonly copies: number;
}

export interface Replica {
  /** What was committed just now. */
  note(step: ReplicaStep): void;
  status(): ReplicaStatus;
  /** Resolves when what was noted is safe there, or after a moment if it cannot be. */
  close(): Promise<void>;
}

/** The store, each of whose commits is noted once it is on disk. Reads are the store's own. */
export function replicated(store: Store, replica: Replica): Store {
  return {
    ...store,
    commit: async (batch) => {
      await store.commit(batch);
      // Events are read from the store by their numbers, which only it knows.
      const { events: _, ...records } = batch;
      replica.note({ kind: "batch", batch: records });
    },
    forget: async (subject) => {
      await store.forget(subject);
      replica.note({ kind: "forget", subject });
    },
    trim: async (subject, keep) => {
      await store.trim(subject, keep);
      replica.note({ kind: "trim", subject, keep });
    },
    close: async () => {
      await replica.close();
      await store.close();
    },
  };
}
