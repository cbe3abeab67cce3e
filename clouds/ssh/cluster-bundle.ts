// The bundle on the hosts of one cluster: brought there once in the life of this process, one
// distribution at a time.
//
// Hosts that have it are named in every distribution: they give it to the others.

import type { ClusterRecord, RecordNode } from "../cluster-record.ts";
import type { Installed } from "./host-steps.ts";
import type { HostWorks } from "./host-works.ts";

export class ClusterBundle {
  readonly #works: HostWorks;
  readonly #installed = new Map<string, Installed>();
  #spreading: Promise<unknown> = Promise.resolve();

  constructor(works: HostWorks) {
    this.#works = works;
  }

  /** What became of each, in their order. Waits for what is under way. */
  install(
    record: ClusterRecord,
    nodes: readonly RecordNode[],
    signal: AbortSignal,
  ): Promise<readonly (Installed | undefined)[]> {
    const made = this.#spreading.then(() => this.#spread(record, nodes, signal));
    // Whoever asked hears of a failure; the next one goes on.
    this.#spreading = made.catch(() => {});
    return made;
  }

  /** Its host may not have it any more. */
  forget({ id }: RecordNode): void {
    this.#installed.delete(id);
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    await this.#spreading;
  }

  async #spread(
    record: ClusterRecord,
    nodes: readonly RecordNode[],
    signal: AbortSignal,
  ): Promise<readonly (Installed | undefined)[]> {
    signal.throwIfAborted();
    const lacking = nodes.filter(({ id }) => !this.#installed.has(id));
    const problems = new Map<string, Installed>();
    if (lacking.length > 0) {
      const having = record.nodes.filter(({ id }) => this.#installed.has(id));
      const all = [...having, ...lacking];
      const places = await Promise.all(all.map((node) => this.#works.place(record, node)));
      const results = await this.#works.ports.steps.install(places, signal);
      for (const [at, { id }] of all.entries()) {
        const one = results[at];
        if (one?.problem === undefined && one !== undefined) this.#installed.set(id, one);
        else this.#installed.delete(id);
        if (one?.problem !== undefined) problems.set(id, one);
      }
    }
    return nodes.map(({ id }) => this.#installed.get(id) ?? problems.get(id));
  }
}
