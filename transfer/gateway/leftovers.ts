// What a gateway has begun at destinations and may have to take away again. The record itself is in
// `leftovers-os.ts`.

import type { Upload } from "../stores/object-store.ts";

export interface Leftovers {
  /** Reads what earlier rounds have left. */
  open(): Promise<void>;
  /** Before the first byte of it is on the disk. */
  partial(path: string): Promise<void>;
  folders(made: readonly string[]): Promise<void>;
  upload(destination: number, upload: Upload): Promise<void>;
  /** It was completed or aborted. */
  over(destination: number, upload: Upload): Promise<void>;
  /** One that was begun and is not over. */
  uploadTo(destination: number, key: string): Upload | undefined;
  /** Takes all of it away; `abort` gives up an upload. */
  remove(abort: (destination: number, upload: Upload) => Promise<void>): Promise<void>;
  close(): Promise<void>;
}
