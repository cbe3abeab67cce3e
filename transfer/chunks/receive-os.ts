// Files as objects of a transfer: a path to be sent, and one that an object goes to.

import { open } from "node:fs/promises";
import { SkyError } from "../../model/errors.ts";
import type { CutRule } from "./cut.ts";
import { holdsObject } from "./object-bytes-os.ts";
import { type FileAttributes, openObjectFile } from "./object-file-os.ts";
import type { ObjectTarget } from "./receive.ts";
import type { SentObject } from "./send.ts";

/** The file at `path`, as one object. It must not change while it is sent. */
export async function fileToSend(object: number, path: string): Promise<SentObject & Closed> {
  const file = await open(path, "r");
  const { size } = await file.stat();
  return {
    object,
    bytes: size,
    read: async ({ at, bytes }, signal) => {
      signal.throwIfAborted();
      const out = Buffer.allocUnsafeSlow(bytes);
      for (let filled = 0; filled < bytes; ) {
        const { bytesRead } = await file.read(out, filled, bytes - filled, at + filled);
        if (bytesRead === 0) {
          throw new SkyError("process/failed", { what: path, why: `it ends at ${at + filled}` });
        }
        filled += bytesRead;
      }
      return out;
    },
    close: () => file.close(),
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
  readonly locks: string;
  readonly attributes?: FileAttributes;
  /** As the sender has it. */
  readonly cut?: CutRule | undefined;
  readonly proveAtEnd?: boolean;
}

/** An object that is to become the file at `path`. */
export function fileToReceive(options: FileTargetOptions): ObjectTarget {
  const { path, bytes, cut, attributes } = options;
  return {
    ...{ bytes, cut, attributes },
    open: (journal) => openObjectFile({ ...options, openJournal: async () => journal }),
    holds: (manifest) => holdsObject(path, manifest),
  };
}
