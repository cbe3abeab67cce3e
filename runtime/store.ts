// The store port: the journal. Records by key, and an append-only history of events.
//
// Obligations of every version:
// - `commit` is atomic: all of a batch or nothing of it, also across a crash.
// - When `commit` resolves, the batch is on disk and survives `kill -9` and a power cut.
// - Batches take effect in the order of the calls. Versions may write many in one transaction
//   (group commit); each promise still resolves only when its own batch is safe.
// - After a failed commit every later one fails too (`store/failed`), until the store is reopened:
//   nobody acts on a state that a lost batch was part of.
// - Keys sort by their UTF-8 bytes. A key starts with its owner's address.

export interface Batch {
  readonly puts: readonly StoreRecord[];
  readonly deletes: readonly string[];
  /** Delete every key that starts with one of these. Applied before `puts`. */
  readonly deletePrefixes?: readonly string[];
  /** Delete the events of exactly these subjects. Applied before `events` are added. */
  readonly forgets?: readonly string[];
  readonly events: readonly StoreEventDraft[];
}

export interface StoreRecord {
  readonly key: string;
  /** JSON text. */
  readonly value: string;
}

/** Records whose keys are at or above `from` and below `before`; `""` for `before` is no bound. */
export interface RecordRange {
  readonly from: string;
  readonly before: string;
  readonly countMax: number;
  /** From the greatest key down. */
  readonly reverse?: boolean;
}

/** Something that happened, for `sky why` and replay. */
export interface StoreEventDraft {
  /** What it is about: `demo/job/7`, `demo/node/worker1`, `demo`. */
  readonly subject: string;
  readonly wallMs: number;
  /** JSON text. */
  readonly body: string;
}

export interface StoreEvent extends StoreEventDraft {
  /** Rising, never reused, in commit order. */
  readonly seq: number;
}

/** There is too little room for the journal. */
export interface Shortage {
  /** `tight`: commits still pass, and nothing new should begin. `full`: commits wait. */
  readonly level: "tight" | "full";
  readonly path: string;
  readonly freeBytes: number;
}

export interface Store {
  /**
   * On a full disk it waits until there is room, however long that takes.
   * @throws SkyError `store/failed` with the cause.
   */
  commit(batch: Batch): Promise<void>;
  /** All records whose key starts with `prefix`, in key order, as last committed. */
  read(prefix: string): Promise<readonly StoreRecord[]>;
  /** A part of the records, so that nobody needs to read all that there are to find a few. */
  range(range: RecordRange): Promise<readonly StoreRecord[]>;
  /**
   * Events of exactly this subject (or, ending in `/`, of all below it; `/` is all) with
   * `seq > after`.
   */
  events(query: {
    readonly subject: string;
    readonly after: number;
    readonly countMax: number;
  }): Promise<readonly StoreEvent[]>;
  /**
   * Removes all events of this subject and below it, a bounded number in each transaction, so that
   * other commits need not wait for all of it. Nobody may add to the subject meanwhile.
   */
  forget(subject: string): Promise<void>;
  /** Removes the oldest events of exactly this subject so that `keep` remain; also in parts. */
  trim(subject: string, keep: number): Promise<void>;
  /** Commits so far, for benchmarks: calls, and transactions that reached the disk. */
  counts(): { readonly commits: number; readonly transactions: number };
  /** Whether room is short just now. A version that knows of no disk leaves it out. */
  shortage?(): Shortage | undefined;
  /** Hears whenever `shortage` changes. Returns what ends that. */
  onShortage?(hear: () => void): () => void;
  close(): Promise<void>;
}
