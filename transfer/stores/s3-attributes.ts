// What of an object goes in headers of S3: its type, its metadata; there and back.

import type { ObjectAttributes } from "./object-store.ts";
import { headerText, textOfHeader } from "./s3-text.ts";

export interface S3Attributes {
  readonly ContentType?: string | undefined;
  readonly CacheControl?: string | undefined;
  readonly ContentEncoding?: string | undefined;
  readonly ContentDisposition?: string | undefined;
  readonly ContentLanguage?: string | undefined;
  readonly Metadata?: Record<string, string> | undefined;
}

export function s3Attributes(given: ObjectAttributes): S3Attributes {
  const { contentType, cacheControl, contentEncoding, contentDisposition, contentLanguage } = given;
  const metadata = Object.entries(given.metadata ?? {});
  return present({
    ...{ ContentType: contentType, CacheControl: cacheControl, ContentEncoding: contentEncoding },
    ...{ ContentDisposition: contentDisposition, ContentLanguage: contentLanguage },
    Metadata:
      metadata.length === 0
        ? undefined
        : Object.fromEntries(metadata.map(([name, value]) => [name, headerText(value)])),
  });
}

export function attributesOf(found: S3Attributes): ObjectAttributes {
  const metadata = Object.entries(found.Metadata ?? {});
  // Some stores keep how the upload was coded.
  const encoding = found.ContentEncoding?.replace(/(^|,\s*)aws-chunked(,\s*)?/, "");
  return present({
    ...{ contentType: found.ContentType, cacheControl: found.CacheControl },
    ...{ contentEncoding: encoding === "" ? undefined : encoding },
    ...{ contentDisposition: found.ContentDisposition, contentLanguage: found.ContentLanguage },
    metadata:
      metadata.length === 0
        ? undefined
        : Object.fromEntries(
            metadata.map(([name, value]) => [name.toLowerCase(), textOfHeader(value)]),
          ),
  });
}

/** Why a store cannot take this metadata; `undefined` if it can. */
export function metadataProblem(given: ObjectAttributes, bytesMax: number): string | undefined {
  const all = Object.entries(given.metadata ?? {});
  // Source: RFC 9110, 5.6.2: a header's name is a token.
  const odd = all.find(([name]) => !/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(name));
  if (odd !== undefined) return `no metadata can be called ${JSON.stringify(odd[0])}`;
  const text = all.map(([name, value]) => name + headerText(value)).join("");
  const bytes = Buffer.byteLength(text);
  return bytes > bytesMax ? `${bytes} bytes of metadata, at most ${bytesMax} are taken` : undefined;
}

type Present<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

function present<T extends object>(all: T): Present<T> {
  const some = Object.entries(all).filter(([, value]) => value !== undefined);
  return Object.fromEntries(some) as Present<T>;
}
