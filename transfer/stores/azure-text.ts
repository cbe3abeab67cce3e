// How Azure Blob Storage writes down what we compute with: names, metadata, blocks.
//
// Names of metadata are identifiers there, and values are headers, so `skylet-mode` and `Zoë` are
// written otherwise and read back as what they were. The id of a block has the upload's nonce and
// its number and nothing of the key: all have one length, whatever the key is, and no two are one.
//
// Source: learn.microsoft.com/rest/api/storageservices, "Naming and referencing containers, blobs,
// and metadata", "Setting and retrieving properties and metadata", "Put Block".

import { SkyError } from "../../model/errors.ts";
import { demandKey, storeLimits } from "./limits.ts";
import type { ObjectAttributes } from "./object-store.ts";
import { headerText, textOfHeader } from "./s3-text.ts";

/** @throws SkyError `objects/refused` for a key that the store refuses, or takes for another. */
export function demandName(key: string): void {
  demandKey(key, storeLimits.azure);
  const why = nameFault(key);
  if (why !== undefined) throw new SkyError("objects/refused", { object: key, why });
}

const keyCharsMax = 1_024;

function nameFault(key: string): string | undefined {
  if (key.length > keyCharsMax) return `its name has more than ${keyCharsMax} characters`;
  // The store takes it for a slash. Source: tests of its own SDK, `blobclient.spec.ts`.
  if (key.includes("\\")) return "Azure makes a slash of every backslash";
  const dots = key.split("/").some((name) => name.endsWith("."));
  if (dots) return "Azure takes no names between slashes that end in a dot";
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are meant.
  return /[\0-\x1f\x7f\ufffe\uffff]/.test(key) ? "Azure takes no control characters" : undefined;
}

const identifier = /^[a-z_][a-z0-9_]*$/;
const escapedByte = /__([0-9a-f]{2})__/g;

/** A name of metadata as an identifier; one that looks like an escaped one is escaped, too. */
export function metadataName(name: string): string {
  if (identifier.test(name) && name.search(escapedByte) < 0) return name;
  return [...Buffer.from(name)]
    .map((byte, index) => {
      const letter = String.fromCharCode(byte);
      const isPlain = index === 0 ? /[a-z]/.test(letter) : /[a-z0-9]/.test(letter);
      return isPlain ? letter : `__${byte.toString(16).padStart(2, "0")}__`;
    })
    .join("");
}

export function nameOfMetadata(written: string): string {
  const bytes: number[] = [];
  let from = 0;
  for (const match of written.matchAll(escapedByte)) {
    bytes.push(...Buffer.from(written.slice(from, match.index)));
    bytes.push(Number.parseInt(match[1] ?? "", 16));
    from = match.index + match[0].length;
  }
  bytes.push(...Buffer.from(written.slice(from)));
  return Buffer.from(bytes).toString();
}

/** A header without a value would not arrive. Source of the form: RFC 2047. */
const nothing = "=?UTF-8?B??=";

export function metadataIn(metadata: Readonly<Record<string, string>>): Record<string, string> {
  const all = Object.entries(metadata).map(([name, value]) => {
    return [metadataName(name), value === "" ? nothing : headerText(value)] as const;
  });
  return Object.fromEntries(all);
}

export function metadataOf(written: Readonly<Record<string, string>>): Record<string, string> {
  const all = Object.entries(written).map(([name, value]) => {
    return [nameOfMetadata(name.toLowerCase()), textOfHeader(value)] as const;
  });
  return Object.fromEntries(all);
}

/** What of an object is said when it is written. */
export interface AzureDescription {
  readonly blobHTTPHeaders: Readonly<Record<string, string>>;
  readonly metadata?: Record<string, string>;
}

/** @throws SkyError `objects/refused` for what no header can say, or too much of it. */
export function described(object: string, attributes: ObjectAttributes): AzureDescription {
  const { contentType, cacheControl, contentEncoding, contentDisposition } = attributes;
  const plain = {
    ...{ blobContentType: contentType, blobCacheControl: cacheControl },
    ...{ blobContentEncoding: contentEncoding, blobContentDisposition: contentDisposition },
    blobContentLanguage: attributes.contentLanguage,
  };
  const given = Object.entries(plain).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const],
  );
  const odd = given.find(([, value]) => !/^[ -~]*$/.test(value));
  const metadata = metadataIn(attributes.metadata ?? {});
  const bytes = Object.entries(metadata).reduce((sum, pair) => sum + pair.join("").length, 0);
  const { metadataBytesMax } = storeLimits.azure;
  const why =
    odd !== undefined
      ? `Azure takes plain ASCII only in ${odd[0].replace("blob", "")}`
      : bytes > metadataBytesMax
        ? `${bytes} bytes of metadata, at most ${metadataBytesMax} are taken`
        : undefined;
  if (why !== undefined) throw new SkyError("objects/refused", { object, why });
  const blobHTTPHeaders = Object.fromEntries(given);
  return { blobHTTPHeaders, ...(bytes === 0 ? {} : { metadata }) };
}

/** Of an upload: 16 hexadecimal digits. */
export type Nonce = string;

const numberDigits = 5;

export function blockId(nonce: Nonce, number: number): string {
  return Buffer.from(`${nonce}-${String(number).padStart(numberDigits, "0")}`).toString("base64");
}

/** The number of a block of that upload; `undefined` for one of another's. */
export function blockNumber(nonce: Nonce, id: string): number | undefined {
  const text = Buffer.from(id, "base64").toString("latin1");
  const [, digits] = new RegExp(`^${nonce}-(\\d{${numberDigits}})$`).exec(text) ?? [];
  return digits === undefined ? undefined : Number(digits);
}
