// Where an object of a transfer goes: a file, or a key of an object store.

import type { Manifest } from "./chunk.ts";
import type { CutRule } from "./cut.ts";
import type { FileAttributes, ObjectFile } from "./object-file-os.ts";
import type { PlaceJournal } from "./object-place.ts";

/** Where an object goes. `receive-os.ts` makes one of a path. */
export interface ObjectTarget {
  readonly bytes: number;
  /** As the sender has it. */
  readonly cut?: CutRule | undefined;
  /** What the object gets beside its bytes when it is finished. */
  readonly attributes?: FileAttributes | undefined;
  /** What of it is here, as the journal says and the disk proves. */
  open(journal: PlaceJournal): Promise<ObjectFile>;
  /** Whether what has the final name is this object. */
  holds(manifest: Manifest): Promise<boolean>;
  /**
   * Of an object of one chunk or none: safe under its final name when it resolves. The bytes are
   * proven, and the target's own. `onWritten`: they are out of memory, and not yet safe.
   */
  putWhole?(bytes: Uint8Array, onWritten?: () => void): Promise<void>;
}
