// Small words for converters: fields that may be absent, and fields that must be there.
//
// The two sides say "absent" differently: the model leaves a field out, protobuf decodes it to
// null, or to an empty text where a field has no presence.

import { SkyError } from "../model/errors.ts";

/**
 * An object with the one field, or an empty one: for spreading.
 * Protos say "absent" with null, the model by leaving the field out.
 */
export function given<K extends string, V>(
  key: K,
  value: V | null | undefined,
): { readonly [P in K]?: V } {
  return value === null || value === undefined ? {} : ({ [key]: value } as { [P in K]: V });
}

/** Like `given`; an empty text is an absent one. */
export function givenText<K extends string>(key: K, text: string): { readonly [P in K]?: string } {
  return given(key, text === "" ? undefined : text);
}

/** The field's value. @throws SkyError `codec/invalid` if it is absent. */
export function needed<V>(value: V | null | undefined, what: string): V {
  if (value === null || value === undefined) {
    throw new SkyError("codec/invalid", { what, why: "it is missing" });
  }
  return value;
}

/** `text` as one of `words`. @throws SkyError `codec/invalid` if it is none of them. */
export function oneOf<W extends string>(text: string, words: readonly W[], what: string): W {
  const word = words.find((candidate) => candidate === text);
  if (word === undefined) throw new SkyError("codec/invalid", { what, why: `“${text}”` });
  return word;
}

/** A proto's map as a plain record. Any key is safe in it, `__proto__` too. */
export function recordFrom(map: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(map));
}
