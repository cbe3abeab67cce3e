// What becomes what: from an object of the source to its name at a destination.
//
// A source is a tree or one object. In a tree each object has a *rest*, its name below the tree's
// root; copying a tree copies what is in it, with and without a `/` at the end of either path:
//
//   cp -r s3://b/foo    gs://c/        foo/x → x          (the root of a bucket)
//   cp -r s3://b/foo/   gs://c/bar     foo/x → bar/x
//   cp -r ./foo         demo:bar       foo/x → bar/x      (as rclone, `aws s3 cp`; not as `cp -r`)
//   cp    s3://b/foo/a  gs://c/        foo/a → a
//   cp    s3://b/foo/a  gs://c/bar/    foo/a → bar/a
//   cp    s3://b/foo/a  gs://c/bar     foo/a → bar        (of files: bar/a if bar is a folder)
//
// What must always hold: two objects of a tree never get the same name; no name of a file system
// leaves its folder. Source: the table of Skyplane 0.3.2, without the `/` that it put before keys.

import { SkyError } from "../../model/errors.ts";

/** Where objects go, at one destination. */
export type Destination = KeysDestination | FilesDestination;

export interface KeysDestination {
  readonly kind: "keys";
  /** As the user wrote it. */
  readonly key: string;
}

export interface FilesDestination {
  readonly kind: "files";
  /** As the user wrote it; a node's may be relative to its HOME. */
  readonly path: string;
  /** Something is there, and it is a folder. */
  readonly isFolder: boolean;
}

/** An object of the source. */
export interface Found {
  /** Below the root of the tree; of a single object its last step. */
  readonly rest: string;
  readonly isSingle: boolean;
  readonly bytes: number;
}

/** What begins all keys of a tree. */
export function treePrefix(key: string): string {
  if (key === "" || key === "/") return "";
  return key.endsWith("/") ? key : `${key}/`;
}

/** The name of a key below the tree that `key` names; `undefined` if it is none of it. */
export function restOf(key: string, found: string): string | undefined {
  const prefix = treePrefix(key);
  return found.startsWith(prefix) ? found.slice(prefix.length) : undefined;
}

/** The last step of a key or a path. A key that ends in `/` is taken whole. */
export function baseName(key: string): string {
  return key.endsWith("/") ? key : key.slice(key.lastIndexOf("/") + 1);
}

/** The folder that all files of a destination are below. A store has none. */
export function folderOf(destination: Destination, isSingle: boolean): string | null {
  if (destination.kind === "keys") return null;
  const { path } = destination;
  if (!isSingle || isFolderPath(destination)) return path === "" ? "." : path;
  const end = path.lastIndexOf("/");
  if (end < 0) return ".";
  return end === 0 ? "/" : path.slice(0, end);
}

/**
 * Its name at a destination: a key, or a path below `folderOf`. `undefined`: it is the root itself,
 * which needs no name.
 * @throws SkyError `objects/refused` for names that no file system has, or that leave the folder.
 */
export function targetOf(destination: Destination, found: Found): string | undefined {
  if (destination.kind === "keys") return keyOf(destination.key, found);
  const { rest, isSingle } = found;
  if (isSingle && !isFolderPath(destination)) return fileName(baseName(destination.path), found);
  return rest === "" ? undefined : fileName(rest, found);
}

function keyOf(key: string, { rest, isSingle }: Found): string | undefined {
  if (key === "" || key === "/") return rest === "" ? undefined : rest;
  if (isSingle) return key.endsWith("/") ? key + rest : key;
  return key.endsWith("/") ? key + rest : `${key}/${rest}`;
}

/** A path that says by itself, or by what is there, that it is a folder. */
function isFolderPath({ path, isFolder }: FilesDestination): boolean {
  return isFolder || /(^|\/)\.{0,2}$/.test(path);
}

/** A marker of a folder keeps its `/`: it becomes that folder, if it has no bytes. */
function fileName(name: string, { rest, bytes }: Found): string {
  const isMarker = name.endsWith("/");
  const steps = (isMarker ? name.slice(0, -1) : name).split("/");
  const wrong = steps.find((step) => step === "" || step === "." || step === "..");
  if (wrong !== undefined) throw refused(rest, wrongStep(wrong));
  if (name.includes("\0")) throw refused(rest, "no file's name has a zero byte in it");
  if (isMarker && bytes > 0) throw refused(rest, "it is a folder's name, and it has content");
  const long = steps.find((step) => Buffer.byteLength(step) > nameBytesMax);
  if (long !== undefined)
    throw refused(rest, `${nameBytesMax} bytes is the most for a file's name`);
  return name;
}

/** Source: NAME_MAX of Linux's limits.h. */
const nameBytesMax = 255;

function wrongStep(step: string): string {
  if (step === "") return "it has an empty step, which no path of a file has";
  return `it has a step \`${step}\`, and would leave its folder`;
}

function refused(object: string, why: string): SkyError {
  return new SkyError("objects/refused", { object, why });
}
