// What a file system knows of a file and a store does not, and the other way round. Pure.
//
// A file that becomes an object takes its mode and the time of its last change along as user
// metadata, and has a content type by its ending; an object that becomes a file gives them back.
// What somebody else wrote under these names, and is no mode or time, is no mode or time: the file
// is made as usual.
//
// What must always hold: a time comes back to the microsecond; a mode has permission bits only, so
// nothing becomes setuid by way of a store.

import { contentTypeOf } from "./content-types.ts";
import type { ObjectAttributes } from "./object-store.ts";

export const modeKey = "skylet-mode";
export const mtimeKey = "skylet-mtime";

const permissionBits = 0o777;
/** The year 9999; also what a double holds to the microsecond. */
const secondsMax = 253_402_300_799;

/** What of a file is kept beside its bytes. */
export interface FileFacts {
  readonly mode?: number;
  /** To the microsecond: with a fraction. */
  readonly mtimeMs?: number;
}

/** What its object gets. */
export function attributesOfFile({
  name,
  mode,
  mtimeMs,
}: FileFacts & { readonly name: string }): ObjectAttributes {
  const metadata = {
    ...(mode === undefined ? {} : { [modeKey]: modeText(mode) }),
    ...(mtimeMs === undefined ? {} : { [mtimeKey]: secondsText(mtimeMs) }),
  };
  return { contentType: contentTypeOf(name), metadata };
}

/** What the file of such an object gets. */
export function fileFactsOf({ metadata = {} }: ObjectAttributes): FileFacts {
  const mode = modeIn(metadata[modeKey]);
  const mtimeMs = msIn(metadata[mtimeKey]);
  return {
    ...(mode === undefined ? {} : { mode }),
    ...(mtimeMs === undefined ? {} : { mtimeMs }),
  };
}

function modeText(mode: number): string {
  return (mode & permissionBits).toString(8).padStart(4, "0");
}

function modeIn(text: string | undefined): number | undefined {
  if (text === undefined || !/^0?[0-7]{3}$/.test(text)) return undefined;
  return Number.parseInt(text, 8);
}

/** Seconds since the epoch with six digits after the point, as `stat` and rclone write them. */
function secondsText(ms: number): string {
  const us = BigInt(Math.round(ms * 1_000));
  const digits = (us < 0n ? -us : us).toString().padStart(7, "0");
  return `${us < 0n ? "-" : ""}${digits.slice(0, -6)}.${digits.slice(-6)}`;
}

function msIn(text: string | undefined): number | undefined {
  const [, sign, whole, part = ""] = /^(-?)(\d{1,12})(?:\.(\d{1,9}))?$/.exec(text ?? "") ?? [];
  if (whole === undefined || Number(whole) > secondsMax) return undefined;
  const us = Number(whole) * 1_000_000 + Number(part.padEnd(6, "0").slice(0, 6));
  return (sign === "-" ? -us : us) / 1_000;
}
