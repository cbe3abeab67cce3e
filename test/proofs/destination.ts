// The sink's end of a transfer: opens what was sealed, and puts it into the file of its object.
//
// A chunk is acknowledged when it is safe in the partial file; the manifest, when the whole object
// has its final name: whoever hears that all is delivered may go. The manifest is kept before the
// rename, so that a sink that ends between the rename and its word knows that it is done.
//
// What must always hold: nothing of an object counts as here unless its file proves it.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { errorText, isSkyError, SkyError } from "../../model/errors.ts";
import type { Files } from "../../runtime/files.ts";
import { createOsFiles } from "../../runtime/files-os.ts";
import type { ChunkRef, Digest, Manifest } from "../../transfer/chunks/chunk.ts";
import type { ChunkSink } from "../../transfer/chunks/exchange.ts";
import { decodeManifest } from "../../transfer/chunks/manifest.ts";
import { holdsObject } from "../../transfer/chunks/object-bytes-os.ts";
import { type ObjectFile, openObjectFile } from "../../transfer/chunks/object-file-os.ts";
import type { PlacedChunk } from "../../transfer/chunks/object-place.ts";
import { manifestIndex, openChunk, type TransferSecret } from "../../transfer/chunks/seal.ts";
import { SealedJournal } from "./sealed-journal.ts";

export interface DestinationOptions {
  readonly path: string;
  readonly transfer: string;
  readonly secret: TransferSecret;
  /** All chunks but the last have so many bytes. */
  readonly chunkBytes: number;
  /** The sink's own folder: locks, and the manifest. */
  readonly folder: string;
  readonly proveAtEnd?: boolean;
  readonly onWord: (says: "had" | "safe" | "whole" | "damaged", about: DestinationWord) => void;
}

export interface DestinationWord {
  readonly index?: number;
  /** How many chunks are safe. */
  readonly count?: number;
  readonly why?: string;
}

/** Opens it as an earlier life left it. */
export async function openDestination(options: DestinationOptions): Promise<Destination> {
  const { folder, path } = options;
  mkdirSync(folder, { recursive: true });
  const files = createOsFiles(folder);
  const kept = await files.read(join(folder, manifestName));
  const manifest = kept === undefined ? undefined : decodeManifest(kept);
  const destination = new Destination(options, files);
  if (manifest !== undefined && (await holdsObject(path, manifest))) destination.whole();
  else await destination.open(manifest);
  return destination;
}

const manifestName = "manifest";

export class Destination implements ChunkSink {
  readonly #options: DestinationOptions;
  readonly #files: Files;
  readonly #journal = new SealedJournal();
  #file: ObjectFile | undefined;
  #isWhole = false;
  /** Wakes whoever waits for the last chunk. */
  #wake: () => void = () => {};

  constructor(options: DestinationOptions, files: Files) {
    this.#options = options;
    this.#files = files;
  }

  async open(manifest: Manifest | undefined): Promise<void> {
    const { path, transfer, folder, proveAtEnd = true } = this.#options;
    this.#file = await openObjectFile({
      ...{ path, transfer, proveAtEnd, locks: join(folder, "locks") },
      openJournal: (place) => this.#journal.open(place, transfer),
    });
    this.#options.onWord("had", { count: this.#file.known.size });
    if (manifest === undefined || this.#file.missing(manifest).length > 0) return;
    // What is damaged is told of there, and is asked for again by the first exchange.
    await this.#finish(this.#file, manifest).catch((error: unknown) => {
      if (!isSkyError(error, "stream/closed")) throw error;
    });
  }

  async known(refs: readonly ChunkRef[]): Promise<ReadonlySet<Digest>> {
    const here = refs.filter(({ digest }) => {
      const index = this.#journal.indexOf(digest);
      return this.#isWhole || (index !== undefined && this.#file?.known.has(index));
    });
    return new Set(here.map(({ digest }) => digest));
  }

  async put(ref: ChunkRef, sealed: Uint8Array, signal: AbortSignal): Promise<void> {
    const { secret, chunkBytes, onWord } = this.#options;
    if (this.#isWhole) return;
    const { place, ref: inner, bytes } = openChunk(sealed, { secret });
    const { index } = place;
    if (index === manifestIndex) return await this.#takeManifest(bytes, signal);
    const file = this.#demandFile();
    this.#journal.coming(index, ref);
    await file.put({ index, offset: index * chunkBytes, ref: inner }, bytes);
    onWord("safe", { index, count: file.known.size });
    this.#wake();
  }

  async #takeManifest(encoded: Uint8Array, signal: AbortSignal): Promise<void> {
    const manifest = decodeManifest(encoded);
    await this.#files.replace(join(this.#options.folder, manifestName), encoded, 0o600);
    const file = this.#demandFile();
    for (let [next] = file.missing(manifest); next !== undefined; [next] = file.missing(manifest)) {
      await this.#another(signal, next);
    }
    await this.#finish(file, manifest);
  }

  /** Waits for another chunk; whoever ends the wait is told of one that never came. */
  async #another(signal: AbortSignal, { index, ref }: PlacedChunk): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#wake = resolve;
    const where = `${this.#options.path}, chunk ${index}`;
    const missing = () => new SkyError("chunk/missing", { digest: ref.digest, where });
    const stop = (): void => reject(missing());
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    await promise.finally(() => signal.removeEventListener("abort", stop));
  }

  async #finish(file: ObjectFile, manifest: Manifest): Promise<void> {
    try {
      await file.finish(manifest);
    } catch (error) {
      if (!isSkyError(error, "chunk/damaged")) throw error;
      this.#options.onWord("damaged", { why: errorText(error) });
      // The exchange ends and begins anew: then what is damaged is not known here any more.
      throw new SkyError("stream/closed", { why: errorText(error) }, { cause: error });
    }
    this.whole();
  }

  whole(): void {
    this.#isWhole = true;
    this.#options.onWord("whole", {});
  }

  get isWhole(): boolean {
    return this.#isWhole;
  }

  /** Lets go; what is here stays. */
  async close(): Promise<void> {
    if (!this.#isWhole) await this.#file?.close();
  }

  #demandFile(): ObjectFile {
    if (this.#file === undefined) throw new SkyError("chunk/missing", { digest: "", where: "" });
    return this.#file;
  }
}
