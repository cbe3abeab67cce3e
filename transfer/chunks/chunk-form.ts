// The form in which chunks of a transfer travel: sealed, or plain where there is no relay.
//
// Both ends are told which, and neither ever finds it out from what arrives: a relay that sent
// plain chunks of its own would otherwise be believed.

import type { ChunkRef } from "./chunk.ts";
import { type ChunkCodec, rawCodec } from "./exchange.ts";
import { plainHeaderBytes } from "./plain.ts";
import type { OpenedChunk, Place, SealedChunk, TransferSecret } from "./seal.ts";
import type { ChunkWork } from "./work.ts";

/** A transfer whose chunks travel plain: it has no key. */
export interface TransferName {
  /** 16 bytes. */
  readonly transfer: Uint8Array;
  readonly key?: undefined;
}

export interface ChunkForm {
  /** Room to leave before a chunk's bytes for `pack`. */
  readonly roomBytes: number;
  /** Takes the memory: room, then the chunk. */
  pack(memory: Uint8Array, place: Place): Promise<SealedChunk>;
  /** Takes the bytes. @throws SkyError `chunk/damaged` if they are not what `ref` names. */
  open(ref: ChunkRef, bytes: Uint8Array): Promise<OpenedChunk>;
  /** Of the exchanges that carry them. */
  readonly codec: ChunkCodec;
}

export interface FormOptions {
  readonly secret: TransferSecret | TransferName;
  readonly work: ChunkWork;
  /** Off: chunks are not even looked at. */
  readonly compress?: boolean;
}

export function chunkForm({ secret, work, compress = true }: FormOptions): ChunkForm {
  return secret.key === undefined ? plainForm(secret, work, compress) : sealedForm(secret, work);
}

function sealedForm(secret: TransferSecret, work: ChunkWork): ChunkForm {
  return {
    roomBytes: 0,
    pack: (memory, place) => work.seal(memory, { secret, place }),
    open: (_, bytes) => work.open(bytes, { secret }),
    codec: rawCodec(work),
  };
}

function plainForm({ transfer }: TransferName, work: ChunkWork, compress: boolean): ChunkForm {
  return {
    roomBytes: plainHeaderBytes,
    pack: (memory, place) => work.pack(memory, { transfer, place, compress }),
    open: ({ digest: name }, bytes) => work.unpack(bytes, { name, transfer }),
    codec: {
      encode: async (payload) => ({ encoding: "raw", payload }),
      // Opening proves it, and need not be done twice.
      decode: async (_, { payload }) => payload,
    },
  };
}
