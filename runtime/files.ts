// The files port: the small part of a file system that the system's own state needs.
//
// Paths are absolute. Obligations: `replace` is atomic (a reader sees the old or the new content,
// never a mixture) and durable when it resolves. Missing files are `undefined`, not errors.

export interface Files {
  read(path: string): Promise<Uint8Array | undefined>;
  /** Bytes [offset, offset + length) of a file; fewer at its end, none beyond it. */
  readAt(path: string, offset: number, length: number): Promise<Uint8Array>;
  size(path: string): Promise<number | undefined>;
  replace(path: string, content: Uint8Array, mode: number): Promise<void>;
  append(path: string, content: Uint8Array): Promise<void>;
  list(dir: string): Promise<readonly string[]>;
  makeDir(dir: string, mode: number): Promise<void>;
  /** Removes a file or a whole tree. @throws SkyError `process/failed` outside `root`. */
  remove(path: string): Promise<void>;
  /** Copies a tree with modes and symbolic links, over what is there. */
  copyTree(from: string, to: string): Promise<void>;
  /** Calls `hear` after `path` may have changed. Coalesces. Returns what stops watching. */
  watch(path: string, hear: () => void): () => void;
}
