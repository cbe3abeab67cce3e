// What goes wrong with an object that is sent, in words.

import { errorText, isSkyError, SkyError } from "../../model/errors.ts";
import type { Digest } from "./chunk.ts";
import type { Place } from "./seal.ts";

export function asSkyError(error: unknown): SkyError {
  if (isSkyError(error)) return error;
  const params = { what: "reading an object", why: errorText(error) };
  return new SkyError("process/failed", params, { cause: error });
}

export function changed({ object, index }: Place): SkyError {
  const what = `chunk ${index} of object ${object}`;
  return new SkyError("process/failed", { what, why: "it has changed since it was offered" });
}

export function missing(digest: Digest, cause?: unknown): SkyError {
  return new SkyError("chunk/missing", { digest, where: "what is sent" }, { cause });
}
