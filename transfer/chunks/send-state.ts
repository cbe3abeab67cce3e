// What a send remembers of what it has begun: objects, and chunks that were offered.

import type { ChunkRef } from "./chunk.ts";
import type { ByteRange } from "./cut.ts";
import type { EncodedManifest, ManifestBuilder } from "./manifest.ts";
import type { Place } from "./seal.ts";
import type { SentObject } from "./send-options.ts";
import type { SendWay } from "./send-ways.ts";

/** A chunk that was offered. */
export interface Sealed {
  readonly open: OpenObject;
  readonly place: Place;
  readonly ref: ChunkRef;
  readonly sealedRef: ChunkRef;
  /** Until it is safe at the next hop of every way. */
  bytes: Uint8Array | undefined;
  /** Ways where it is not yet safe; where it is not yet settled. */
  unsafe: number;
  unsettled: number;
}

export interface OpenObject {
  readonly source: SentObject;
  readonly ranges: readonly ByteRange[];
  readonly builder: ManifestBuilder;
  /** Chunks that are not yet delivered. */
  left: number;
  /** The next range to offer. */
  next: number;
  manifest: EncodedManifest | undefined;
  isOver: boolean;
  /** Ways whose destination does not take it: the others still do. */
  readonly lost: Set<SendWay>;
}
