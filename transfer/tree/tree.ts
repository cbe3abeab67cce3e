// A folder tree as an object: its description, its contents, and the root that holds them together.
//
// The object's first chunk is the root. Behind it come three regions, each cut into chunks of its
// own: the description (what there is, `entries.ts`), the contents of small files, one behind the
// other as the description names them, and those of large files, each cut by itself. So 100,000
// small files are a hundred chunks, a changed file costs the chunks that it changed, and new times
// alone cost chunks of the description. The digest of the object names the whole tree.
//
// What must always hold: the same tree always gives the same digest; one digest, one tree.

import { SkyError } from "../../model/errors.ts";
import type { ChunkRef, Manifest } from "../chunks/chunk.ts";

/** Files of this size and more are cut by themselves. Part of the format. */
export const largeFileBytes = 1024 * 1024;
/** Folders in folders. Each that is open costs a descriptor. */
export const depthMax = 256;

export interface RegionSize {
  readonly chunks: number;
  readonly bytes: number;
}

export interface TreeRoot {
  readonly description: RegionSize;
  readonly small: RegionSize;
  readonly large: RegionSize;
}

/** The chunks of a tree's regions. */
export interface TreeRegions {
  readonly description: readonly ChunkRef[];
  readonly small: readonly ChunkRef[];
  readonly large: readonly ChunkRef[];
}

const magic = 0x53_4b_59_54;
const version = 1;
const headerBytes = 8;
const sizeBytes = 12;
const rootBytes = headerBytes + 3 * sizeBytes;

/** `"SKYT" | version u16 | zero u16`, then for each region `chunks u32 | bytes u64`; big-endian. */
export function encodeRoot({ description, small, large }: TreeRegions): Uint8Array {
  const out = Buffer.alloc(rootBytes);
  out.writeUInt32BE(magic, 0);
  out.writeUInt16BE(version, 4);
  for (const [index, refs] of [description, small, large].entries()) {
    const at = headerBytes + index * sizeBytes;
    out.writeUInt32BE(refs.length, at);
    out.writeBigUInt64BE(BigInt(bytesOf(refs)), at + 4);
  }
  return out;
}

/** @throws SkyError `codec/invalid`. */
export function decodeRoot(bytes: Uint8Array): TreeRoot {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (view.length !== rootBytes) throw invalidTree(`its root has ${view.length} bytes`);
  if (view.readUInt32BE(0) !== magic) throw invalidTree("it does not begin as one");
  if (view.readUInt16BE(4) !== version) {
    throw invalidTree(`its version is ${view.readUInt16BE(4)}, this program knows ${version}`);
  }
  if (view.readUInt16BE(6) !== 0) throw invalidTree("a field that must be zero is not");
  return { description: sizeAt(view, 0), small: sizeAt(view, 1), large: sizeAt(view, 2) };
}

export function manifestOfTree(root: ChunkRef, regions: TreeRegions): Manifest {
  const chunks = [root, ...regions.description, ...regions.small, ...regions.large];
  return { bytes: bytesOf(chunks), chunks };
}

/** Which chunks are whose. @throws SkyError `codec/invalid` if the root tells of other ones. */
export function regionsOf({ chunks }: Manifest, root: TreeRoot): TreeRegions {
  const smallFrom = 1 + root.description.chunks;
  const largeFrom = smallFrom + root.small.chunks;
  const regions = {
    description: chunks.slice(1, smallFrom),
    small: chunks.slice(smallFrom, largeFrom),
    large: chunks.slice(largeFrom),
  };
  const names = ["description", "small", "large"] as const;
  const isTrue = names.every((name) => {
    const { chunks: count, bytes } = root[name];
    return regions[name].length === count && bytesOf(regions[name]) === bytes;
  });
  if (!isTrue) throw invalidTree("its root tells of other chunks");
  return regions;
}

export function invalidTree(why: string): SkyError<"codec/invalid"> {
  return new SkyError("codec/invalid", { what: "a folder tree", why });
}

function sizeAt(view: Buffer, index: number): RegionSize {
  const at = headerBytes + index * sizeBytes;
  return { chunks: view.readUInt32BE(at), bytes: Number(view.readBigUInt64BE(at + 4)) };
}

function bytesOf(refs: readonly ChunkRef[]): number {
  return refs.reduce((sum, { bytes }) => sum + bytes, 0);
}
