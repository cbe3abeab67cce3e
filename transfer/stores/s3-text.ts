// How S3 writes down what we compute with: ETags, names in listings, metadata in headers.
//
// What must hold: what is written here is read back as the same. An ETag is taken for an MD5 only
// where it can be one: 32 hexadecimal digits, and nothing says that the object is encrypted with a
// key of somebody's.

import { createHash } from "node:crypto";

/** An ETag without its quotes: as listings, heads and puts agree on it. */
export function bareTag(tag: string | undefined): string {
  return (tag ?? "").replace(/^W\//, "").replace(/^"(.*)"$/s, "$1");
}

export const isMd5 = (tag: string): boolean => /^[0-9a-f]{32}$/.test(tag);

export const isComposite = (tag: string): boolean => /^[0-9a-f]{32}-\d+$/.test(tag);

export function md5Hex(bytes: Uint8Array): string {
  return createHash("md5").update(bytes).digest("hex");
}

/**
 * The ETag of an object in parts whose MD5s these are, in order.
 * Source: docs.aws.amazon.com, "Checking object integrity", "Using part-level checksums".
 */
export function compositeTag(md5s: readonly string[]): string {
  const all = createHash("md5");
  for (const md5 of md5s) all.update(Buffer.from(md5, "hex"));
  return `${all.digest("hex")}-${md5s.length}`;
}

/** Names in a listing with `encoding-type=url`: a plus is a blank. */
export function decodedName(name: string): string {
  return decodeURIComponent(name.replaceAll("+", "%20"));
}

/** Whether XML 1.0 can have it in a text, even escaped. Source: w3.org/TR/xml, "Characters". */
export function fitsXml(name: string): boolean {
  for (const letter of name) {
    const point = letter.codePointAt(0) ?? 0;
    const isBlank = point === 0x9 || point === 0xa || point === 0xd;
    if ((point < 0x20 && !isBlank) || point === 0xfffe || point === 0xffff) return false;
  }
  return true;
}

/**
 * A value of user metadata for a header: anything but plain ASCII is put as RFC 2047 says, which is
 * what S3 itself does when it gives it back.
 */
export function headerText(value: string): string {
  const isPlain = /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(value) && !value.includes("=?");
  if (isPlain || value === "") return value;
  return `=?UTF-8?B?${Buffer.from(value, "utf8").toString("base64")}?=`;
}

export function textOfHeader(header: string): string {
  const joined = header.replace(/\?=\s+=\?/g, "?==?");
  return joined.replace(/=\?utf-8\?([bq])\?([^?]*)\?=/gi, (_, kind: string, text: string) =>
    kind.toLowerCase() === "b"
      ? Buffer.from(text, "base64").toString("utf8")
      : Buffer.from(unquoted(text), "latin1").toString("utf8"),
  );
}

function unquoted(text: string): string {
  return text
    .replaceAll("_", " ")
    .replace(/=([0-9A-F]{2})/gi, (_, digits: string) =>
      String.fromCharCode(Number.parseInt(digits, 16)),
    );
}
