// What a sender knows to be delivered, on its way into its journal: many at a time, and nobody
// waits for it.

import type { ChunkJournal, JournalEntry } from "./journal.ts";

export class SendRecords {
  readonly #journal: ChunkJournal | undefined;
  readonly #onError: (error: unknown) => void;
  #waiting: JournalEntry[] = [];
  #recording: Promise<void> | undefined;

  constructor(journal: ChunkJournal | undefined, onError: (error: unknown) => void) {
    this.#journal = journal;
    this.#onError = onError;
  }

  add(entry: JournalEntry): void {
    if (this.#journal === undefined) return;
    this.#waiting.push(entry);
    this.#recording ??= this.#flush(this.#journal);
  }

  /** All that was added is on record, or `onError` has heard why not. */
  async settled(): Promise<void> {
    await this.#recording;
  }

  async #flush(journal: ChunkJournal): Promise<void> {
    try {
      while (this.#waiting.length > 0) await journal.record(this.#waiting.splice(0));
    } catch (error) {
      this.#onError(error);
    } finally {
      this.#recording = undefined;
    }
  }
}
