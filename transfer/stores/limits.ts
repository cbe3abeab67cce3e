// What each store takes at most, in one table, with its sources.
//
// What must hold: nothing here is larger than the store's own limit. Where a store counts otherwise
// than we do (Azure counts characters), the largest that can fit stands here, and the store says
// the rest. `docs/transfers.md` shows the table.

import { SkyError } from "../../model/errors.ts";
import type { StoreKind } from "../../model/transfer-path.ts";
import type { StoreLimits } from "./object-store.ts";

const MiB = 1024 ** 2;
const GiB = 1024 ** 3;
const TiB = 1024 ** 4;

export const storeLimits = {
  // Source: docs.aws.amazon.com, "Amazon S3 multipart upload limits" (object 48.8 TiB, which is
  // 10,000 parts of 5 GiB), "Creating object key names", "Working with object metadata" (2 KB).
  s3: {
    ...{ objectBytesMax: 10_000 * 5 * GiB, putBytesMax: 5 * GiB },
    ...{ partBytesMin: 5 * MiB, partBytesMax: 5 * GiB, partsMax: 10_000 },
    ...{ keyBytesMax: 1_024, metadataBytesMax: 2_048 },
  },
  // Source: developers.cloudflare.com/r2/platform/limits: 5 GiB less than 5 TiB, 5 MiB less than
  // 5 GiB. All parts but the last must have one size ("Upload objects": multipart).
  r2: {
    ...{ objectBytesMax: 5 * TiB - 5 * GiB, putBytesMax: 5 * GiB - 5 * MiB },
    ...{ partBytesMin: 5 * MiB, partBytesMax: 5 * GiB - 5 * MiB, partsMax: 10_000 },
    ...{ keyBytesMax: 1_024, metadataBytesMax: 8_192 },
  },
  // Source: cloud.ibm.com/docs/cloud-object-storage, "Storing large objects" (10 TB in 10,000 parts
  // of 5 MB to 5 GB), "About the S3 compatible API" (keys of 1,024, metadata of 2 KB).
  cos: {
    ...{ objectBytesMax: 10_000_000_000_000, putBytesMax: 5_000_000_000 },
    ...{ partBytesMin: 5 * MiB, partBytesMax: 5_000_000_000, partsMax: 10_000 },
    ...{ keyBytesMax: 1_024, metadataBytesMax: 2_048 },
  },
  // Source: cloud.google.com/storage/quotas, "Objects" (5 TiB; names of 1,024 bytes; metadata
  // of 8 KiB) and "XML API multipart uploads" (5 MiB to 5 GiB, 10,000 parts).
  gs: {
    ...{ objectBytesMax: 5 * TiB, putBytesMax: 5 * TiB },
    ...{ partBytesMin: 5 * MiB, partBytesMax: 5 * GiB, partsMax: 10_000 },
    ...{ keyBytesMax: 1_024, metadataBytesMax: 8_192 },
  },
  // Source: learn.microsoft.com, "Scalability and performance targets for Blob storage" (50,000
  // blocks of 4,000 MiB, Put Blob of 5,000 MiB), "Naming containers, blobs" (1,024 characters, each
  // of up to three bytes), "Setting and retrieving properties and metadata" (8 KB).
  azure: {
    ...{ objectBytesMax: 50_000 * 4_000 * MiB, putBytesMax: 5_000 * MiB },
    ...{ partBytesMin: 1, partBytesMax: 4_000 * MiB, partsMax: 50_000 },
    ...{ keyBytesMax: 3 * 1_024, metadataBytesMax: 8_192 },
  },
  // Source: hadoop.apache.org, hdfs-default.xml: dfs.namenode.fs-limits.max-blocks-per-file
  // (10,000 blocks of dfs.blocksize, 128 MiB); a path has at most 8,000 characters
  // (HdfsServerConstants.MAX_PATH_LENGTH). Parts are files that are put together (CONCAT).
  hdfs: {
    ...{ objectBytesMax: 10_000 * 128 * MiB, putBytesMax: 10_000 * 128 * MiB },
    ...{ partBytesMin: 1, partBytesMax: 5 * GiB, partsMax: 10_000 },
    ...{ keyBytesMax: 8_000, metadataBytesMax: 0 },
  },
  // A folder. Source: limits.h of Linux, PATH_MAX = 4096 with the NUL; ext4(5): 16 TiB a file.
  local: {
    ...{ objectBytesMax: 16 * TiB, putBytesMax: 16 * TiB },
    ...{ partBytesMin: 1, partBytesMax: 5 * GiB, partsMax: 1_000_000 },
    ...{ keyBytesMax: 4_095, metadataBytesMax: 0 },
  },
} as const satisfies Readonly<Record<StoreKind | "local", StoreLimits>>;

/** @throws SkyError `objects/refused` for a key that the store never takes. */
export function demandKey(key: string, limits: StoreLimits): void {
  const refuse = (why: string) => new SkyError("objects/refused", { object: shown(key), why });
  if (key === "") throw refuse("an object has a name");
  if (!key.isWellFormed()) throw refuse("its name is no Unicode text");
  const bytes = new TextEncoder().encode(key).length;
  if (bytes > limits.keyBytesMax) {
    throw refuse(`its name has ${bytes} bytes, at most ${limits.keyBytesMax} are taken`);
  }
}

/** A key of an error: whole unless it is very long. */
function shown(key: string): string {
  return key.length <= 300 ? key : `${key.slice(0, 300)}…`;
}
