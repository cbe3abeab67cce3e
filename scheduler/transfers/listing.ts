// The listing of a transfer: objects of the source into the ledger, with what becomes of each.
//
// It goes on while objects are moved already; a round that finds it broken off begins it anew, and
// the ledger knows what it has. What no destination can take is a failure from the beginning, by
// name, and costs no try. Of a sync the destinations are listed first, to the end.

import { errorText, isSkyError, SkyError } from "../../model/errors.ts";
import type { TransferOrder } from "../../model/transfer.ts";
import type { ListedNote } from "../../transfer/gateway/orders.ts";
import { largestFor } from "../../transfer/job/cut-rule.ts";
import { sieveOf } from "../../transfer/job/filters.ts";
import type { Ledger, NewCopy, NewObject } from "../../transfer/job/ledger.ts";
import { type Destination, targetOf } from "../../transfer/job/mapping.ts";
import { syncDecision } from "../../transfer/job/sync.ts";
import { demandKey } from "../../transfer/stores/limits.ts";
import type { Checksum, StoreLimits } from "../../transfer/stores/object-store.ts";
import type { OpenSource, SourceObject } from "./sources.ts";

export interface ListingOptions {
  readonly order: TransferOrder;
  readonly source: OpenSource;
  readonly ledger: Ledger;
  /** In the order of the destinations. */
  readonly destinations: readonly ListedDestination[];
  /** Of an object of the source and of what a destination has: where both have one. */
  readonly checksums: (
    source: string,
    there: { readonly destination: number; readonly target: string },
  ) => Promise<Checksums | undefined>;
  /** There is more in the ledger. */
  readonly onAdded: () => void;
  /** What was found and is no object, to be told. */
  readonly onNote: (note: ListedNote) => void;
}

export interface ListedDestination {
  readonly mapping: Destination;
  /** Of a store. */
  readonly limits?: StoreLimits;
}

export type Checksums = readonly [ours: Checksum, theirs: Checksum];

/** Pairs that are looked at together. */
const comparedMax = 16;
export const listedFact = "listed";

/** Resolves when all of the source is in the ledger. @throws what the listing throws. */
export async function runListing(options: ListingOptions, signal: AbortSignal): Promise<void> {
  const { source, ledger, order, onAdded, onNote } = options;
  const isMeant = sieveOf(order.options.filters);
  const seen = new Seen(options);
  try {
    for await (const { objects, notes } of source.pages) {
      signal.throwIfAborted();
      const meant = objects.filter(({ rest }) => isMeant(rest));
      seen.leftOut(objects.filter(({ rest }) => !isMeant(rest)));
      await seen.compare(meant);
      ledger.add([...meant.map((object) => seen.take(object)), ...faultsOf(notes, options)]);
      seen.record();
      tellNotes(notes, onNote);
      onAdded();
    }
    ledger.setFact(listedFact, "1");
    onAdded();
  } finally {
    source.close();
  }
}

function tellNotes(notes: readonly ListedNote[], onNote: (note: ListedNote) => void): void {
  for (const note of notes) if (!note.failed) onNote(note);
}

/** One page's pairs of objects and what destinations have. */
class Seen {
  readonly #options: ListingOptions;
  readonly #kept: string[][];
  /** By source and destination. */
  readonly #checksums = new Map<string, Checksums>();

  constructor(options: ListingOptions) {
    this.#options = options;
    this.#kept = options.destinations.map(() => []);
  }

  /** Looks at pairs of the same size, where the digest is to decide. */
  async compare(objects: readonly SourceObject[]): Promise<void> {
    const { order, ledger, destinations, checksums } = this.#options;
    this.#checksums.clear();
    if (order.verb !== "sync" || order.options.compare !== "digest") return;
    const pairs = objects.flatMap((object) =>
      [...destinations.keys()].flatMap((at) => {
        const named = this.#named(object, at);
        const there = typeof named === "object" ? ledger.there(at, named.target) : undefined;
        return there?.bytes === object.bytes ? [{ object, at, target: there.key }] : [];
      }),
    );
    for (let from = 0; from < pairs.length; from += comparedMax) {
      const some = pairs.slice(from, from + comparedMax).map(async ({ object, at, target }) => {
        const found = await checksums(object.source, { destination: at, target });
        if (found !== undefined) this.#checksums.set(`${at} ${object.source}`, found);
      });
      await Promise.all(some);
    }
  }

  take(object: SourceObject): NewObject {
    const { source, rest, bytes, modifiedMs, version, mode } = object;
    const copies = this.#options.destinations.map((_, at) => this.#copyOf(object, at));
    const about = { source, rest, bytes, modifiedMs, version };
    return { ...about, ...(mode === undefined ? {} : { mode }), copies };
  }

  /** What a filter leaves out is not deleted either. */
  leftOut(objects: readonly SourceObject[]): void {
    for (const object of objects) {
      for (const at of this.#options.destinations.keys()) this.#named(object, at);
    }
  }

  record(): void {
    for (const [at, keys] of this.#kept.entries()) {
      if (keys.length > 0) this.#options.ledger.keepThere(at, keys.splice(0));
    }
  }

  #copyOf(object: SourceObject, at: number): NewCopy {
    const { order, ledger } = this.#options;
    const named = this.#named(object, at);
    if (typeof named !== "object") return named === undefined ? { kind: "skip" } : failed(named);
    const { target } = named;
    if (order.verb === "copy") return { kind: "todo", target };
    const { compare } = order.options;
    const there = ledger.there(at, target);
    const [ours, theirs] = this.#checksums.get(`${at} ${object.source}`) ?? [];
    const decision = syncDecision(
      compare,
      { ...object, ...(ours && { checksum: ours }) },
      there && { ...there, ...(theirs && { checksum: theirs }) },
    );
    return decision.copy ? { kind: "todo", target } : { kind: "skip" };
  }

  /** Its name at a destination; a text says why it has none; `undefined`: it needs none. */
  #named(object: SourceObject, at: number): { readonly target: string } | string | undefined {
    const { source, destinations, order } = this.#options;
    const destination = destinations[at];
    if (destination === undefined) return undefined;
    try {
      const found = { ...object, isSingle: source.isSingle };
      const target = targetOf(destination.mapping, found);
      if (target === undefined) return undefined;
      if (order.verb === "sync") this.#kept[at]?.push(target);
      if (destination.limits !== undefined) demandFits(object, target, destination.limits, order);
      return { target };
    } catch (error) {
      if (isSkyError(error) && error.remedy !== "fix-code") return errorText(error);
      throw error;
    }
  }
}

function demandFits(
  { source, bytes }: SourceObject,
  target: string,
  limits: StoreLimits,
  { options }: TransferOrder,
): void {
  demandKey(target, limits);
  const largest = largestFor(options, limits);
  if (bytes <= largest.bytes) return;
  const why = `it has ${bytes} bytes, and ${largest.why}`;
  throw new SkyError("objects/refused", { object: source, why });
}

/** Files that should have been listed and could not: they failed, at every destination. */
function faultsOf(
  notes: readonly ListedNote[],
  { destinations }: ListingOptions,
): readonly NewObject[] {
  return notes
    .filter((note) => note.failed)
    .map(({ path, why }) => ({
      ...{ source: path, rest: path, bytes: 0, modifiedMs: 0, version: "" },
      copies: destinations.map(() => failed(`${path}: ${why}`)),
    }));
}

function failed(why: string): NewCopy {
  return { kind: "fail", why, code: "objects/refused" };
}
