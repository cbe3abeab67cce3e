// The end of a rank's output, when its end did not close it.
//
// Somebody still holds the pipe: those whom the rank left behind are ended. Who is out of our reach
// cannot be waited for, so the writer of the log is ended instead, and the log says no more. On a
// machine that is short of time nobody may hold it at all, and the writer has only yet to read what
// is in the pipe: it is given the time, because those bytes are the rank's last words.

import type { Clock } from "../runtime/clock.ts";
import { childrenOf, isAlive, linkOf, namesIn, processIds } from "./proc-os.ts";
import { endLogger, mark } from "./rank-dir-os.ts";
import type { Claim } from "./rank-files.ts";
import { rankFiles } from "./rank-files.ts";
import type { SweepOptions } from "./sweep-os.ts";
import { endHolders, passed } from "./sweep-os.ts";

/** How often a writer that nobody keeps is waited for before it is ended all the same. */
const roundsMax = 60;
const roomLookMs = 1_000;

export async function endOutput(options: {
  readonly clock: Clock;
  readonly graceMs: number;
  readonly sweep: SweepOptions;
  /** Whether the rank's output is still awaited. */
  readonly isOpen: () => boolean;
}): Promise<void> {
  const { clock, graceMs, sweep, isOpen } = options;
  await endHolders(sweep, isOpen);
  for (let round = 0; round < roundsMax; round += 1) {
    await passed(clock, graceMs);
    if (!isOpen() || !isAlive(sweep.claim.logger)) return;
    if (isHeld(sweep.claim)) break;
  }
  // Where there is no room for the mark, the log would not say that it was cut.
  while (isOpen() && !mark(sweep.rankDir, rankFiles.logCut)) await passed(clock, roomLookMs);
  if (isOpen()) endLogger(sweep.claim);
}

/** Whether any process that we may look into holds the output, but for the shim. */
function isHeld({ output, keeper, logger }: Claim): boolean {
  if (output === undefined) return false;
  const shim = [keeper.pid, logger.pid, ...childrenOf(logger.pid)];
  return processIds().some((pid) => {
    if (shim.includes(pid)) return false;
    return namesIn(`/proc/${pid}/fd`).some((fd) => linkOf(`/proc/${pid}/fd/${fd}`) === output);
  });
}
