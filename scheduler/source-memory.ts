// What is remembered of folders and files that were packed, so that they need not be read again.
//
// A record says what a source looked like (`transfer/tree/stamp.ts`), and which tree it was. It is
// a hint: whether the tree's chunks are still there is found out by who uses it, and what is
// forgotten is read again. Those that were not used for longest are forgotten first.

import type { TreeRef } from "../model/tree.ts";
import type { Digest } from "../transfer/chunks/chunk.ts";
import type { PackedTree, PackSource } from "../transfer/tree/pack.ts";
import type { LargeFile } from "../transfer/tree/reading.ts";

export interface SourceRecord extends PackSource {
  readonly tree: TreeRef;
  /** Absent: it is read again, but for its large files. */
  readonly stamp?: string;
  readonly files: number;
  readonly bytes: number;
  /** `from` counts the tree's chunks, its manifest included. */
  readonly large: readonly LargeFile[];
}

export interface SourceMemory {
  recall(source: PackSource): Promise<SourceRecord | undefined>;
  /** What the tree of that digest was last packed from. */
  packedAs(tree: Digest): Promise<readonly PackSource[]>;
  remember(source: PackSource, packed: PackedTree): void;
  forget(source: PackSource): void;
  /** What was remembered survives. */
  close(): Promise<void>;
}

const sourcesMax = 256;
/** In all records; each is about 100 bytes. */
const largeFilesMax = 50_000;

/** The records by source, the one that was not used for longest first. */
export class SourceRecords {
  readonly #records = new Map<string, SourceRecord>();

  constructor(records: readonly SourceRecord[] = []) {
    for (const record of records) this.#records.set(keyOf(record), record);
    this.#bound();
  }

  all(): readonly SourceRecord[] {
    return [...this.#records.values()];
  }

  recall(source: PackSource): SourceRecord | undefined {
    const key = keyOf(source);
    const record = this.#records.get(key);
    if (record === undefined) return undefined;
    this.#records.delete(key);
    this.#records.set(key, record);
    return record;
  }

  packedAs(tree: Digest): readonly PackSource[] {
    const found = this.all().filter((record) => record.tree.digest === tree);
    return found.map(({ path, isFile }) => ({ path, isFile }));
  }

  /** Whether that is anything new. */
  remember({ path, isFile }: PackSource, packed: PackedTree): boolean {
    const { tree, stamp, files, bytes, large } = packed;
    const known = this.recall({ path, isFile });
    const isSame = known?.tree.digest === tree.digest && known.stamp === stamp;
    if (isSame && known?.large.length === large.length) return false;
    const record = { path, isFile, tree, files, bytes, large };
    this.forget({ path, isFile });
    this.#records.set(keyOf(record), stamp === undefined ? record : { ...record, stamp });
    this.#bound();
    return true;
  }

  forget(source: PackSource): boolean {
    return this.#records.delete(keyOf(source));
  }

  #bound(): void {
    let large = this.all().reduce((sum, record) => sum + record.large.length, 0);
    for (const [key, record] of this.#records) {
      if (this.#records.size <= sourcesMax && large <= largeFilesMax) return;
      this.#records.delete(key);
      large -= record.large.length;
    }
  }
}

/** For a process that remembers nothing when it ends. */
export function createSourceMemory(): SourceMemory {
  const records = new SourceRecords();
  return {
    recall: async (source) => records.recall(source),
    packedAs: async (tree) => records.packedAs(tree),
    remember: (source, packed) => void records.remember(source, packed),
    forget: (source) => void records.forget(source),
    close: async () => {},
  };
}

function keyOf({ path, isFile }: PackSource): string {
  return `${isFile ? "file" : "folder"} ${path}`;
}

const version = 1;

export function encodeSources(records: readonly SourceRecord[]): string {
  return JSON.stringify({ version, sources: records });
}

/** Nothing of what is damaged or of another version: it is only remembered. */
export function decodeSources(text: string): readonly SourceRecord[] {
  try {
    const found: unknown = JSON.parse(text);
    const isOurs = isObject(found) && found["version"] === version;
    if (!isOurs || !Array.isArray(found["sources"])) return [];
    return found["sources"].filter(isRecord);
  } catch {
    return []; // Half a file, as a machine that lost power may leave it.
  }
}

function isRecord(found: unknown): found is SourceRecord {
  if (!isObject(found)) return false;
  const { path, isFile, tree, stamp, files, bytes, large } = found;
  return (
    typeof path === "string" &&
    typeof isFile === "boolean" &&
    (stamp === undefined || typeof stamp === "string") &&
    [files, bytes].every(isCount) &&
    isObject(tree) &&
    typeof tree["digest"] === "string" &&
    isCount(tree["bytes"]) &&
    Array.isArray(large) &&
    large.every(isLarge)
  );
}

function isLarge(found: unknown): found is LargeFile {
  if (!isObject(found)) return false;
  return typeof found["file"] === "string" && isCount(found["from"]) && isCount(found["chunks"]);
}

function isCount(found: unknown): found is number {
  return typeof found === "number" && Number.isSafeInteger(found) && found >= 0;
}

function isObject(found: unknown): found is Readonly<Record<string, unknown>> {
  return typeof found === "object" && found !== null;
}
