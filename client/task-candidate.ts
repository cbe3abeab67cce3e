// A wish of a task with the places where it was written: what rules and clouds look at.

import type { Tree } from "../model/value-tree.ts";
import type { Wanted, WantedField } from "../model/wanted.ts";
import type { AutostopSaid } from "./task-resource-kinds.ts";

/** The field that a value was written under, and what stands there. */
export interface Origin {
  readonly key: string;
  readonly tree: Tree;
}

/** One wish, and where each part of it was written. */
export interface Candidate {
  readonly wanted: Wanted;
  readonly origins: ReadonlyMap<WishKey, Origin>;
  readonly autostop?: AutostopSaid;
  readonly priority?: number;
}

export type WishKey = WantedField | "autostop" | "priority";

export interface Candidates {
  readonly kind: "one" | "any-of" | "ordered";
  /** At least one. */
  readonly of: readonly Candidate[];
}
