// What was laid out at a place, part by part, and how each file looked then: so that what nobody
// changed can be taken away again where the place is in somebody's own home.
//
// A list holds everything that any tree laid out there, also what a later one no longer has. A file
// is known by what cannot be set by anybody: its number and its time of change. What is not on a
// list, or looks different, is somebody's work.

import type { BigIntStats } from "node:fs";
import { lstat, readFile, readlink, rename, writeFile } from "node:fs/promises";
import type { PartLaid } from "../transfer/tree/unpack-os.ts";

export interface LaidList {
  /** Absolute. */
  readonly path: string;
  /** Folders above it that were made for it, the outermost first. */
  readonly made: readonly string[];
  /** By their paths in the place, as bytes that are read as latin1; "" = itself. */
  readonly parts: ReadonlyMap<string, LaidPart>;
}

export type LaidPart =
  /** A folder that was not there before. */
  | { readonly kind: "folder" }
  | { readonly kind: "link"; readonly target: string }
  | { readonly kind: "file"; readonly look: string };

interface Place {
  readonly path: string;
  readonly made?: readonly string[];
}

const atOnce = 64;

/** Adds what was just laid out. */
export async function keepList(
  file: string,
  { path, made = [] }: Place,
  laid: readonly PartLaid[],
): Promise<void> {
  const known = await readList(file);
  const parts = new Map(known?.parts ?? []);
  for (let from = 0; from < laid.length; from += atOnce) {
    const some = laid.slice(from, from + atOnce);
    const found = await Promise.all(some.map((entry) => partOf(path, entry)));
    for (const [at, entry] of some.entries()) {
      const part = found[at];
      if (part !== undefined) parts.set(nameOf(entry), part);
    }
  }
  await writeList(file, { path, made: [...new Set([...(known?.made ?? []), ...made])], parts });
}

/** Of a place that another had, too: what is on the list already is known better there. */
export async function addToList(file: string, { path, made, parts }: LaidList): Promise<void> {
  const known = await readList(file);
  await writeList(file, {
    path,
    made: [...new Set([...made, ...(known?.made ?? [])])],
    parts: new Map([...parts, ...(known?.parts ?? [])]),
  });
}

async function writeList(file: string, { path, made, parts }: LaidList): Promise<void> {
  const lines = [{ path, made }, ...parts].map((line) => JSON.stringify(line));
  await writeFile(`${file}.next`, `${lines.join("\n")}\n`, { mode: 0o600 });
  await rename(`${file}.next`, file);
}

/** `undefined` if there is none, or it is not whole. */
export async function readList(file: string): Promise<LaidList | undefined> {
  const text = await readFile(file, "utf8").catch(orNothing);
  if (text === undefined) return undefined;
  try {
    const [head, ...rest] = text
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line));
    return { path: head.path, made: head.made, parts: new Map<string, LaidPart>(rest) };
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return undefined;
    throw error;
  }
}

/** Changes with everything that anybody may do to a file. */
export function lookOf({ dev, ino, ctimeNs, size }: BigIntStats): string {
  return [dev, ino, ctimeNs, size].join(" ");
}

/** Where a part is, as bytes: names need not be texts. */
export function pathIn(place: string, part: string): Buffer {
  const above = Buffer.from(place);
  return part === "" ? above : Buffer.concat([above, slash, Buffer.from(part, "latin1")]);
}

const slash = Buffer.from("/");

function nameOf({ path }: PartLaid): string {
  return Buffer.from(path).toString("latin1");
}

async function partOf(place: string, laid: PartLaid): Promise<LaidPart | undefined> {
  const { kind } = laid;
  const path = pathIn(place, nameOf(laid));
  if (kind === "folder") return { kind };
  if (kind === "link") {
    const target = await readlink(path, { encoding: "latin1" }).catch(orNothing);
    return target === undefined ? undefined : { kind, target };
  }
  const found = await lstat(path, { bigint: true }).catch(orNothing);
  return found?.isFile() === true ? { kind, look: lookOf(found) } : undefined;
}

function orNothing(error: NodeJS.ErrnoException): undefined {
  if (error.code === "ENOENT" || error.code === "EINVAL") return undefined;
  throw error;
}
