// Who takes from whom in a fan-out: a forest over the source and the sinks, as data.
//
// It knows nothing of speed or reach; it only keeps its shape. A sink hangs under one parent, or
// hangs loose with all that is below it, or is *complete* and needs no parent any more: then it is
// a root, as the source is. What hangs under a root by some way can get every byte.
//
// What must always hold: no cycle; a child is in its parent's set and in no other.

import { assert } from "../../model/errors.ts";

/** Who a sink is: the proven name of a peer, `<cluster>/<node>`. */
export type SinkId = string;

/** Stands for the source where a parent is named; no peer has a name without a slash. */
export const source = "source";

const none: ReadonlySet<SinkId> = new Set();

export class Tree {
  readonly #parents = new Map<SinkId, SinkId>();
  readonly #children = new Map<SinkId, Set<SinkId>>();

  /** A sink's name or `source`; `undefined` for whoever has none. */
  parentOf(id: SinkId): SinkId | undefined {
    return this.#parents.get(id);
  }

  childrenOf(id: SinkId): ReadonlySet<SinkId> {
    return this.#children.get(id) ?? none;
  }

  /** Hangs a loose one, with all below it, under another. */
  attach(id: SinkId, parent: SinkId): void {
    assert(!this.#parents.has(id), `${id} has a parent already`);
    assert(!this.isWithin(parent, id), `${id} would be its own ancestor`);
    this.#parents.set(id, parent);
    const children = this.#children.get(parent) ?? new Set();
    this.#children.set(parent, children.add(id));
  }

  /** Cuts it off from its parent; what is below it stays below it. */
  detach(id: SinkId): void {
    const parent = this.#parents.get(id);
    if (parent === undefined) return;
    this.#parents.delete(id);
    const children = this.#children.get(parent);
    children?.delete(id);
    if (children?.size === 0) this.#children.delete(parent);
  }

  /** Takes it out; gives those that were its children and hang loose now. */
  remove(id: SinkId): readonly SinkId[] {
    const orphans = [...this.childrenOf(id)];
    for (const orphan of orphans) this.detach(orphan);
    this.detach(id);
    return orphans;
  }

  /** Whether `id` is `top` or hangs somewhere below it. */
  isWithin(id: SinkId, top: SinkId): boolean {
    let at: SinkId | undefined = id;
    while (at !== undefined && at !== top) at = this.#parents.get(at);
    return at === top;
  }

  /** All below `top`, level by level. */
  below(top: SinkId): readonly SinkId[] {
    const found = [...this.childrenOf(top)];
    for (const id of found) found.push(...this.childrenOf(id));
    return found;
  }
}
