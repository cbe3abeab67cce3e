// Where an object's chunks lie in its file, and under which names that file waits to be whole.
//
// While an object comes in, its bytes are in a file beside the final name; what of it is safe is in
// a journal beside that. Both begin with a dot and end in what they are, so that listings hide them
// and whoever finds them later knows what they are and whose. A name that would become too long for
// a folder is cut and told apart by a hash.
//
// What must always hold: two names never give the same partial name; none is longer than the
// longest that a folder takes.

import { hash } from "node:crypto";
import { basename, dirname, join } from "node:path";
import { SkyError } from "../../model/errors.ts";
import type { ChunkRef, Manifest } from "./chunk.ts";

/** A chunk and its place in the file of its object. */
export interface PlacedChunk {
  readonly index: number;
  readonly offset: number;
  readonly ref: ChunkRef;
}

/** What of a file is safe, on disk beside it. */
export interface PlaceJournal {
  /** All that was recorded before it was opened, in order. */
  readonly places: readonly PlacedChunk[];
  /** Safe when it resolves. */
  record(places: readonly PlacedChunk[]): Promise<void>;
  close(): Promise<void>;
}

/** What lies beside a final name while its object comes in. */
export interface ObjectNames {
  readonly partial: string;
  readonly journal: string;
}

/** Which transfer an object belongs to. */
export const transferPattern = /^[A-Za-z0-9-]{1,64}$/;

/** In bytes. Source: NAME_MAX of Linux; most other systems have the same or more. */
const nameBytesMax = 255;
const hashDigits = 16;

/** @throws SkyError `request/invalid` if no file can have that path. */
export function objectNames(path: string, transfer: string): ObjectNames {
  if (!transferPattern.test(transfer)) throw invalid("transfer", `${transfer} is no name of one`);
  const name = basename(path);
  if (name === "" || name === "." || name === ".." || path.endsWith("/")) {
    throw invalid("path", `${path} is no name of a file`);
  }
  if (path.includes("\0") || !path.isWellFormed()) {
    throw invalid("path", `${JSON.stringify(path)} cannot be written`);
  }
  if (Buffer.byteLength(name) > nameBytesMax) {
    throw invalid("path", `${name} is longer than ${nameBytesMax} bytes`);
  }
  const beside = (ending: string): string => join(dirname(path), hiddenName(name, ending));
  return {
    partial: beside(`.sky-${transfer}-partial`),
    journal: beside(`.sky-${transfer}-journal`),
  };
}

/** `.<name><ending>`, cut where it must be, with a hash of the name for what is cut off. */
function hiddenName(name: string, ending: string): string {
  const whole = `.${name}${ending}`;
  if (Buffer.byteLength(whole) <= nameBytesMax) return whole;
  const tail = `~${hash("sha256", name, "hex").slice(0, hashDigits)}${ending}`;
  return `.${cutText(name, nameBytesMax - 1 - Buffer.byteLength(tail))}${tail}`;
}

/** The longest beginning that takes at most so many bytes; no character is cut in half. */
function cutText(text: string, bytesMax: number): string {
  let kept = "";
  let bytes = 0;
  for (const character of text) {
    bytes += Buffer.byteLength(character);
    if (bytes > bytesMax) return kept;
    kept += character;
  }
  return kept;
}

/** Every chunk of an object, at its place. */
export function* placesOf(manifest: Manifest): Generator<PlacedChunk> {
  let offset = 0;
  for (const [index, ref] of manifest.chunks.entries()) {
    yield { index, offset, ref };
    offset += ref.bytes;
  }
}

export function isSamePlace(a: PlacedChunk, b: PlacedChunk): boolean {
  return (
    a.index === b.index &&
    a.offset === b.offset &&
    a.ref.digest === b.ref.digest &&
    a.ref.bytes === b.ref.bytes
  );
}

/** Whether these places, each once, fill a file of `bytes` from its first byte to its last. */
export function fill(places: Iterable<PlacedChunk>, bytes: number): boolean {
  let offset = 0;
  let index = 0;
  for (const place of [...places].sort((a, b) => a.index - b.index)) {
    if (place.index !== index || place.offset !== offset) return false;
    offset += place.ref.bytes;
    index += 1;
  }
  return offset === bytes;
}

function invalid(field: string, why: string): SkyError {
  return new SkyError("request/invalid", { field, why });
}
