// The work port on the caller's own thread: for simulations, tests and small programs.
//
// What is given is taken from the caller, as the version over threads takes it: who still reads it
// finds nothing, here as there.

import { SkyError } from "../../model/errors.ts";
import { ownsBuffer } from "./buffers.ts";
import { type ChunkWork, workOn, workOver } from "./work.ts";

export function createInlineWork(): ChunkWork {
  let closed = false;
  return workOver(
    async (request) => {
      if (closed) throw new SkyError("core/cancelled", { what: "work on a chunk" });
      return workOn({ ...request, bytes: taken(request.bytes) });
    },
    async () => {
      closed = true;
    },
  );
}

/** The same bytes without a copy, where they have a buffer of their own. */
function taken(bytes: Uint8Array): Uint8Array {
  if (!ownsBuffer(bytes) || !(bytes.buffer instanceof ArrayBuffer)) return bytes;
  return new Uint8Array(bytes.buffer.transfer());
}
