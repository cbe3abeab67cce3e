// How much memory the sessions of a process may cost, shared by all of them.
//
// Two things are counted. *Windows* are credit beyond what every channel has at its start: memory
// that peers may fill. A session gets at most half of what is left, so that there is always
// something for the next one, and sessions that all want more come to have about the same. *Held*
// is what has arrived and was not read. Only that is memory in use; if all of it together is too
// much, the session that holds most is ended: it, and no other, pays for readers that do not read.
//
// What must always hold: windows ≤ `windowsBytesMax`, held ≤ `heldBytesMax` + one frame; what a
// share has taken is given back when it leaves. Pure.

export interface MemoryLimits {
  readonly windowsBytesMax: number;
  readonly heldBytesMax: number;
}

/** Of a process, unless it says otherwise. */
export const memoryLimits: MemoryLimits = {
  windowsBytesMax: 256 * 1024 * 1024,
  heldBytesMax: 512 * 1024 * 1024,
};

export class MemoryBudget {
  readonly #limits: MemoryLimits;
  readonly #shares = new Set<BudgetShare>();
  #windows = 0;
  #held = 0;
  #evicted = 0;

  constructor(limits: Partial<MemoryLimits> = {}) {
    this.#limits = { ...memoryLimits, ...limits };
  }

  /** For one session. `evict` must end it. */
  share(evict: (why: string) => void): BudgetShare {
    const share = new BudgetShare(evict, {
      spare: () => Math.floor((this.#limits.windowsBytesMax - this.#windows) / 2),
      moved: (windows, held) => this.#move(windows, held),
      left: (one) => void this.#shares.delete(one),
    });
    this.#shares.add(share);
    return share;
  }

  counts(): { readonly windows: number; readonly held: number; readonly evicted: number } {
    return { windows: this.#windows, held: this.#held, evicted: this.#evicted };
  }

  #move(windows: number, held: number): void {
    this.#windows += windows;
    this.#held += held;
    if (held > 0) this.#makeRoom();
  }

  #makeRoom(): void {
    while (this.#held > this.#limits.heldBytesMax && this.#shares.size > 0) {
      let most: BudgetShare | undefined;
      for (const share of this.#shares) if (share.held > (most?.held ?? 0)) most = share;
      if (most === undefined) return;
      this.#evicted += 1;
      most.evict(`it left ${most.held} bytes unread, the most of all sessions`);
    }
  }
}

interface ShareHost {
  readonly spare: () => number;
  readonly moved: (windows: number, held: number) => void;
  readonly left: (share: BudgetShare) => void;
}

/** What one session has of the budget. */
export class BudgetShare {
  readonly #host: ShareHost;
  readonly #evict: (why: string) => void;
  #windows = 0;
  #held = 0;
  #left = false;

  constructor(evict: (why: string) => void, host: ShareHost) {
    this.#evict = evict;
    this.#host = host;
  }

  get held(): number {
    return this.#held;
  }

  get windows(): number {
    return this.#windows;
  }

  /** What windows may grow by now. */
  spare(): number {
    return this.#left ? 0 : this.#host.spare();
  }

  /** Windows have become so much wider, or narrower. */
  widen(bytes: number): void {
    if (this.#left || bytes === 0) return;
    this.#windows += bytes;
    this.#host.moved(bytes, 0);
  }

  /** So much more has arrived and is unread, or was read. May evict a session, also this one. */
  hold(bytes: number): void {
    if (this.#left || bytes === 0) return;
    this.#held += bytes;
    this.#host.moved(0, bytes);
  }

  /** Ends its session, which leaves. */
  evict(why: string): void {
    this.leave();
    this.#evict(why);
  }

  /** Gives everything back. Twice is harmless. */
  leave(): void {
    if (this.#left) return;
    this.#left = true;
    this.#host.moved(-this.#windows, -this.#held);
    this.#windows = 0;
    this.#held = 0;
    this.#host.left(this);
  }
}
