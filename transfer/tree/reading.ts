// The port that reads a folder tree: where packing gets its bytes from.
//
// Whoever reads goes through the tree in the order of its description, cuts what it finds into
// chunks, and hands them on, region by region; it holds little, and waits where it is told to.
// `reader-os.ts` does it; `reading-threads-os.ts` has it done on a thread of its own, so that a
// hundred thousand small files, or a file system that hangs, hold up nobody else.

import type { TreeRegions } from "./tree.ts";

export type RegionName = keyof TreeRegions;

export interface TreeReading {
  /** @throws SkyError `process/failed`; what the file system throws, and what the sink throws. */
  read(request: ReadRequest, sink: TreeSink, signal: AbortSignal): Promise<TreeRead>;
  close(): Promise<void>;
}

export interface ReadRequest {
  readonly path: string;
  /** A tree of this file alone; otherwise of a folder. */
  readonly isFile: boolean;
  /** If the tree has this stamp, nothing of it is read. */
  readonly stamp?: string;
  /** Large files whose chunks are there, and how many: they are not read. */
  readonly known: ReadonlyMap<FileStamp, number>;
}

/** Takes what was read, in order. Who is given a promise waits for it before it goes on. */
export interface TreeSink {
  /** The bytes are given away, with their buffer if they fill it. */
  chunk(region: RegionName, bytes: Uint8Array): Promise<void> | undefined;
  /** The chunks of a known file are next. */
  reuse(file: FileStamp): void;
  /** As if the last chunks of the large region had not been: their file changed meanwhile. */
  takeBack(chunks: number): void;
}

export type TreeRead =
  | { readonly kind: "same" }
  | {
      readonly kind: "read";
      readonly files: number;
      /** Of all files. */
      readonly bytes: number;
      /** What has no content to pack, by path; the first of them. */
      readonly skipped: readonly string[];
      /** Absent if something may change without a trace, so recently did it change before. */
      readonly stamp?: string;
      /** Those that may be known the next time, in the order of their region. */
      readonly large: readonly LargeFile[];
    };

/** What tells a file's content from any other that it had or will have: device, inode, times. */
export type FileStamp = string;

export interface LargeFile {
  readonly file: FileStamp;
  /** Its chunks in the region of large files. */
  readonly from: number;
  readonly chunks: number;
}
