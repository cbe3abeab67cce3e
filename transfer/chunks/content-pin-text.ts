// A pin's file: the name, the chunks, and a proof, in lines that a person can read and search.
//
//   pin train/workdir/3f…      a record: the pin's name again,
//   9a41… 4096                 what was added by one call,
//   = 77c0…                    and the SHA-256 of the record and of all before it
//
// Adding appends a record. Pins are the truth about what may be thrown away, so a file that does
// not prove itself is read for whatever is legible: to keep a chunk too long costs room, to lose
// a pin costs a job.

import { createHash } from "node:crypto";
import { type ChunkRef, chunkBytesMax, type Digest } from "./chunk.ts";
import { pinFileName } from "./content-layout.ts";
import type { PinName } from "./content-store.ts";

export interface PinText {
  /** `undefined` if no legible name is the one that the file is named after. */
  readonly name: PinName | undefined;
  /** What proves itself, from the beginning. */
  readonly proven: readonly ChunkRef[];
  /** All that can be read. */
  readonly legible: readonly ChunkRef[];
  /** Whether all of it proves itself. */
  readonly whole: boolean;
}

const refPattern = /([0-9a-f]{64}) ([1-9]\d{0,8})/g;

export function pinRecord(name: PinName, chunks: readonly ChunkRef[], proof: string): string {
  const lines = chunks.map(({ digest, bytes }) => `${digest} ${bytes}\n`).join("");
  const body = `pin ${name}\n${lines}`;
  return `${body}= ${proofOf(proof, body)}\n`;
}

/** What a pin's file says, however much of it is damaged. */
export function readPinText(text: string, fileName: string): PinText {
  const legible = new Map<Digest, ChunkRef>();
  const lines = text.split("\n");
  let name: PinName | undefined;
  let provenCount = 0;
  let proof = "";
  let body = "";
  let whole = lines.pop() === "";
  for (const line of lines) {
    if (line.startsWith("= ")) {
      proof = proofOf(proof, body);
      body = "";
      whole &&= line === `= ${proof}`;
      if (whole) provenCount = legible.size;
      continue;
    }
    body += `${line}\n`;
    const said = line.startsWith("pin ") ? line.slice(4) : undefined;
    if (said !== undefined && pinFileName(said) === fileName) name = said;
    else for (const ref of refsIn(line)) keep(legible, ref);
  }
  const refs = [...legible.values()];
  whole &&= body === "" && name !== undefined;
  return { name, proven: refs.slice(0, provenCount), legible: refs, whole };
}

function keep(refs: Map<Digest, ChunkRef>, ref: ChunkRef): void {
  if (!refs.has(ref.digest)) refs.set(ref.digest, ref);
}

/** More than one where the end of a line is damaged. */
function refsIn(line: string): readonly ChunkRef[] {
  return Array.from(line.matchAll(refPattern), ([, digest = "", bytes]) => ({
    digest,
    bytes: Number(bytes),
  })).filter(({ bytes }) => bytes <= chunkBytesMax);
}

function proofOf(before: string, body: string): string {
  return createHash("sha256").update(before).update(body).digest("hex");
}
