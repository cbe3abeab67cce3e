// Files as objects of a transfer: a path to be sent, and one that an object goes to.

import { type FileHandle, open, stat } from "node:fs/promises";
import { SkyError } from "../../model/errors.ts";
import type { CutRule } from "./cut.ts";
import { holdsObject } from "./object-bytes-os.ts";
import { type FileAttributes, openObjectFile } from "./object-file-os.ts";
import type { ObjectTarget } from "./receive.ts";
import type { SentObject } from "./send.ts";
import type { SmallFiles } from "./small-files-os.ts";

/** The file at `path`, as one object. It must not change while it is sent; `bytes` if known. */
export async function fileToSend(
  object: number,
  path: string,
  bytes?: number,
): Promise<SentObject & Closed> {
  const size = bytes ?? (await stat(path)).size;
  // Those that `file` leads to are never opened here.
  let opening: Promise<FileHandle> | undefined;
  const readInto: NonNullable<SentObject["readInto"]> = async (
    { at, bytes: count },
    target,
    signal,
  ) => {
    signal.throwIfAborted();
    opening ??= open(path, "r");
    const file = await opening;
    for (let filled = 0; filled < count; ) {
      const { bytesRead } = await file.read(target, filled, count - filled, at + filled);
      if (bytesRead === 0) {
        throw new SkyError("process/failed", { what: path, why: `it ends at ${at + filled}` });
      }
      filled += bytesRead;
    }
  };
  return {
    ...{ object, bytes: size, file: { path }, readInto },
    read: async (range, signal) => {
      const out = Buffer.allocUnsafeSlow(range.bytes);
      await readInto(range, out, signal);
      return out;
    },
    close: async () => await (await opening)?.close(),
  };
}

interface Closed {
  close(): Promise<void>;
}

export interface FileTargetOptions {
  /** The final name. */
  readonly path: string;
  readonly bytes: number;
  readonly transfer: string;
  /** A folder for the locks of writers, the same for all writers of a home. */
  readonly locks?: string | undefined;
  readonly attributes?: FileAttributes;
  /** As the sender has it. */
  readonly cut?: CutRule | undefined;
  readonly proveAtEnd?: boolean;
  /** Objects of one chunk are written in groups. */
  readonly group?: SmallFiles | undefined;
}

/** An object that is to become the file at `path`. */
export function fileToReceive(options: FileTargetOptions): ObjectTarget {
  const { path, bytes, cut, attributes, transfer, group } = options;
  return {
    ...{ bytes, cut, attributes },
    open: (journal) => openObjectFile({ ...options, openJournal: async () => journal }),
    holds: (manifest) => holdsObject(path, manifest),
    ...(group && {
      putWhole: (content: Uint8Array, onWritten?: () => void) =>
        group.write({ path, transfer, bytes: content, attributes, onWritten }),
    }),
  };
}
