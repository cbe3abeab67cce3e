// A folder tree that is kept as chunks, as records and messages name it.
//
// What is in one is told by `transfer/tree/tree.ts`; here is only what finds it again.

export interface TreeRef {
  /** Of its encoded manifest, which is itself a chunk: names every byte of the tree. */
  readonly digest: string;
  /** Of that manifest. */
  readonly bytes: number;
}

/** A file mount as it was when its job was submitted. */
export interface MountTree {
  /** As in `FileMount`. */
  readonly destination: string;
  /** Of a single file: a tree with this file alone, which then bears the destination's name. */
  readonly tree: TreeRef;
  readonly isFile: boolean;
}
