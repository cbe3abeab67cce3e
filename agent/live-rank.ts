// A rank whose shim lives, as the process port remembers it. Types and small moves; the truth is in
// the rank's directory.

import type { SkyError } from "../model/errors.ts";
import type { Slot } from "./pool-os.ts";
import type { Claim } from "./rank-files.ts";

export interface LiveRank {
  readonly dir: string;
  readonly token: string;
  /** Absent for ranks of an earlier agent. */
  readonly slot: Slot | undefined;
  phase: "claiming" | "ready" | "running" | "ended";
  claim: Claim | undefined;
  /** Answers the `prepare` that waits for it. */
  settle: ((refusal: SkyError | undefined) => void) | undefined;
  /** It was told to go, so it may run before we hear of it. */
  told: boolean;
  /** We let go of it: if it has not started, it never will. */
  dropped: boolean;
  /** When it started, if it has. */
  startedWallMs: number | undefined;
  /** Its end is being put in order because its shim was killed. */
  mourned: boolean;
}

export function drop(rank: LiveRank): void {
  rank.dropped = true;
  rank.slot?.drop();
}
