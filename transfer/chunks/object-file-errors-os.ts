// What goes wrong with an object's file, in words: each names the file and what to do.

import { basename, dirname } from "node:path";
import { errorText, isSkyError, SkyError } from "../../model/errors.ts";
import { freeBytes, isNoRoom } from "../../runtime/room-os.ts";
import { bytesText } from "../../runtime/store-room.ts";
import type { ObjectNames, PlacedChunk } from "./object-place.ts";

export function demandRoom({ partial }: ObjectNames, moreBytes: number): void {
  if (moreBytes > 0 && freeBytes(partial) < moreBytes) throw noRoomFor(partial, undefined);
}

function noRoomFor(partial: string, cause: unknown): SkyError<"disk/full"> {
  const hint = `Make room to go on; to give up what has come, remove ${partial}`;
  const free = bytesText(freeBytes(dirname(partial)));
  return new SkyError("disk/full", { path: dirname(partial), free, hint }, { cause });
}

export function invalid(why: string): SkyError<"request/invalid"> {
  return new SkyError("request/invalid", { field: "path", why });
}

export function missingAt({ index, ref }: PlacedChunk, path: string): SkyError<"chunk/missing"> {
  return new SkyError("chunk/missing", { digest: ref.digest, where: `${path}, chunk ${index}` });
}

export function damagedAt(
  { index, offset, ref }: PlacedChunk,
  where: string,
): SkyError<"chunk/damaged"> {
  const why = `chunk ${index}, from byte ${offset}, changed on this disk after it was written`;
  return new SkyError("chunk/damaged", { digest: ref.digest, where, why });
}

export async function named<T>({ partial }: ObjectNames, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isSkyError(error)) throw error;
    if (isNoRoom(error)) throw noRoomFor(partial, error);
    const params = { what: `write ${basename(partial)}`, why: errorText(error) };
    throw new SkyError("process/failed", params, { cause: error });
  }
}
