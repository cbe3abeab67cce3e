// Small files, made safe together: many are written beside their names, flushed at once, and named.
//
// A file alone costs a flush of the disk, and its folder another. Of a few thousand files that come
// together, all that are written by the time that a flush begins share it, and while it runs the
// next ones gather. All of this happens on a thread of its own: a disk that is behind blocks
// whoever writes to it, and the others have a wire to serve.
//
// What must always hold: under a final name is what was there before, or the whole file; whoever is
// told that a file is safe has it under its name after a power cut; one that cannot be written
// fails alone.

import { dirname } from "node:path";
import { isSkyError, SkyError } from "../../model/errors.ts";
import { noRoom } from "../../runtime/room-os.ts";
import { fileError } from "../stores/file-errors.ts";
import { BatchThread, isFailure, movableBytes, workerBeside } from "./batch-thread-os.ts";
import type { FileAttributes } from "./object-file-os.ts";
import { objectNames } from "./object-place.ts";

export interface SmallFile {
  /** The final name, in a folder that is there. */
  readonly path: string;
  readonly transfer: string;
  /** Given away. */
  readonly bytes: Uint8Array;
  readonly attributes?: FileAttributes | undefined;
  /** The bytes are out of memory. They are not safe. */
  readonly onWritten?: (() => void) | undefined;
}

export interface SmallFiles {
  /**
   * Safe under its final name when it resolves. Whoever asks bounds the bytes that wait.
   * @throws SkyError as `fileError` says.
   */
  write(file: SmallFile): Promise<void>;
  /** What was asked for is done, or has failed. */
  close(): Promise<void>;
}

/** What the thread is asked. */
export interface SmallFileRequest {
  readonly path: string;
  readonly partial: string;
  readonly bytes: Uint8Array;
  readonly mode: number;
  readonly mtimeMs: number | undefined;
}

const modeUsual = 0o644;

export function createSmallFiles(): SmallFiles {
  const thread = new BatchThread<SmallFileRequest, undefined>({
    program: workerBeside(import.meta.url, "small-files-os-worker"),
    what: "writing small files",
    movable: ({ bytes }) => (bytes.length === 0 ? [] : [bytes.buffer as ArrayBuffer]),
  });
  return {
    write: async ({ path, transfer, bytes, attributes = {}, onWritten }) => {
      const { partial } = objectNames(path, transfer);
      const { mode = modeUsual, mtimeMs } = attributes;
      const request = { path, partial, bytes: movableBytes(bytes), mode, mtimeMs };
      try {
        await thread.ask(request, onWritten);
      } catch (error) {
        throw errorOf(path, error);
      }
    },
    close: () => thread.close(),
  };
}

function errorOf(path: string, error: unknown): unknown {
  if (!isFailure(error)) return error;
  const { code, text } = error;
  const found = Object.assign(new Error(text), { code });
  const told = fileError(found, path, (cause) => noRoom(dirname(path), cause));
  return isSkyError(told) ? told : new SkyError("process/failed", { what: path, why: text });
}
