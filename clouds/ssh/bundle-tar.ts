// Writes POSIX ustar: headers and padding for plain files, the same bytes for the same content.
//
// Everything that could differ from one build to the next is fixed: owner, time, order (the
// caller's). Whatever unpacks tar on a host, busybox too, reads this.
// Source: POSIX.1-2017, pax, "ustar Interchange Format".

import { assert } from "../../model/errors.ts";

const blockBytes = 512;
const nameBytesMax = 100;
/** 2020-01-01, in seconds: not so old that tar would warn of it. */
const modifiedAt = 1_577_836_800;

export interface TarFile {
  readonly name: string;
  readonly mode: number;
  readonly bytes: number;
}

/** What stands before a file's content. */
export function tarHeader({ name, mode, bytes }: TarFile): Uint8Array {
  assert(Buffer.byteLength(name) <= nameBytesMax, `${name} is too long a name for an archive`);
  const header = Buffer.alloc(blockBytes);
  header.write(name, 0);
  header.write(octal(mode, 7), 100);
  header.write(octal(0, 7), 108);
  header.write(octal(0, 7), 116);
  header.write(octal(bytes, 11), 124);
  header.write(octal(modifiedAt, 11), 136);
  header.write("        ", 148);
  header.write("0", 156);
  header.write("ustar\u000000", 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${octal(sum, 6)}\u0000 `, 148);
  return header;
}

/** What stands after it, up to the next whole block. */
export function tarPadding(bytes: number): Uint8Array {
  return Buffer.alloc((blockBytes - (bytes % blockBytes)) % blockBytes);
}

/** The end of the archive. */
export const tarEnd: Uint8Array = Buffer.alloc(2 * blockBytes);

function octal(value: number, digits: number): string {
  const text = value.toString(8).padStart(digits, "0");
  assert(text.length === digits, `${value} does not fit into an archive's header`);
  return text;
}
