// A journal of places in plain lines, for tests of the file that it is kept for. A line that is not
// whole ends it: what comes after is not read, and written over.

import { open, readFile } from "node:fs/promises";
import { crc32 } from "node:zlib";
import type { PlacedChunk, PlaceJournal } from "../../transfer/chunks/object-place.ts";

export async function openLineJournal(path: string): Promise<PlaceJournal> {
  const places: PlacedChunk[] = [];
  let bytes = 0;
  const text = await readFile(path, "latin1").catch(() => "");
  for (const line of text.split("\n").slice(0, -1)) {
    const place = parse(line);
    if (place === undefined) break;
    places.push(place);
    bytes += line.length + 1;
  }
  const file = await open(path, "a");
  await file.truncate(bytes);
  return {
    places,
    record: async (more) => {
      await file.appendFile(more.map(lineOf).join(""));
      await file.datasync();
    },
    close: () => file.close(),
  };
}

function lineOf({ index, offset, ref }: PlacedChunk): string {
  const body = `${index} ${offset} ${ref.bytes} ${ref.digest}`;
  return `${body} ${crc32(body)}\n`;
}

function parse(line: string): PlacedChunk | undefined {
  const [index, offset, bytes, digest = "", crc] = line.split(" ");
  if (crc !== String(crc32(line.slice(0, line.lastIndexOf(" "))))) return undefined;
  const ref = { digest, bytes: Number(bytes) };
  return { index: Number(index), offset: Number(offset), ref };
}
