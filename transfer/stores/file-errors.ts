// What a file system's refusals mean to a transfer: one table. Pure.
//
// Source: errno(3) and the pages of open(2), rename(2), fsync(2) of Linux. What is not in the table
// is a fault of the world that may pass.

import { errorText, isSkyError, SkyError } from "../../model/errors.ts";

type Fault = "none" | "denied" | "full" | "refused" | "failed";

const faults: Readonly<Record<string, Fault>> = {
  ENOENT: "none",
  EACCES: "denied",
  EPERM: "denied",
  EROFS: "denied",
  ENOSPC: "full",
  EDQUOT: "full",
  EFBIG: "refused",
  EISDIR: "refused",
  ENOTDIR: "refused",
  ENOTEMPTY: "refused",
  EEXIST: "refused",
  ELOOP: "refused",
  EINVAL: "refused",
  EILSEQ: "refused",
  ENAMETOOLONG: "refused",
  ENXIO: "refused",
  EIO: "failed",
  EAGAIN: "failed",
  EBUSY: "failed",
  EMFILE: "failed",
  ENFILE: "failed",
  ENOMEM: "failed",
  ESTALE: "failed",
  ETIMEDOUT: "failed",
  ETXTBSY: "failed",
};

export function fileFault(error: unknown): Fault {
  const code = codeOf(error);
  return typeof code === "string" && Object.hasOwn(faults, code)
    ? (faults[code] ?? "failed")
    : "failed";
}

/**
 * What whoever wanted something of `object` is told; one of ours as it is. For a full disk,
 * `full` says it with the room that is left.
 */
export function fileError(
  error: unknown,
  object: string,
  full: (cause: unknown) => SkyError,
): unknown {
  if (isSkyError(error) || isAbort(error)) return error;
  const why = reasonOf(error);
  const options = { cause: error };
  switch (fileFault(error)) {
    case "none":
      return new SkyError("objects/no-object", { object }, options);
    case "denied":
      return new SkyError("objects/denied", { object, why }, options);
    case "refused":
      return new SkyError("objects/refused", { object, why }, options);
    case "full":
      return full(error);
    case "failed":
      return new SkyError("objects/failed", { object, why }, options);
  }
}

/** `EACCES: permission denied, open`, without the paths that stand behind it. */
export function reasonOf(error: unknown): string {
  const [reason = ""] = errorText(error).split(" '", 1);
  return reason;
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === "AbortError";
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
