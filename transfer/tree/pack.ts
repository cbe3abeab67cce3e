// Packs a folder tree into chunks (`tree.ts`), as it is at the moment of reading.
//
// What is read (`reading.ts`) gets its names and is made safe, a few chunks at a time, while the
// reader goes on. Who has packed the tree before may know it: then a tree that looks the same is
// not read at all, and of one that changed the large files that did not are not read again.

import { assert } from "../../model/errors.ts";
import type { ChunkRef } from "../chunks/chunk.ts";
import { encodeManifest } from "../chunks/manifest.ts";
import type { FileStamp, LargeFile, ReadRequest, TreeReading, TreeSink } from "./reading.ts";
import { type RegionOptions, RegionWriter } from "./region-writer.ts";
import { encodeRoot, manifestOfTree } from "./tree.ts";

/** `keep` gets the tree's encoded manifest last. */
export interface PackOptions extends RegionOptions {
  readonly reading: TreeReading;
  readonly known?: KnownTree;
  readonly signal?: AbortSignal;
}

/** The tree as it was packed before. Every chunk that it names is there, and stays. */
export interface KnownTree {
  /** Absent if not all its chunks are there. */
  readonly same?: { readonly stamp: string; readonly packed: PackedTree };
  readonly large: ReadonlyMap<FileStamp, readonly ChunkRef[]>;
}

export interface PackedTree {
  /** The encoded manifest: itself a chunk, and its digest names the tree. */
  readonly tree: ChunkRef;
  readonly chunks: readonly ChunkRef[];
  readonly files: number;
  /** Of all files. */
  readonly bytes: number;
  /** What has no content to pack, by path; the first of them. */
  readonly skipped: readonly string[];
  /** What the tree looked like; absent if it may change without a trace. */
  readonly stamp?: string;
  /** Files that need not be read again; `from` counts the chunks of the manifest. */
  readonly large: readonly LargeFile[];
}

/** What is read: a folder, or a file as a tree of its own. */
export type PackSource = Pick<ReadRequest, "path" | "isFile">;

/** @throws SkyError `process/failed` for a file that changes again and again, and for a folder that
 *   is removed or replaced meanwhile; what is thrown by the file system and by `keep`. */
export async function packTree(source: PackSource, options: PackOptions): Promise<PackedTree> {
  const { known, reading, signal = new AbortController().signal } = options;
  const regions = new Regions(options);
  const sizes = [...(known?.large ?? [])].map(([file, refs]) => [file, refs.length] as const);
  const stamp = known?.same?.stamp;
  const request = { ...source, known: new Map(sizes), ...(stamp === undefined ? {} : { stamp }) };
  const read = await reading.read(request, regions.sink, signal);
  if (read.kind === "same") {
    assert(known?.same !== undefined, "only a tree that is known can be the same");
    return known.same.packed;
  }
  const { kind: _, large, ...counts } = read;
  const { tree, chunks, largeFrom } = await regions.end();
  const placed = large.map((file) => ({ ...file, from: file.from + largeFrom }));
  return { tree, chunks, ...counts, large: placed };
}

/** The regions while they are packed. Whoever reads is told to wait, but not what came of it. */
class Regions {
  readonly #options: PackOptions;
  readonly #description: RegionWriter;
  readonly #small: RegionWriter;
  readonly #large: RegionWriter;
  /** What was read is taken in its order. */
  #turn: Promise<void> = Promise.resolve();
  readonly sink: TreeSink = {
    chunk: (region, bytes) => {
      const writer = { description: this.#description, small: this.#small, large: this.#large };
      return this.#next(() => writer[region].add(bytes));
    },
    reuse: (file) => {
      const refs = this.#options.known?.large.get(file);
      assert(refs !== undefined, "a file that was not read is known");
      void this.#next(() => this.#large.adopt(refs));
    },
    takeBack: (chunks) => {
      void this.#next(() => this.#large.takeBack(chunks));
    },
  };

  constructor(options: PackOptions) {
    this.#options = options;
    this.#description = new RegionWriter(options);
    this.#small = new RegionWriter(options);
    this.#large = new RegionWriter(options);
  }

  async end() {
    await this.#turn;
    const regions = {
      description: await this.#description.end(),
      small: await this.#small.end(),
      large: await this.#large.end(),
    };
    const { keep, work } = this.#options;
    const root = await work.name(encodeRoot(regions));
    const manifest = manifestOfTree(root.ref, regions);
    // What an object is called is the name of its encoded manifest as a chunk.
    const tree = await work.name(encodeManifest(manifest));
    await keep([root, tree]);
    // Before them come the manifest and the root.
    const largeFrom = 2 + regions.description.length + regions.small.length;
    return { tree: tree.ref, chunks: [tree.ref, ...manifest.chunks], largeFrom };
  }

  /** After a failure nothing more is done, and everybody hears of it. */
  #next(work: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(work);
    this.#turn = done;
    done.catch(() => {}); // Who waits for it, or for the end, hears of it.
    return done;
  }
}
