// Group commit: what is asked for while one request is under way goes into the next, together.
//
// A burst costs few requests, and one that comes alone waits for nobody.

import { assert } from "../../model/errors.ts";

interface Waiting<I, O> {
  readonly item: I;
  readonly resolve: (result: O) => void;
  readonly reject: (error: unknown) => void;
}

export class Group<I, O> {
  readonly #work: (items: readonly I[]) => Promise<readonly O[]>;
  readonly #itemsMax: number;
  #waiting: Waiting<I, O>[] = [];
  #isWorking = false;

  /** `work` answers each item, in their order. */
  constructor(work: (items: readonly I[]) => Promise<readonly O[]>, itemsMax: number) {
    this.#work = work;
    this.#itemsMax = itemsMax;
  }

  add(item: I): Promise<O> {
    const done = new Promise<O>((resolve, reject) => this.#waiting.push({ item, resolve, reject }));
    if (!this.#isWorking) void this.#workAll();
    return done;
  }

  async #workAll(): Promise<void> {
    this.#isWorking = true;
    // Those of one turn of the loop share the first request, too.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const group = this.#waiting.splice(0, this.#itemsMax);
      await this.#workOne(group);
    }
    this.#isWorking = false;
  }

  async #workOne(group: readonly Waiting<I, O>[]): Promise<void> {
    try {
      const results = await this.#work(group.map(({ item }) => item));
      assert(results.length === group.length, "a group is answered item by item");
      for (const [at, { resolve }] of group.entries()) resolve(results[at] as O);
    } catch (error) {
      for (const { reject } of group) reject(error);
    }
  }
}
