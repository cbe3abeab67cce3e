// Small files that are read, named and packed on a thread of their own, many in one letter.
//
// Opening, looking at, reading and closing a file are four waits on Node's pool, each of which
// costs more than what is waited for. A thread that does nothing else has them one after the other,
// and hashes what it read before anybody else has touched it.
//
// What must always hold: what is packed is all of the file, of the version that was listed.

import { isSkyError, SkyError, skyErrorFrom } from "../../model/errors.ts";
import { noRoom } from "../../runtime/room-os.ts";
import { fileError } from "../stores/file-errors.ts";
import { BatchThread, isFailure, workerBeside } from "./batch-thread-os.ts";
import type { TransferName } from "./chunk-form.ts";
import type { Place, SealedChunk, TransferSecret } from "./seal.ts";
import type { SmallReads } from "./send-options.ts";

/** What the thread is asked. */
export interface SmallReadRequest {
  readonly path: string;
  readonly bytes: number;
  readonly version: string | undefined;
  readonly secret: TransferSecret | TransferName;
  readonly place: Place;
  readonly compress: boolean;
}

export function createSmallReads(): SmallReads & { close(): Promise<void> } {
  const thread = new BatchThread<SmallReadRequest, SealedChunk>({
    program: workerBeside(import.meta.url, "small-reads-os-worker"),
    what: "reading small files",
    movable: () => [],
  });
  return {
    pack: async ({ path, version }, request) => {
      try {
        return await thread.ask({ path, version, ...request });
      } catch (error) {
        throw errorOf(path, error);
      }
    },
    close: () => thread.close(),
  };
}

function errorOf(path: string, error: unknown): unknown {
  if (!isFailure(error)) return error;
  const { code, params, text } = error;
  if (code.includes("/")) return skyErrorFrom(code, params, text);
  const found = Object.assign(new Error(text), { code });
  const told = fileError(found, path, (cause) => noRoom(path, cause));
  return isSkyError(told) ? told : new SkyError("process/failed", { what: path, why: text });
}
