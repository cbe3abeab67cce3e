// A folder tree that is kept as chunks, as records and messages name it.
//
// What is in one is told by `transfer/tree/tree.ts`; here is only what finds it again.

export interface TreeRef {
  /** Of its encoded manifest, which is itself a chunk: names every byte of the tree. */
  readonly digest: string;
  /** Of that manifest. */
  readonly bytes: number;
}
