// The pins' files: the truth about which chunks are needed.
//
// A pin is durable when its file is flushed, before its copy in the index is committed. A new file
// is written aside and renamed; what is added later is appended, and cut off again if that fails.
// Every function is called under the store's lock and is synchronous.

import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { SkyError } from "../../model/errors.ts";
import { type ChunkRef, digestPattern } from "./chunk.ts";
import { type ContentLayout, pinFileName } from "./content-layout.ts";
import { type PinText, pinRecord, readPinText } from "./content-pin-text.ts";
import { isCode, setAside, syncFolder } from "./content-shelves-os.ts";
import type { PinName } from "./content-store.ts";

/** A file of 128 MiB says 1.8 million chunks. What is larger is no pin, and none grows so far. */
const pinFileBytesMax = 134_217_728;

/** `= `, the proof and the end of the line. */
const proofBytes = 67;

/** Adds to a pin, or makes it. On disk when it returns. */
export function addToPin(layout: ContentLayout, name: PinName, chunks: readonly ChunkRef[]): void {
  const fileName = pinFileName(name);
  if (appendToPin(join(layout.pins, fileName), name, chunks)) return;
  // It is new, or its end does not prove itself: all that is legible of it, once more.
  const legible = readPin(layout, fileName)?.legible ?? [];
  writePin(layout, name, [...legible, ...chunks]);
}

/** False if there is nothing to append to. */
function appendToPin(path: string, name: PinName, chunks: readonly ChunkRef[]): boolean {
  const file = openOwn(path);
  if (file === undefined) return false;
  try {
    const { size } = fstatSync(file);
    const proof = lastProof(file, size);
    if (proof === undefined) return false;
    const record = pinRecord(name, chunks, proof);
    if (size + record.length > pinFileBytesMax) throw tooLarge(name);
    append(file, size, record);
    return true;
  } finally {
    closeSync(file);
  }
}

/** Writes a pin's file anew. On disk when it returns. */
export function writePin(layout: ContentLayout, name: PinName, chunks: readonly ChunkRef[]): void {
  const path = join(layout.pins, pinFileName(name));
  const aside = `${path}.new`;
  rmSync(aside, { force: true, recursive: true });
  const file = openSync(aside, "ax", 0o600);
  try {
    writeAll(file, Buffer.from(pinRecord(name, chunks, "")));
    fsyncSync(file);
  } catch (error) {
    rmSync(aside, { force: true });
    throw error;
  } finally {
    closeSync(file);
  }
  renameSync(aside, path);
  syncFolder(layout.pins);
}

export function removePin(layout: ContentLayout, name: PinName): void {
  rmSync(join(layout.pins, pinFileName(name)), { force: true, recursive: true });
  syncFolder(layout.pins);
}

/** All files of pins. What is no such file is moved away, and told. */
export function pinFileNames(
  layout: ContentLayout,
  hear: (path: string) => void,
): readonly string[] {
  return readdirSync(layout.pins, { withFileTypes: true }).flatMap((entry) => {
    const path = join(layout.pins, entry.name);
    const isPin = digestPattern.test(entry.name) && entry.isFile();
    if (isPin && lstatSync(path).size <= pinFileBytesMax) return [entry.name];
    // What was being written when its writer died was never acknowledged.
    if (entry.name.endsWith(".new") && entry.isFile()) rmSync(path);
    else {
      hear(path);
      setAside(layout, path);
    }
    return [];
  });
}

/** `undefined` if there is no such pin any more. */
export function readPin(layout: ContentLayout, fileName: string): PinText | undefined {
  try {
    return readPinText(readFileSync(join(layout.pins, fileName), "latin1"), fileName);
  } catch (error) {
    if (isCode(error, "ENOENT")) return undefined;
    throw error;
  }
}

function tooLarge(name: PinName): SkyError<"request/invalid"> {
  const why = `${name} would need more chunks than a pin can`;
  return new SkyError("request/invalid", { field: "pin", why });
}

function append(file: number, size: number, record: string): void {
  try {
    writeAll(file, Buffer.from(record));
    fsyncSync(file);
  } catch (error) {
    ftruncateSync(file, size);
    throw error;
  }
}

function lastProof(file: number, size: number): string | undefined {
  if (size < proofBytes) return undefined;
  const end = Buffer.alloc(proofBytes);
  readSync(file, end, 0, proofBytes, size - proofBytes);
  return /^= ([0-9a-f]{64})\n$/.exec(end.toString("latin1"))?.[1];
}

/** A plain file, never through a link. `undefined` if there is none of that name. */
function openOwn(path: string): number | undefined {
  try {
    return openSync(path, constants.O_RDWR | constants.O_APPEND | constants.O_NOFOLLOW);
  } catch (error) {
    if (isCode(error, "ENOENT")) return undefined;
    if (!isCode(error, "ELOOP", "EISDIR")) throw error;
    rmSync(path, { recursive: true, force: true });
    return undefined;
  }
}

function writeAll(file: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
}
