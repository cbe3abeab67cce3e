// Whose doing it is that a rank's files could not be laid out: the job's, or its node's. Pure.
//
// What the job asks for (a destination that is taken, a chunk that nobody has) would go wrong on
// any node, and says nothing against this one. What the disk, the network or the store of the node
// refuses may go well elsewhere. In doubt it is the node's: its jobs then go elsewhere.

import { isSkyError } from "../model/errors.ts";
import { isMountFailure } from "./mount-places.ts";

/** What is in the way at the place that the job names. Source: errno(3). */
const taken: ReadonlySet<string> = new Set([
  ...["ENOTDIR", "EISDIR", "EEXIST", "ENOTEMPTY", "ELOOP", "ENAMETOOLONG", "EACCES", "EPERM"],
]);
/** The same of a file mount, whose place may be anywhere. */
const takenElsewhere: ReadonlySet<string> = new Set(["EROFS", "ENOENT", "EINVAL", "EOPNOTSUPP"]);

/** Whether what was thrown while files were laid out is the job's own doing. */
export function isJobsFault(error: unknown): boolean {
  const chain = causesOf(error);
  const root = chain.at(-1);
  if (isSkyError(root)) return root.code === "process/failed" || root.code === "chunk/missing";
  const code = root instanceof Error && "code" in root ? String(root.code) : "";
  return taken.has(code) || (takenElsewhere.has(code) && chain.some(isMountFailure));
}

/** The error and what caused it, the first cause last. */
function causesOf(error: unknown): readonly unknown[] {
  const chain = [error];
  for (let at = error; at instanceof Error && at.cause instanceof Error; at = at.cause) {
    chain.push(at.cause);
  }
  return chain;
}
