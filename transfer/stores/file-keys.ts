// Which keys are paths below a folder, and which names in a folder are none of a user's. Pure.
//
// A key is any text; a path is not. What has no path of its own is refused and named: a key that
// leads out (`../x`), an absolute one, one whose path would be that of another key too (`a//b`,
// `a/./b`), one that no file system can write. A key that ends in `/` names a folder.

import { SkyError } from "../../model/errors.ts";

/** In bytes. Source: NAME_MAX of Linux; most other systems have the same or more. */
const nameBytesMax = 255;
/** In bytes. Source: PATH_MAX of Linux, with the NUL at its end. */
const pathBytesMax = 4_095;

/** `root/key`. @throws SkyError `objects/refused` that says why there is no such file. */
export function pathWithin(root: string, key: string): string {
  const why = keyFault(key);
  if (why !== undefined) throw new SkyError("objects/refused", { object: shown(key), why });
  const path = root.endsWith("/") ? `${root}${key}` : `${root}/${key}`;
  if (Buffer.byteLength(path) <= pathBytesMax) return path;
  const long = `its path would be longer than ${pathBytesMax} bytes`;
  throw new SkyError("objects/refused", { object: shown(key), why: long });
}

/** Why no file below a folder can have that key; `undefined` if one can. */
export function keyFault(key: string): string | undefined {
  if (key === "") return "an empty key names no file";
  if (key.startsWith("/")) return "an absolute path leads out of the folder";
  if (key.includes("\0")) return "no file has a NUL in its name";
  if (!key.isWellFormed()) return "it is no valid Unicode, and no file can be called so";
  const names = (key.endsWith("/") ? key.slice(0, -1) : key).split("/");
  return names.map(nameFault).find((fault) => fault !== undefined);
}

function nameFault(name: string): string | undefined {
  if (name === "..") return "`..` leads out of the folder";
  if (name === ".") return "`.` in a path is the same file as without it";
  if (name === "") return "`//` in a path is the same file as `/`";
  if (Buffer.byteLength(name) <= nameBytesMax) return undefined;
  return `a name in it is longer than ${nameBytesMax} bytes`;
}

/** What objects that come in leave beside their final names until they are whole. */
const unfinished = /^\.(.*\.sky-[A-Za-z0-9-]{1,64}-(partial|journal)|sky-tmp-.*)$/s;

/** Whether a name in a folder is ours, and no object. */
export function isUnfinishedName(name: string): boolean {
  return unfinished.test(name);
}

function shown(key: string): string {
  return JSON.stringify(key);
}
