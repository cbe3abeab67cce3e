// Looks for a secret in all that a process has: its memory, its heap, its files.
//
// Memory is what the kernel says is present in its writable maps, read while the process is
// stopped, so nothing moves out of sight. Text may stand there in other forms than it came: hex,
// base64 at any alignment, two bytes a character. Halves of the secret are looked for, so that a
// torn copy is found too. What must always hold: whoever was stopped goes on; a search that could
// not look throws.

import { closeSync, openSync, readdirSync, readFileSync, readSync, statSync } from "node:fs";
import { join } from "node:path";

export interface Needle {
  /** What it is, and in which form. */
  readonly name: string;
  readonly bytes: Buffer;
}

export interface Found {
  readonly needle: string;
  readonly where: string;
}

export interface Looked {
  readonly found: readonly Found[];
  readonly bytes: number;
}

const halves = 2;

/** All forms in which a secret is looked for. It is printable, so that every text shows it. */
export function needlesOf(name: string, secret: Buffer): readonly Needle[] {
  const length = secret.length / halves;
  return Array.from({ length: halves }, (_, index) => {
    const part = secret.subarray(index * length, (index + 1) * length);
    return formsOf(`${name}, part ${index + 1}`, part);
  }).flat();
}

function formsOf(name: string, part: Buffer): readonly Needle[] {
  const hex = part.toString("hex");
  const texts = [
    ["hex", hex],
    ["HEX", hex.toUpperCase()],
    ...[0, 1, 2].map((shift) => [`base64+${shift}`, base64At(part, shift)] as const),
  ] as const;
  const plain = { name, bytes: Buffer.from(part) };
  const wide = { name: `${name}, UTF-16`, bytes: Buffer.from(part.toString("latin1"), "utf16le") };
  const coded = texts.map(([form, text]) => ({
    name: `${name}, ${form}`,
    bytes: Buffer.from(text),
  }));
  return [plain, wide, ...coded];
}

/** What of its base64 depends on nothing that stands before or after it. */
function base64At(part: Buffer, shift: number): string {
  const text = Buffer.concat([Buffer.alloc(shift), part]).toString("base64");
  const from = shift === 0 ? 0 : 4;
  const wholeBytes = part.length + shift - ((part.length + shift) % 3);
  return text.slice(from, (wholeBytes / 3) * 4);
}

const pageBytes = 4_096;
const windowBytes = 8 * 1024 * 1024;
/** Longer than any needle: windows overlap by so much. */
const overlapBytes = 256;

/** Searches the memory of a process, which stands still meanwhile. */
export function searchMemory(pid: number, needles: readonly Needle[]): Looked {
  process.kill(pid, "SIGSTOP");
  try {
    const found: Found[] = [];
    let bytes = 0;
    for (const { from, to, name } of presentIn(pid)) {
      const where = `memory of ${pid}, ${from.toString(16)} ${name}`;
      found.push(...searchRange(`/proc/${pid}/mem`, { from, to, where }, needles));
      bytes += to - from;
    }
    if (bytes === 0) throw new Error(`no memory of ${pid} could be read`);
    return { found, bytes };
  } finally {
    process.kill(pid, "SIGCONT");
  }
}

interface Present {
  readonly from: number;
  readonly to: number;
  readonly name: string;
}

/** Runs of pages of writable maps that are in memory. Source: proc(5), maps and pagemap. */
function presentIn(pid: number): readonly Present[] {
  const maps = readFileSync(`/proc/${pid}/maps`, "utf8").trimEnd().split("\n");
  const file = openSync(`/proc/${pid}/pagemap`, "r");
  try {
    return maps.flatMap((line) => {
      const [range = "", mode = "", , , , name = ""] = line.split(/\s+/);
      const [from = 0, to = 0] = range.split("-").map((text) => Number.parseInt(text, 16));
      return mode.startsWith("rw") ? [...runsOf(file, { from, to, name })] : [];
    });
  } finally {
    closeSync(file);
  }
}

const entryBytes = 8;
const entriesAtOnce = 65_536;

function* runsOf(pagemap: number, { from, to, name }: Present): Generator<Present> {
  const buffer = Buffer.alloc(entriesAtOnce * entryBytes);
  let start: number | undefined;
  for (let at = from; at < to; ) {
    const count = Math.min(entriesAtOnce, (to - at) / pageBytes);
    readSync(pagemap, buffer, 0, count * entryBytes, (at / pageBytes) * entryBytes);
    for (let i = 0; i < count; i += 1, at += pageBytes) {
      // Bit 63: present; 62: swapped out, which reading brings back.
      const isThere = (buffer.readUInt8(i * entryBytes + 7) & 0b1100_0000) !== 0;
      if (isThere) start ??= at;
      else if (start !== undefined) {
        yield { from: start, to: at, name };
        start = undefined;
      }
    }
  }
  if (start !== undefined) yield { from: start, to, name };
}

/** Searches every file below a folder, their names too. */
export function searchFiles(folder: string, needles: readonly Needle[]): Looked {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" });
  const looked = names.map((name) => {
    const path = join(folder, name);
    const inName = hitsIn(Buffer.from(name), `the name ${path}`, needles);
    const { found, bytes } = searchFile(path, needles);
    return { found: [...inName, ...found], bytes };
  });
  return {
    found: looked.flatMap(({ found }) => found),
    bytes: looked.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

/** A file may go while it is looked for: then there is nothing in it. */
export function searchFile(path: string, needles: readonly Needle[]): Looked {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (!stats?.isFile()) return { found: [], bytes: 0 };
  const found = searchRange(path, { from: 0, to: stats.size, where: path }, needles);
  return { found, bytes: stats.size };
}

function searchRange(
  path: string,
  { from, to, where }: { readonly from: number; readonly to: number; readonly where: string },
  needles: readonly Needle[],
): readonly Found[] {
  const file = openIfThere(path);
  if (file === undefined) return [];
  try {
    const window = Buffer.alloc(Math.min(windowBytes, to - from));
    const found: Found[] = [];
    for (let at = from; at < to; at += windowBytes - overlapBytes) {
      const count = readSync(file, window, 0, Math.min(window.length, to - at), at);
      found.push(...hitsIn(window.subarray(0, count), where, needles));
    }
    return found;
  } finally {
    closeSync(file);
  }
}

function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return undefined;
  }
}

function hitsIn(bytes: Buffer, where: string, needles: readonly Needle[]): readonly Found[] {
  return needles
    .filter((needle) => bytes.includes(needle.bytes))
    .map((needle) => ({ needle: needle.name, where }));
}
