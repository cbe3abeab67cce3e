// What a fetch still has to get, and from which of its suppliers.
//
// Each chunk is asked of one supplier at a time: the next one that has room takes the next chunk,
// so the fastest serves most. What a supplier does not have is given to those that were not asked
// yet; what a broken one was asked for, to those that are left.
//
// What must always hold: a chunk is open, held by one supplier, or settled; and settled once.

import { assert } from "../../model/errors.ts";
import type { ChunkRef, Digest } from "./chunk.ts";
import type { ExchangeResult, MissingChunk } from "./exchange.ts";

interface Want {
  readonly ref: ChunkRef;
  /** Suppliers that do not have it. */
  readonly lackedBy: Set<number>;
  why: MissingChunk["why"];
}

export class Wants {
  readonly #wants = new Map<Digest, Want>();
  /** Those that nobody was asked for, in order; taken from `#first` on. */
  #fresh: ChunkRef[] = [];
  #first = 0;
  /** Those that came back, for each supplier that is left and may have them. They go first. */
  readonly #returned: Map<number, Map<Digest, ChunkRef>>;
  readonly #missing: MissingChunk[] = [];
  readonly #changed: () => void;
  #isWhole = false;
  #moved = 0;
  #movedBytes = 0;
  #known = 0;
  damaged = 0;

  /** `changed` hears when there may be something to take, and when all is settled. */
  constructor(suppliers: number, changed: () => void) {
    this.#returned = new Map(Array.from({ length: suppliers }, (_, index) => [index, new Map()]));
    this.#changed = changed;
  }

  /** More chunks, none of which was added before. */
  add(refs: readonly ChunkRef[], known: ReadonlySet<Digest>): void {
    for (const ref of refs) {
      if (known.has(ref.digest)) this.#known += 1;
      else {
        this.#wants.set(ref.digest, { ref, lackedBy: new Set(), why: "missing" });
        this.#fresh.push(ref);
      }
    }
    this.#changed();
  }

  /** No more are added. */
  close(): void {
    this.#isWhole = true;
    this.#changed();
  }

  /** All that there is was added, and is settled. */
  get settled(): boolean {
    return this.#isWhole && this.#wants.size === 0;
  }

  /** The next chunk to ask that supplier for, if it has at most so many bytes. */
  take(supplier: number, bytesMax: number): ChunkRef | undefined {
    const [returned] = this.#returned.get(supplier)?.values() ?? [];
    if (returned !== undefined) {
      if (returned.bytes > bytesMax) return undefined;
      for (const list of this.#returned.values()) list.delete(returned.digest);
      return returned;
    }
    const ref = this.#fresh[this.#first];
    if (ref === undefined || ref.bytes > bytesMax) return undefined;
    this.#first += 1;
    if (this.#first === this.#fresh.length) this.#forget();
    return ref;
  }

  moved(ref: ChunkRef): void {
    this.#settle(ref);
    this.#moved += 1;
    this.#movedBytes += ref.bytes;
  }

  lacking(supplier: number, ref: ChunkRef, why: MissingChunk["why"]): void {
    const want = this.#find(ref);
    want.lackedBy.add(supplier);
    if (why === "damaged") want.why = why;
    this.#return(want);
    this.#changed();
  }

  /** That supplier is gone; `refs` is what it was asked for and did not give. */
  gone(supplier: number, refs: readonly ChunkRef[]): void {
    const waiting = this.#returned.get(supplier)?.values() ?? [];
    this.#returned.delete(supplier);
    for (const ref of [...refs, ...waiting]) this.#return(this.#find(ref));
    this.#changed();
  }

  /** When nobody is left to ask: what was never settled is missing. */
  result(): ExchangeResult {
    const open = [...this.#wants.values()].map(({ ref, why }) => ({ ...ref, why }));
    return {
      moved: this.#moved,
      movedBytes: this.#movedBytes,
      known: this.#known,
      damaged: this.damaged,
      missing: [...this.#missing, ...open],
    };
  }

  /** To the suppliers that may have it; if all that are left do not, it is missing. */
  #return(want: Want): void {
    const { ref, lackedBy, why } = want;
    const left = [...this.#returned].filter(([supplier]) => !lackedBy.has(supplier));
    for (const [, list] of left) list.set(ref.digest, ref);
    // With nobody left at all it stays open: the last one may have had it, and broke.
    if (left.length > 0 || this.#returned.size === 0) return;
    this.#settle(ref);
    this.#missing.push({ ...ref, why });
  }

  #settle(ref: ChunkRef): void {
    this.#find(ref);
    this.#wants.delete(ref.digest);
    if (this.settled) this.#changed();
  }

  #find(ref: ChunkRef): Want {
    const want = this.#wants.get(ref.digest);
    assert(want !== undefined, "a chunk is settled once");
    return want;
  }

  #forget(): void {
    this.#fresh = [];
    this.#first = 0;
  }
}
