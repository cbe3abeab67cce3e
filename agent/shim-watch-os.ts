// Shims that can report no more. A shim tells of its own end; one that was killed cannot, so while
// any rank runs, once a second, every shim is looked for by pid and start time.
//
// Whichever of a shim's processes was killed, its rank may not run on: without its keeper nobody
// would see how it ends, without its logger its output is lost. The tree is ended and the exit is
// unknown, never a success.

import type { Clock } from "../runtime/clock.ts";
import type { LiveRank } from "./live-rank.ts";
import { drop } from "./live-rank.ts";
import { isAlive } from "./proc-os.ts";
import { deathOf, endLogger, keeperLives, mark, readExit, startedAt } from "./rank-dir-os.ts";
import type { Claim } from "./rank-files.ts";
import { rankFiles } from "./rank-files.ts";
import type { SweepOptions } from "./sweep-os.ts";
import { passed, sweepRank } from "./sweep-os.ts";

export interface ShimWatchOptions {
  readonly clock: Clock;
  readonly bootId: string;
  readonly graceMs: number;
  readonly ranks: () => Iterable<LiveRank>;
  readonly isOpen: (rank: LiveRank) => boolean;
  readonly sweepOptions: (claim: Claim, dir: string) => SweepOptions;
  /** The rank's end is in order and on disk. */
  readonly onGone: (rank: LiveRank) => void;
  readonly inBackground: (work: Promise<unknown>) => void;
}

const watchMs = 1_000;
const drainLookMs = 10;
/** Within this time a report is heard that was made before. */
const hearMs = 100;

export class ShimWatch {
  readonly #options: ShimWatchOptions;
  #watching = false;
  #closed = false;

  constructor(options: ShimWatchOptions) {
    this.#options = options;
  }

  /** Watches as long as there is anything to watch. Call it when there is. */
  begin(): void {
    if (this.#watching || this.#closed) return;
    if (![...this.#options.ranks()].some((rank) => rank.claim)) return;
    this.#watching = true;
    this.#options.clock.after(watchMs, () => {
      this.#watching = false;
      if (this.#closed) return;
      for (const rank of this.#options.ranks()) this.#look(rank);
      this.begin();
    });
  }

  close(): void {
    this.#closed = true;
  }

  #look(rank: LiveRank): void {
    const { claim } = rank;
    const { bootId, inBackground } = this.#options;
    if (claim === undefined || rank.mourned) return;
    if (!keeperLives(claim, bootId)) {
      rank.mourned = true;
      inBackground(this.#mourn(rank, claim));
    } else if (rank.phase === "running" && !isAlive(claim.logger)) {
      inBackground(this.#lookAgain(rank, claim));
    }
  }

  /** Either its logger was killed, or the rank has ended and we have yet to hear of it. */
  async #lookAgain(rank: LiveRank, claim: Claim): Promise<void> {
    const { clock, isOpen, sweepOptions } = this.#options;
    await passed(clock, hearMs);
    if (!isOpen(rank) || rank.phase !== "running" || rank.mourned) return;
    rank.mourned = true;
    // What is swept is this rank's only as long as its seat takes no other.
    drop(rank);
    mark(rank.dir, rankFiles.killed);
    await sweepRank(sweepOptions(claim, rank.dir));
  }

  /** The keeper was killed: end the rank's tree, let its log drain, then say what is known. */
  async #mourn(rank: LiveRank, claim: Claim): Promise<void> {
    const { clock, graceMs, isOpen, onGone, bootId } = this.#options;
    // It may have ended in good order just now: what it wrote counts, and its report follows.
    await sweepRank(this.#options.sweepOptions(claim, rank.dir));
    const untilMs = clock.now().monoMs + graceMs;
    while (isAlive(claim.logger) && clock.now().monoMs < untilMs) await passed(clock, drainLookMs);
    endLogger(claim);
    if (!isOpen(rank)) return;
    if (startedAt(rank.dir) !== undefined && readExit(rank.dir, 0) === undefined) {
      mark(rank.dir, rankFiles.lost, `${deathOf(claim, bootId)}\n`);
    }
    onGone(rank);
  }
}
