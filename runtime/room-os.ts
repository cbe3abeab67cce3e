// Room on disks: how much is free where a path is, and which errors say that there is none.

import { statfsSync } from "node:fs";
import { dirname } from "node:path";
import { SkyError } from "../model/errors.ts";
import { bytesText } from "./store-room.ts";

/** Bytes that we may still write on the disk of `path`, or of the nearest folder that exists. */
export function freeBytes(path: string): number {
  for (let place = path; ; place = dirname(place)) {
    try {
      const { bavail, bsize } = statfsSync(place);
      return bavail * bsize;
    } catch (error) {
      if (!isMissing(error) || place === dirname(place)) throw error;
    }
  }
}

/** Whether an error of the file system says that there is no room, or none for this user. */
export function isNoRoom(error: unknown): boolean {
  const code = codeOf(error);
  return code === "ENOSPC" || code === "EDQUOT";
}

/** What whoever wanted to write there is told. */
export function noRoom(path: string, cause: unknown): SkyError<"disk/full"> {
  const hint = "Make room there and try again";
  return new SkyError("disk/full", { path, free: bytesText(freeBytes(path)), hint }, { cause });
}

function isMissing(error: unknown): boolean {
  const code = codeOf(error);
  return code === "ENOENT" || code === "ENOTDIR";
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
