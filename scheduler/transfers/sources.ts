// The source of a transfer, opened: one object or a tree, and its objects as they are listed.
//
// A single key is looked up, not listed: what only begins like it is not meant. A tree of a store
// that has nothing in it, and one of a file system that is not there, is no source.

import { SkyError } from "../../model/errors.ts";
import type { GatewayDoors } from "../../transfer/gateway/doors.ts";
import type { ListedNote } from "../../transfer/gateway/orders.ts";
import type { Place } from "../../transfer/job/ends.ts";
import { baseName, treePrefix } from "../../transfer/job/mapping.ts";
import type { ListedObject, ObjectStore } from "../../transfer/stores/object-store.ts";
import { type FilePage, listFiles } from "./file-trees.ts";

export interface SourceObject extends Omit<ListedObject, "key"> {
  /** A key, or an absolute path. */
  readonly source: string;
  /** Below the root of the tree; of a single object its last step. */
  readonly rest: string;
}

export interface SourcePage {
  readonly objects: readonly SourceObject[];
  readonly notes: readonly ListedNote[];
}

export interface OpenSource {
  readonly isSingle: boolean;
  /** Once. */
  readonly pages: AsyncIterable<SourcePage>;
  /** Lets go of it before its end. */
  close(): void;
}

export interface SourceOptions {
  readonly doors: GatewayDoors;
  readonly place: Place;
  readonly text: string;
  readonly recursive: boolean;
  /** A folder with nothing in it is one: of a sync. */
  readonly mayBeEmpty: boolean;
  readonly storeOf: (store: number) => Promise<ObjectStore>;
}

/** @throws SkyError `transfer/empty`, and what the store or the gateway says. */
export async function openSource(options: SourceOptions, signal: AbortSignal): Promise<OpenSource> {
  const { place } = options;
  if (place.kind === "files") return await openFiles(options, place, signal);
  const store = await options.storeOf(place.store);
  if (!options.recursive) return await openKey(options, { store, key: place.key }, signal);
  return await openKeys(options, { store, key: place.key }, signal);
}

type FilesPlace = Extract<Place, { readonly kind: "files" }>;
interface KeyPlace {
  readonly store: ObjectStore;
  readonly key: string;
}

async function openFiles(
  { doors, text, recursive, mayBeEmpty }: SourceOptions,
  { gateway, path }: FilesPlace,
  signal: AbortSignal,
): Promise<OpenSource> {
  const listing = await listFiles({ doors, gateway, path }, recursive, signal);
  const { what, root, pages, close } = listing;
  if (what === "folder" && recursive) {
    const objects = mapped(pages, (page) => filesOf(page, root));
    const first = mayBeEmpty ? objects : await demandSome(objects, text, "; it is an empty folder");
    return { isSingle: false, pages: first, close };
  }
  if (what === "file") {
    return { isSingle: true, pages: mapped(pages, (page) => filesOf(page, root)), close };
  }
  close();
  const hint = what === "folder" ? " but a folder: use --recursive" : "";
  throw new SkyError("transfer/empty", { source: text, hint });
}

function filesOf({ objects, notes }: FilePage, root: string): SourcePage {
  const below = root.endsWith("/") ? root : `${root}/`;
  return {
    objects: objects.map(({ key, ...rest }) => ({ ...rest, source: below + key, rest: key })),
    notes,
  };
}

async function openKey(
  { text }: SourceOptions,
  { store, key }: KeyPlace,
  signal: AbortSignal,
): Promise<OpenSource> {
  const found = key === "" ? undefined : await store.head(key, signal);
  if (found !== undefined) {
    const { attributes: _, checksum: _sum, partBytes: _parts, key: source, ...rest } = found;
    const objects = [{ ...rest, source, rest: baseName(source) }];
    return { isSingle: true, pages: only({ objects, notes: [] }), close: () => {} };
  }
  const below = await isAnyBelow({ store, key }, signal);
  const hint = below ? " itself, but below it: use --recursive" : "";
  throw new SkyError("transfer/empty", { source: text, hint });
}

async function openKeys(
  options: SourceOptions,
  { store, key }: KeyPlace,
  signal: AbortSignal,
): Promise<OpenSource> {
  const prefix = treePrefix(key);
  const pages = mapped(store.list(prefix, signal), (page) => ({
    objects: page.map(({ key: source, ...rest }) => ({
      ...rest,
      ...{ source, rest: source.slice(prefix.length) },
    })),
    notes: [],
  }));
  const some = await orNothing(pages);
  if (some !== undefined) return { isSingle: false, pages: some, close: () => {} };
  // `-r` with the key of one object copies that object.
  return await openKey(options, { store, key }, signal);
}

async function isAnyBelow({ store, key }: KeyPlace, signal: AbortSignal): Promise<boolean> {
  for await (const page of store.list(treePrefix(key), signal)) if (page.length > 0) return true;
  return false;
}

async function demandSome(
  pages: AsyncIterable<SourcePage>,
  source: string,
  hint: string,
): Promise<AsyncIterable<SourcePage>> {
  const some = await orNothing(pages);
  if (some === undefined) throw new SkyError("transfer/empty", { source, hint });
  return some;
}

/** The same pages, or `undefined` if nothing is in any of them. */
async function orNothing(
  pages: AsyncIterable<SourcePage>,
): Promise<AsyncIterable<SourcePage> | undefined> {
  const left = pages[Symbol.asyncIterator]();
  for (let next = await left.next(); next.done !== true; next = await left.next()) {
    const { objects, notes } = next.value;
    if (objects.length > 0 || notes.some(({ failed }) => failed))
      return continued(next.value, left);
  }
  return undefined;
}

async function* continued(
  first: SourcePage,
  left: AsyncIterator<SourcePage>,
): AsyncGenerator<SourcePage> {
  yield first;
  for (let next = await left.next(); next.done !== true; next = await left.next()) yield next.value;
}

async function* only(page: SourcePage): AsyncGenerator<SourcePage> {
  yield page;
}

async function* mapped<A, B>(pages: AsyncIterable<A>, map: (page: A) => B): AsyncGenerator<B> {
  for await (const page of pages) yield map(page);
}
