// Makes a content store's index say what its files say.
//
// It runs whenever a store is opened, shelf by shelf and pin by pin, each under the store's lock
// and in a transaction of its own, so that others who have it open go on meanwhile. What it finds
// is left by a process that died between two steps, by a power cut, or by damage:
// - a chunk that the index does not know is taken up, after its name is flushed; its content is
//   proven whenever it is read
// - a row without a file goes; what is no chunk at all is moved away
// - a pin's file and its copy each complete the other if the file does not prove itself

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { type ChunkRef, type Digest, digestPattern } from "./chunk.ts";
import type { IndexNotice } from "./content-index-requests.ts";
import type { ContentIndex } from "./content-index-sqlite.ts";
import { type ContentLayout, pinFileName, shelfNames } from "./content-layout.ts";
import { pinFileNames, readPin, writePin } from "./content-pins-os.ts";
import { lookAt, setAside, syncFolder } from "./content-shelves-os.ts";
import type { PinName } from "./content-store.ts";

export interface Repair {
  readonly layout: ContentLayout;
  /** Runs a turn under the lock and in a transaction of the index as it is then. */
  readonly turn: <T>(work: (index: ContentIndex) => T) => T;
  /** Evicts what is too much, some of it. Whether there is more. */
  readonly trim: (index: ContentIndex) => boolean;
  readonly notice: (notice: IndexNotice) => void;
}

export function repairAll(repair: Repair): void {
  repairPins(repair);
  let [taken, dropped] = [0, 0];
  for (const shelf of shelfNames) {
    repair.turn((index) => {
      const found = repairShelf(repair, index, shelf);
      taken += found.taken;
      dropped += found.dropped;
    });
  }
  repair.turn((index) => index.recount());
  if (taken + dropped === 0) return;
  while (repair.turn((index) => repair.trim(index)));
  const message = "the index of the content store was behind its files";
  repair.notice({ message, fields: { taken, dropped } });
}

function repairShelf(
  { layout, notice }: Repair,
  index: ContentIndex,
  shelf: string,
): { readonly taken: number; readonly dropped: number } {
  const path = join(layout.root, shelf);
  const known = index.shelf(shelf);
  let taken = 0;
  for (const name of readdirSync(path)) {
    const isNamed = digestPattern.test(name) && name.startsWith(shelf);
    const found = isNamed ? lookAt(layout.root, name) : undefined;
    if (found?.kind === "chunk" && known.get(name) === found.bytes) known.delete(name);
    else if (found?.kind === "chunk") {
      if (taken === 0) syncFolder(path);
      index.remove(name);
      index.add({ digest: name, bytes: found.bytes }, Math.min(found.mtimeMs, Date.now()));
      known.delete(name);
      taken += 1;
    } else if (found?.kind !== "absent") {
      setAside(layout, join(path, name));
      notice({ message: "what is no chunk was moved out of the content store", fields: { name } });
    }
  }
  for (const digest of known.keys()) index.remove(digest);
  return { taken, dropped: known.size };
}

function repairPins(repair: Repair): void {
  const { layout, turn, notice } = repair;
  /** The names of pins by those of their files, as the index has them. */
  const names = new Map<string, PinName>();
  let files: readonly string[] = [];
  turn((index) => {
    files = pinFileNames(layout, (path) =>
      notice({ message: "what is no pin was moved out of the content store", fields: { path } }),
    );
    for (const name of index.pinNames("")) names.set(pinFileName(name), name);
    const here = new Set(files);
    for (const [fileName, name] of names) {
      const id = here.has(fileName) ? undefined : index.pinId(name);
      if (id !== undefined) index.unname(id);
    }
  });
  for (const fileName of files) {
    turn((index) => repairPin(repair, index, { fileName, name: names.get(fileName) }));
  }
}

/**
 * A file that proves itself is the truth. Of one that does not, what proves itself counts, and
 * the rest is taken from the copy; without a copy, all that is legible.
 */
function repairPin(
  { layout, notice }: Repair,
  index: ContentIndex,
  known: { readonly fileName: string; readonly name: PinName | undefined },
): void {
  const text = readPin(layout, known.fileName);
  if (text === undefined) return;
  const name = text.name ?? known.name;
  if (name === undefined) {
    setAside(layout, join(layout.pins, known.fileName));
    const fields = { file: known.fileName };
    notice({ message: "a pin's file has no legible name and was moved away", fields });
    return;
  }
  const id = index.pinId(name);
  const copy = id === undefined ? undefined : index.needs(id);
  const chunks = text.whole ? text.legible : union(text.proven, copy ?? text.legible);
  if (!text.whole) {
    writePin(layout, name, chunks);
    notice({ message: "a pin's file did not prove itself and was written anew", fields: { name } });
  }
  if (copy === undefined || !sameChunks(copy, chunks)) index.setNeeds(index.addPin(name), chunks);
}

function union(some: readonly ChunkRef[], others: readonly ChunkRef[]): readonly ChunkRef[] {
  const refs = new Map<Digest, ChunkRef>();
  for (const ref of [...others, ...some]) refs.set(ref.digest, ref);
  return [...refs.values()];
}

function sameChunks(some: readonly ChunkRef[], others: readonly ChunkRef[]): boolean {
  const sizes = new Map(some.map(({ digest, bytes }) => [digest, bytes]));
  return (
    some.length === others.length &&
    others.every(({ digest, bytes }) => sizes.get(digest) === bytes)
  );
}
