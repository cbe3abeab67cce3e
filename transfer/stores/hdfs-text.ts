// How WebHDFS writes down what we compute with: paths of keys, and what it says of files.

import { assert, SkyError } from "../../model/errors.ts";
import { keyFault } from "./file-keys.ts";
import { demandKey, storeLimits } from "./limits.ts";
import type { ListedObject } from "./object-store.ts";

/** Source: hadoop.apache.org, "WebHDFS REST API", "FileStatus Properties". */
export interface HdfsStatus {
  /** Its name in a listing; empty of what was asked for itself. */
  readonly pathSuffix: string;
  readonly type: "FILE" | "DIRECTORY" | "SYMLINK";
  readonly length: number;
  readonly modificationTime: number;
  /** Octal. */
  readonly permission: string;
  readonly fileId?: number;
}

const permissionBits = 0o777;

/** `/key`. @throws SkyError `objects/refused` for one that no file there can have. */
export function hdfsPath(key: string): string {
  demandKey(key, storeLimits.hdfs);
  // Source: org.apache.hadoop.hdfs.DFSUtil, isValidName.
  const why = keyFault(key) ?? (key.includes(":") ? "HDFS takes no colons in names" : undefined);
  if (why !== undefined) throw new SkyError("objects/refused", { object: key, why });
  return `/${key}`;
}

/** A file is written once, or longer; another in its place has another number. */
export function hdfsVersion({ length, modificationTime, fileId = 0 }: HdfsStatus): string {
  return `${length}-${modificationTime}-${fileId}`;
}

export function hdfsListed(key: string, status: HdfsStatus): ListedObject {
  assert(Number.isSafeInteger(status.length), `the length of ${key}: ${status.length}`);
  return {
    key,
    bytes: status.length,
    modifiedMs: status.modificationTime,
    version: hdfsVersion(status),
    mode: Number.parseInt(status.permission, 8) & permissionBits,
  };
}

/** Groups of sources for one CONCAT each: its address has them all. */
export function concatGroups(paths: readonly string[], charsMax: number): readonly string[][] {
  const groups: string[][] = [];
  let chars = 0;
  for (const path of paths) {
    // With an encoded comma.
    const more = encodeURIComponent(path).length + 3;
    const last = groups.at(-1);
    if (last === undefined || chars + more > charsMax) {
      groups.push([path]);
      chars = more;
    } else {
      last.push(path);
      chars += more;
    }
  }
  return groups;
}
