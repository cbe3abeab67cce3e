// The nouns of moving bytes: a chunk, its digest, and the manifest that makes an object of chunks.
//
// A chunk is named by what it holds, so whoever has it can prove it and twice the same is once.
// An object is a list of chunks; its digest is that of its encoded manifest
// (`transfer/chunks/manifest.ts`), so one digest proves every byte, whatever order they came in.

/** SHA-256 of a chunk's bytes, or of an encoded manifest: 64 lower-case hexadecimal digits. */
export type Digest = string;

export const digestPattern = /^[0-9a-f]{64}$/;

export interface ChunkRef {
  readonly digest: Digest;
  /** 1 to `chunkBytesMax`. */
  readonly bytes: number;
}

/** The largest chunk. A party holds a whole one in memory to prove, seal or open it. */
export const chunkBytesMax = 16 * 1024 * 1024;

/** What an object consists of, in order. An empty object has no chunks. */
export interface Manifest {
  /** The sum of all chunks. */
  readonly bytes: number;
  readonly chunks: readonly ChunkRef[];
}
