// What a transfer stands on: its two ends, found and looked at, and the way to list them.
//
// What is found out at the first round is on record and is not asked again: which nodes `*` meant,
// and which destinations were folders before the transfer made any. Buckets are looked for before
// anything moves, so that one that is not there fails the transfer at once and by name.

import { isSkyError, SkyError } from "../../model/errors.ts";
import type { TransferOrder } from "../../model/transfer.ts";
import type { CutRule } from "../../transfer/chunks/cut.ts";
import type { GatewaySite } from "../../transfer/gateway/doors.ts";
import { cutRuleFor } from "../../transfer/job/cut-rule.ts";
import { type Ends, endsOf, type Place, rootOf } from "../../transfer/job/ends.ts";
import { sieveOf } from "../../transfer/job/filters.ts";
import type { Ledger, ThereObject } from "../../transfer/job/ledger.ts";
import { type Destination, restOf, treePrefix } from "../../transfer/job/mapping.ts";
import { writtenMs } from "../../transfer/job/sync.ts";
import type { ObjectStore } from "../../transfer/stores/object-store.ts";
import { bucketText } from "../../transfer/stores/paths.ts";
import { checksumsOf } from "./checksums-os.ts";
import { kindAt, listFiles } from "./file-trees.ts";
import type { Checksums, ListedDestination } from "./listing.ts";
import type { RunPorts } from "./run-ports.ts";
import { type OpenSource, openSource } from "./sources.ts";
import { Stores } from "./stores.ts";

export interface GroundOptions {
  readonly ports: RunPorts;
  readonly order: TransferOrder;
  readonly ledger: Ledger;
  /** Of who asked for it. Secret. */
  readonly env: Readonly<Record<string, string>>;
}

export interface Found {
  readonly ends: Ends;
  /** Of each destination: whether it was a folder. */
  readonly folders: readonly boolean[];
}

const foundFact = "found";
const singleFact = "single";

export function foundIn(ledger: Ledger): Found | undefined {
  const known = ledger.fact(foundFact);
  return known === undefined ? undefined : (JSON.parse(known) as Found);
}

export function isSingleIn(ledger: Ledger): boolean {
  return ledger.fact(singleFact) === "1";
}

/** @throws SkyError as `endsOf`, and `objects/no-bucket`, `objects/denied`. */
export async function findGround(
  options: GroundOptions,
  sites: readonly GatewaySite[],
  signal: AbortSignal,
): Promise<Ground> {
  const known = foundIn(options.ledger);
  if (known !== undefined) return new Ground(options, known);
  const ends = endsOf(options.order, sites);
  const ground = new Ground(options, { ends, folders: ends.destinations.map(() => false) });
  try {
    const folders = await ground.look(signal);
    options.ledger.setFact(foundFact, JSON.stringify({ ends, folders }));
    return new Ground(options, { ends, folders });
  } finally {
    await ground.close();
  }
}

export class Ground {
  readonly #options: GroundOptions;
  readonly #folders: readonly boolean[];
  readonly ends: Ends;
  readonly stores: Stores;

  constructor(options: GroundOptions, { ends, folders }: Found) {
    const { ports, env, order } = options;
    this.#options = options;
    this.#folders = folders;
    this.ends = ends;
    const { connections, requesterPays } = order.options;
    this.stores = new Stores({
      port: ports.stores,
      buckets: ends.buckets,
      environment: { ...ports.environment, ...env },
      requesterPays,
      ...(connections === undefined ? {} : { connections }),
    });
  }

  /** Whether what is needed is there. Gives which destinations are folders. */
  async look(signal: AbortSignal): Promise<readonly boolean[]> {
    const looking = this.ends.buckets.map(async (bucket, at) => {
      const store = await this.stores.get(at);
      if (await store.bucketExists(signal)) return;
      throw new SkyError("objects/no-bucket", { bucket: bucketText(bucket) });
    });
    await Promise.all(looking);
    const kinds = this.ends.destinations.map(async ({ place }) => {
      if (place.kind === "store") return false;
      return (await kindAt({ ...place, doors: this.#doors }, signal)) === "folder";
    });
    return await Promise.all(kinds);
  }

  /** Whether the source is one object: on record since it was opened first. */
  get isSingle(): boolean {
    return isSingleIn(this.#options.ledger);
  }

  /** @throws SkyError `transfer/empty`. */
  async openSource(signal: AbortSignal): Promise<OpenSource> {
    const { order, ledger } = this.#options;
    const source = await openSource(
      {
        ...{ doors: this.#doors, place: this.ends.source, text: this.ends.sourceText },
        recursive: order.recursive,
        mayBeEmpty: order.verb === "sync",
        storeOf: (store) => this.stores.get(store),
      },
      signal,
    );
    ledger.setFact(singleFact, source.isSingle ? "1" : "0");
    return source;
  }

  mappings(): readonly Destination[] {
    return this.ends.destinations.map(({ place }, at) =>
      place.kind === "store"
        ? { kind: "keys", key: place.key }
        : { kind: "files", path: place.path, isFolder: this.#folders[at] === true },
    );
  }

  /** Where writers make their files; `null` for stores. */
  roots(): readonly (string | null)[] {
    const mappings = this.mappings();
    return this.ends.destinations.map((end, at) => {
      const mapping = mappings[at];
      return mapping === undefined ? null : rootOf(end, mapping, this.isSingle);
    });
  }

  async listed(): Promise<readonly ListedDestination[]> {
    const mappings = this.mappings();
    const listed = this.ends.destinations.map(async ({ place }, at) => {
      const mapping = mappings[at] ?? { kind: "keys", key: "" };
      if (place.kind === "files") return { mapping };
      return { mapping, limits: (await this.stores.get(place.store)).limits };
    });
    return await Promise.all(listed);
  }

  /** Of each store. Who may not ask where a bucket is can use it all the same. */
  async regions(signal: AbortSignal): Promise<readonly string[]> {
    const stores = await this.stores.all();
    const regionOf = async (store: ObjectStore): Promise<string> => {
      try {
        return await store.region(signal);
      } catch (error) {
        if (isSkyError(error, "objects/denied")) return "unknown";
        throw error;
      }
    };
    return await Promise.all(stores.map(regionOf));
  }

  /** Where both have one of the same kind. */
  async checksums(
    source: string,
    { destination, target }: { readonly destination: number; readonly target: string },
    signal: AbortSignal,
  ): Promise<Checksums | undefined> {
    const place = this.ends.destinations[destination]?.place;
    if (place === undefined) return undefined;
    const root = this.roots()[destination];
    const name = typeof root === "string" ? `${root}/${target}` : target;
    const pair = [
      { place: this.ends.source, name: source },
      { place, name },
    ] as const;
    return await checksumsOf({ storeOf: (store) => this.stores.get(store) }, pair, signal);
  }

  /** How objects are cut so that every store among the destinations takes them. */
  async cut(): Promise<CutRule | undefined> {
    const written = this.ends.destinations.flatMap(({ place }) =>
      place.kind === "store" ? [place.store] : [],
    );
    const stores = await Promise.all([...new Set(written)].map((one) => this.stores.get(one)));
    const limits = stores.map((store) => store.limits);
    return cutRuleFor(this.#options.order.options, limits);
  }

  /** Lists all destinations of a sync into the ledger. What filters leave out is not looked at. */
  async listThere(signal: AbortSignal): Promise<void> {
    const { ledger, order } = this.#options;
    const isMeant = sieveOf(order.options.filters);
    const roots = this.roots();
    ledger.clearThere();
    const listing = this.ends.destinations.map(async ({ place }, destination) => {
      const pages =
        place.kind === "store"
          ? this.#keysThere(place, signal)
          : this.#filesThere({ ...place, path: roots[destination] ?? place.path }, signal);
      for await (const page of pages) {
        const meant = page.filter(({ rest }) => isMeant(rest));
        ledger.addThere(meant.map(({ rest: _, ...one }) => ({ ...one, destination })));
      }
    });
    await Promise.all(listing);
  }

  async close(): Promise<void> {
    await this.stores.close();
  }

  get #doors() {
    return this.#options.ports.doors;
  }

  async *#keysThere(
    place: Extract<Place, { readonly kind: "store" }>,
    signal: AbortSignal,
  ): AsyncGenerator<readonly There[]> {
    const store = await this.stores.get(place.store);
    if (this.isSingle) {
      const key = place.key;
      const found = key === "" || key.endsWith("/") ? undefined : await store.head(key, signal);
      if (found !== undefined) yield [{ ...found, rest: found.key }];
      return;
    }
    for await (const page of store.list(treePrefix(place.key), signal)) {
      yield page.map((one) => ({ ...one, rest: restOf(place.key, one.key) ?? one.key }));
    }
  }

  async *#filesThere(
    { gateway, path }: Extract<Place, { readonly kind: "files" }>,
    signal: AbortSignal,
  ): AsyncGenerator<readonly There[]> {
    const at = { doors: this.#doors, gateway, path };
    const { what, pages, close } = await listFiles(at, !this.isSingle, signal);
    if (what !== "folder") {
      close();
      return;
    }
    const isFromStore = this.ends.source.kind === "store";
    for await (const { objects } of pages) {
      yield objects.map((one) => ({
        ...{ ...one, rest: one.key },
        modifiedMs: writtenMs(one, isFromStore),
      }));
    }
  }
}

type There = Omit<ThereObject, "destination"> & { readonly rest: string };
