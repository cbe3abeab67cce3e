// The objects of a transfer on their way from its listing to its rounds.
//
// There is one listing at a time, and it goes on while rounds come and go; one that broke off is
// begun anew by the next round. A round takes objects from the ledger as they are added, in the
// order of their numbers, until the listing is whole.

import { isSkyError, SkyError } from "../../model/errors.ts";
import type { TransferOrder } from "../../model/transfer.ts";
import type { ListedNote } from "../../transfer/gateway/orders.ts";
import { Bell } from "../../transfer/job/bell.ts";
import type { Ledger, LedgerObject } from "../../transfer/job/ledger.ts";
import { startedFact, uploadsAt, uploadsBeforeFact } from "./clearing.ts";
import { describe } from "./described.ts";
import type { Ground } from "./ground-os.ts";
import { type ListingOptions, listedFact, runListing } from "./listing.ts";

export interface FeedOptions {
  readonly order: TransferOrder;
  readonly ledger: Ledger;
  readonly onCounts: () => void;
  readonly onNote: (note: ListedNote) => void;
}

const describedMax = 128;

export class Feed {
  readonly #options: FeedOptions;
  readonly #bell = new Bell();
  readonly #stop = new AbortController();
  #listing: Promise<void> | undefined;
  #error: unknown;

  constructor(options: FeedOptions) {
    this.#options = options;
  }

  get isListed(): boolean {
    return this.#options.ledger.fact(listedFact) !== undefined;
  }

  /** Begins the listing unless there is one, or one was whole. @throws what opening it throws. */
  async begin(ground: Ground): Promise<void> {
    if (this.isListed || this.#listing !== undefined) return;
    const { signal } = this.#stop;
    const { order, ledger, onCounts, onNote } = this.#options;
    const source = await ground.openSource(signal);
    if (ledger.fact(startedFact) === undefined) await this.#noteUploads(ground, signal);
    if (order.verb === "sync") await ground.listThere(signal);
    const destinations = await ground.listed();
    const onAdded = (): void => {
      this.#bell.ring();
      onCounts();
    };
    this.#error = undefined;
    const checksums: ListingOptions["checksums"] = (name, there) =>
      ground.checksums(name, there, signal);
    const options = { order, source, destinations, ledger, checksums, onAdded, onNote };
    this.#listing = runListing(options, signal)
      .catch((error: unknown) => {
        this.#error = error;
      })
      .finally(() => {
        this.#listing = undefined;
        this.#bell.ring();
      });
  }

  /** Until there is something to do, or the listing is over (`whole`: only then). */
  async whenSome(whole: boolean, signal: AbortSignal): Promise<void> {
    const wake = (): void => this.#bell.ring();
    signal.addEventListener("abort", wake, { once: true });
    const isEnough = (): boolean =>
      this.isListed || signal.aborted || (!whole && this.#options.ledger.counts().todo > 0);
    while (!isEnough() && this.#listing !== undefined) await this.#bell.next();
    signal.removeEventListener("abort", wake);
    signal.throwIfAborted();
    if (!isEnough()) throw this.#broken();
  }

  /**
   * For one round: the next objects, at most so many; none: there are no more. Without what goes
   * to destinations that are `absent`.
   */
  supply(
    ground: Ground,
    absent: ReadonlySet<number>,
    signal: AbortSignal,
  ): (countMax: number) => Promise<readonly LedgerObject[]> {
    let after = -1;
    const { source, destinations } = ground.ends;
    const toStores = destinations.some(({ place }) => place.kind === "store");
    return async (countMax) => {
      for (;;) {
        const wasListed = this.isListed;
        // A store is asked about each: so some go while the next are looked at.
        const max = source.kind === "store" ? Math.min(countMax, describedMax) : countMax;
        const all = this.#options.ledger.todo(after, max);
        after = all.at(-1)?.number ?? after;
        const objects = presentOf(all, absent);
        if (all.length > 0 && objects.length === 0) continue;
        if (objects.length > 0) {
          const from = source.kind === "store" ? await ground.stores.get(source.store) : undefined;
          return await describe(objects, { toStores, ...(from && { store: from }) }, signal);
        }
        if (wasListed) return [];
        if (this.#listing === undefined && !this.isListed) throw this.#broken();
        if (!this.isListed) await this.#bell.next();
      }
    };
  }

  /** Ends the listing, if one is under way. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#listing;
  }

  #broken(): unknown {
    return this.#error ?? new SkyError("core/cancelled", { what: "the listing" });
  }

  /** Uploads that are there before us are somebody else's. Who may not list them sweeps none. */
  async #noteUploads(ground: Ground, signal: AbortSignal): Promise<void> {
    try {
      const before = await uploadsAt(ground, signal);
      const ids = before.map(({ upload }) => upload.id);
      this.#options.ledger.setFact(uploadsBeforeFact, JSON.stringify(ids));
    } catch (error) {
      if (isSkyError(error) && error.remedy === "retry") throw error;
    }
  }
}

function presentOf(
  objects: readonly LedgerObject[],
  absent: ReadonlySet<number>,
): readonly LedgerObject[] {
  if (absent.size === 0) return objects;
  return objects
    .map(({ targets, ...object }) => ({
      ...object,
      targets: targets.map((target, at) => (absent.has(at) ? null : target)),
    }))
    .filter(({ targets }) => targets.some((target) => target !== null));
}
