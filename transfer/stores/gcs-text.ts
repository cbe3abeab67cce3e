// How Google Cloud Storage writes down what we compute with: paths, resources, headers.
//
// A key is one segment of a path, encoded: so `a/../b` stays what it is. What a transfer carries
// beside bytes is a resource in the JSON API and headers in the XML API; headers take only what is
// plain there (`fitsHeaders`), the rest is patched onto the object afterwards.
// Source: cloud.google.com/storage/docs/json_api/v1/objects, …/xml-api/post-object-multipart.

import { createHash } from "node:crypto";
import { assert, SkyError } from "../../model/errors.ts";
import { demandKey, storeLimits } from "./limits.ts";
import type { ListedObject, ObjectAttributes, StoredObject } from "./object-store.ts";

/** An object of the JSON API, what we ask of it. */
export interface GcsObject {
  readonly name: string;
  readonly size: string;
  readonly updated: string;
  readonly generation: string;
  readonly timeCreated?: string;
  readonly contentType?: string;
  readonly cacheControl?: string;
  readonly contentEncoding?: string;
  readonly contentDisposition?: string;
  readonly contentLanguage?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  /** In base64. Absent of an object in parts. */
  readonly md5Hash?: string;
  readonly crc32c?: string;
}

const listedFields = "name,size,updated,generation";
export const listFields = `items(${listedFields}),prefixes,nextPageToken`;
export const objectFields = [
  ...[listedFields, "timeCreated", "contentType", "cacheControl", "contentEncoding"],
  ...["contentDisposition", "contentLanguage", "metadata", "md5Hash", "crc32c"],
].join(",");

const plainNames = [
  ...(["contentType", "cacheControl", "contentEncoding"] as const),
  ...(["contentDisposition", "contentLanguage"] as const),
] as const;

/** Unlike `encodeURIComponent` alone, of what no URL leaves as it is either. */
export function encodedKey(key: string): string {
  return encodeURIComponent(key).replace(/[!'()*]/g, (letter) => {
    return `%${letter.charCodeAt(0).toString(16).toUpperCase()}`;
  });
}

export function queryOf(values: Readonly<Record<string, string | undefined>>): string {
  const pairs = Object.entries(values).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${encodedKey(value)}`],
  );
  return pairs.length === 0 ? "" : `?${pairs.join("&")}`;
}

/** @throws SkyError `objects/refused` for a key that the store does not take. */
export function demandName(key: string): void {
  demandKey(key, storeLimits.gs);
  const why = nameFault(key);
  if (why !== undefined) throw new SkyError("objects/refused", { object: key, why });
}

/** Source: cloud.google.com/storage/docs/objects, "Object naming". */
function nameFault(key: string): string | undefined {
  if (key === "." || key === "..") return "Cloud Storage has no object of that name";
  if (/[\r\n]/.test(key)) return "Cloud Storage takes no line ends in names";
  if (key.startsWith(".well-known/acme-challenge/")) return "Cloud Storage keeps that name";
  return undefined;
}

export function listedOf({ name, size, updated, generation }: GcsObject): ListedObject {
  const listed = {
    ...{ key: name, bytes: Number(size), version: generation },
    modifiedMs: Date.parse(updated),
  };
  assert(Number.isSafeInteger(listed.bytes) && listed.version !== "", `a listing without ${name}`);
  return listed;
}

export function storedOf(object: GcsObject): StoredObject {
  const { md5Hash, crc32c } = object;
  const md5 = md5Hash === undefined ? undefined : hexOf(md5Hash);
  const crc = crc32c === undefined ? undefined : hexOf(crc32c);
  return {
    ...listedOf(object),
    attributes: attributesOf(object),
    ...(md5 !== undefined
      ? { checksum: { algorithm: "md5", value: md5 } }
      : crc === undefined
        ? {}
        : { checksum: { algorithm: "crc32c", value: crc } }),
  };
}

function attributesOf(object: GcsObject): ObjectAttributes {
  const given = Object.entries(object.metadata ?? {});
  const plain = plainNames.flatMap((name) => {
    const value = object[name];
    return value === undefined || value === "" ? [] : [[name, value] as const];
  });
  const metadata = Object.fromEntries(given.map(([key, value]) => [key.toLowerCase(), value]));
  return { ...Object.fromEntries(plain), ...(given.length === 0 ? {} : { metadata }) };
}

/** As a resource of the JSON API. */
export function resourceOf(attributes: ObjectAttributes): Readonly<Record<string, unknown>> {
  const { metadata } = attributes;
  const plain = plainNames.flatMap((name) => {
    const value = attributes[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return { ...Object.fromEntries(plain), ...(metadata === undefined ? {} : { metadata }) };
}

/** Whether headers say all of it as it is. */
export function fitsHeaders(attributes: ObjectAttributes): boolean {
  const texts = plainNames.map((name) => attributes[name] ?? "");
  const metadata = Object.entries(attributes.metadata ?? {});
  const isToken = metadata.every(([key]) => /^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(key));
  return isToken && [...texts, ...metadata.map(([, value]) => value)].every(isHeaderText);
}

/** Blanks at its ends would be lost. */
function isHeaderText(text: string): boolean {
  return /^[ -~]*$/.test(text) && text.trim() === text;
}

/** As headers of the XML API; of what does not fit, only the content type. */
export function headersOf(attributes: ObjectAttributes): Readonly<Record<string, string>> {
  const { contentType } = attributes;
  if (!fitsHeaders(attributes)) {
    return contentType === undefined || !isHeaderText(contentType)
      ? {}
      : { "content-type": contentType };
  }
  const plain = plainNames.flatMap((name) => {
    const value = attributes[name];
    const header = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    return value === undefined ? [] : [[header, value] as const];
  });
  const metadata = Object.entries(attributes.metadata ?? {});
  const custom = metadata.map(([key, value]) => [`x-goog-meta-${key}`, value] as const);
  return Object.fromEntries([...plain, ...custom]);
}

/** `crc32c=…,md5=…`, in base64: what is said of the whole object as it is kept. */
export function hashesIn(header: string | undefined): Readonly<Record<string, string>> {
  const pairs = (header ?? "").split(",").flatMap((pair) => {
    const at = pair.indexOf("=");
    return at < 0 ? [] : [[pair.slice(0, at).trim(), pair.slice(at + 1).trim()] as const];
  });
  return Object.fromEntries(pairs);
}

export function md5Of(bytes: Uint8Array): string {
  return createHash("md5").update(bytes).digest("base64");
}

function hexOf(base64: string): string {
  return Buffer.from(base64, "base64").toString("hex");
}
