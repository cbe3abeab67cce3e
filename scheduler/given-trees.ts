// Trees that the home of a cluster gives to its head on a host, before it submits what needs them.
//
// They come as a push, chunk by chunk, of which only those travel that are not here. Each is pinned
// from before its first chunk until a while after its last: by then a submit has named it, or
// nobody will. Autostop waits meanwhile: whoever gives is about to submit. Pure.
//
// What must always hold: what was taken stays until the lease is over; what is left of an earlier
// head is let go of when the cluster's head opens (`workdirs-os.ts`).

import { errorText } from "../model/errors.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import type { StreamChannel } from "../runtime/stream.ts";
import type { ContentStore, PinName } from "../transfer/chunks/content-store.ts";
import type { ChunkCodec, ChunkSink } from "../transfer/chunks/exchange.ts";
import { storeSink } from "../transfer/chunks/store-parties.ts";
import { takeChunks } from "../transfer/chunks/take.ts";

export interface GivenTreesOptions {
  readonly chunks: ContentStore;
  readonly work: ChunkCodec;
  readonly clock: Clock;
  readonly log: Log;
  /** Keeps autostop of a cluster away until the function that this gives is called. */
  readonly hold: (cluster: string) => () => void;
}

/** After the last exchange about a tree. */
const leaseMs = 120_000;
/** From the end of an exchange to the submit, or to the next exchange. */
const holdMs = 10_000;

export class GivenTrees {
  readonly #options: GivenTreesOptions;
  /** What stops the end of each lease. */
  readonly #leases = new Map<PinName, () => void>();

  constructor(options: GivenTreesOptions) {
    this.#options = options;
  }

  /** The whole exchange about one tree, whose pin is `pin`. */
  async take(
    { cluster, pin }: { readonly cluster: string; readonly pin: PinName },
    channel: StreamChannel,
    signal: AbortSignal,
  ): Promise<void> {
    const { work, clock, hold } = this.#options;
    const release = hold(cluster);
    this.#keep(pin);
    try {
      await takeChunks({ channel, into: this.#sink(pin), signal, safeMeans: "safe", work });
    } finally {
      this.#lease(pin);
      clock.after(holdMs, release);
    }
  }

  #sink(pin: PinName): ChunkSink {
    const { chunks } = this.#options;
    const sink = storeSink(chunks);
    return {
      known: async (refs) => {
        // Pinned before it is asked for: what is known may otherwise go a moment later.
        await chunks.pin(pin, refs);
        return await sink.known(refs);
      },
      put: (ref, bytes, signal) => sink.put(ref, bytes, signal),
    };
  }

  #keep(pin: PinName): void {
    this.#leases.get(pin)?.();
    this.#leases.delete(pin);
  }

  #lease(pin: PinName): void {
    const { chunks, clock, log } = this.#options;
    this.#keep(pin);
    const end = clock.after(leaseMs, () => {
      this.#leases.delete(pin);
      chunks.unpin(pin).catch((error: unknown) => {
        log.warn("a given tree was not let go of", { pin, why: errorText(error) });
      });
    });
    this.#leases.set(pin, end);
  }
}
