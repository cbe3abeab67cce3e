// What the process port on Linux stands on (`process-os.ts`).

import type { Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import type { Random } from "../runtime/random.ts";
import type { CgroupMount } from "./proc.ts";

export interface ProcessOsOptions {
  /** The skylet's own folder: scripts, slots. */
  readonly stateDir: string;
  /** The folder whose sub-folders are the ranks' directories. */
  readonly ranksDir: string;
  readonly home: string;
  /** Tells this node's cgroups from those of other nodes of the machine. */
  readonly name: string;
  /** In the environment of its ranks, as `SKYLET_HOST`, where nodes share a HOME. */
  readonly mark?: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Slots that stand ready before anybody asks. */
  readonly warmCount?: number;
  /** How long the output may stay open after the end of its rank. */
  readonly logGraceMs?: number;
  /** Kinds of cgroups to try; all by default, none to do without. */
  readonly cgroupKinds?: readonly CgroupMount["kind"][];
}
