// A program taken apart: for each stripe, where what comes in goes, as a list in which everything
// gets everything.
//
// `mux_and` is a list in itself, and flattened; `mux_or` is one entry with the sends of which each
// chunk takes one. What `validate.ts` let pass has no other shapes. Pure.

import { assert } from "../../model/errors.ts";
import { manifestIndex, type Place } from "../chunks/seal.ts";
import type { Branch, Discard, Send, WriteLocal, WriteObjectStore } from "./program.ts";

export type Writer = WriteObjectStore | WriteLocal | Discard;

export type Outlet =
  | { readonly kind: "write"; readonly writer: Writer }
  | { readonly kind: "send"; readonly sends: readonly [Send, ...Send[]] };

export function outletsOf(branch: Branch): readonly Outlet[] {
  if (branch.op === "mux_and") return branch.children.flatMap(outletsOf);
  if (branch.op === "send") return [{ kind: "send", sends: [branch] }];
  if (branch.op !== "mux_or") return [{ kind: "write", writer: branch }];
  const [first, ...others] = branch.children.flatMap(outletsOf);
  assert(first !== undefined, "a mux has children");
  if (others.length === 0) return [first];
  const [send, ...sends] = [first, ...others].flatMap((one) =>
    one.kind === "send" ? one.sends : [],
  );
  assert(send !== undefined, "under a mux_or are sends");
  return [{ kind: "send", sends: [send, ...sends] }];
}

/** Which stripe a chunk is of. An object's manifest has the index that is no chunk's. */
export function stripeOf({ object, index }: Place, stripes: number): number {
  return index === manifestIndex ? object % stripes : (object + index) % stripes;
}
