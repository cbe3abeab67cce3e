// What a send is asked for: objects, the form in which they travel, and the ways that they go.
// `send.ts` does it; who composes a gateway needs no more than this.
//
// What must always hold: an object says the same of itself in every round of its transfer.

import type { SkyError } from "../../model/errors.ts";
import type { StreamSession } from "../../runtime/stream.ts";
import type { ChunkRef, Digest } from "./chunk.ts";
import type { TransferName } from "./chunk-form.ts";
import type { PinName } from "./content-store.ts";
import type { ByteRange, CutRule } from "./cut.ts";
import type { ChunkJournal } from "./journal.ts";
import type { Place, SealedChunk, TransferSecret } from "./seal.ts";
import type { SendWay } from "./send-ways.ts";
import type { ChunkWork } from "./work.ts";

/** An object to be sent. */
export interface SentObject {
  /** Its number in the transfer. The destination knows by it where it belongs. */
  readonly object: number;
  readonly bytes: number;
  /** What its destinations demand of the cut; they have the same. */
  readonly cut?: CutRule | undefined;
  /** Exactly these bytes, in memory that is the caller's own from then on. */
  read(range: ByteRange, signal: AbortSignal): Promise<Uint8Array>;
  /** The same into memory of the caller's, where that saves a copy. */
  readInto?(range: ByteRange, target: Uint8Array, signal: AbortSignal): Promise<void>;
  /** Where it is, if it is a file: one of a single chunk is then read by `smallReads`. */
  readonly file?: SmallFileSource;
  /** Nothing more is read of it, whatever became of it. */
  close?(): Promise<void>;
}

export interface SmallFileSource {
  readonly path: string;
  /** As `stores/file-version.ts` has it, where it must be that one. */
  readonly version?: string | undefined;
}

/** Reads and packs files of one chunk. `small-reads-os.ts` does it. */
export interface SmallReads {
  pack(
    file: SmallFileSource,
    request: {
      readonly bytes: number;
      readonly secret: TransferSecret | TransferName;
      readonly place: Place;
      readonly compress: boolean;
    },
  ): Promise<SealedChunk>;
}

interface SendBase {
  /** Without a key, chunks travel plain: for ways without a relay. */
  readonly secret: TransferSecret | TransferName;
  /** Those that come later are waited for. */
  readonly objects: Iterable<SentObject> | AsyncIterable<SentObject>;
  readonly work: ChunkWork;
  readonly signal: AbortSignal;
  /** Of this end. Objects that have changed since it was begun need another transfer. */
  readonly journal?: ChunkJournal;
  /** Chunks that are sealed and not yet safe at the next hop. */
  readonly sealedBytesMax?: number;
  readonly compress?: boolean;
  readonly smallReads?: SmallReads;
  /** Hears of each chunk's own name, not of what travels for it. */
  readonly onSafe?: (place: Place, ref: ChunkRef) => void;
  readonly onDelivered?: (place: Place, ref: ChunkRef) => void;
  /** The object is whole at the destination, under its final name. */
  readonly onObject?: (object: number, digest: Digest) => void;
  /** The object cannot be read. Without this, that ends the send. */
  readonly onFailed?: (object: number, error: SkyError) => void;
  /** A destination does not take it, and says itself why. Without this, that ends the send. */
  readonly onRefused?: (object: number) => void;
}

export type SendOptions = SendBase &
  (
    | { readonly ways: readonly SendWay[] }
    /** One way over one session: when that breaks, the send has failed. */
    | { readonly session: StreamSession; readonly scope: PinName }
  );

export function waysOf(options: SendOptions): readonly SendWay[] {
  if ("ways" in options) return options.ways;
  const { session, scope } = options;
  return [{ hops: [{ scope, next: async () => session, pause: "once" }] }];
}

/** What comes one after the other, now or later. */
export function iteratorOf(
  objects: Iterable<SentObject> | AsyncIterable<SentObject>,
): Iterator<SentObject> | AsyncIterator<SentObject> {
  return Symbol.asyncIterator in objects
    ? objects[Symbol.asyncIterator]()
    : objects[Symbol.iterator]();
}

/** A copy with room before it. */
export function withRoom(bytes: Uint8Array, roomBytes: number): Uint8Array {
  const memory = Buffer.allocUnsafeSlow(roomBytes + bytes.length);
  memory.set(bytes, roomBytes);
  return memory;
}
