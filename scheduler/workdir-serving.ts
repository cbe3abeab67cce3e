// What nodes may fetch from the head: the workdirs of their own cluster, chunk by chunk.
//
// Who asks is proven by the session; what it may have is what a pin of its cluster names, and that
// only while the pin is there. Knowing a digest is not enough. Nobody may give the head anything.

import { headNode } from "../model/address.ts";
import { SkyError } from "../model/errors.ts";
import type { Log } from "../runtime/log.ts";
import type { Metrics } from "../runtime/metrics.ts";
import type { ContentStore } from "../transfer/chunks/content-store.ts";
import type { ChunkSource } from "../transfer/chunks/exchange.ts";
import type {
  Admitted,
  ExchangeChannels,
  ExchangeRequest,
} from "../transfer/chunks/exchange-channels.ts";
import { exchangeChannels } from "../transfer/chunks/exchange-channels.ts";
import { scopedSource } from "../transfer/chunks/store-parties.ts";
import { workdirIn } from "../transfer/tree/pins.ts";

export interface WorkdirServingOptions {
  readonly chunks: ContentStore;
  readonly metrics: Metrics;
  readonly log: Log;
}

export function serveWorkdirs(options: WorkdirServingOptions): ExchangeChannels {
  const { chunks, log } = options;
  const from = counted(options);
  const admit = async ({ peer, verb, scope }: ExchangeRequest): Promise<Admitted> => {
    const [cluster = ""] = peer.split("/");
    if (verb !== "fetch") return { refused: `${headNode} takes no chunks` };
    const digest = workdirIn(cluster, scope);
    if (digest === undefined) return { refused: `${scope} is no workdir of ${cluster}` };
    const refs = await chunks.pinned(scope);
    if (refs !== undefined) return { source: scopedSource(from, refs) };
    throw new SkyError("chunk/missing", { digest, where: `no job of ${cluster} needs it` });
  };
  return exchangeChannels({ admit, log });
}

function counted({ chunks, metrics }: WorkdirServingOptions): ChunkSource {
  return {
    get: async (digest) => {
      const bytes = await chunks.get(digest);
      metrics.count("chunks_served_total");
      metrics.count("chunks_served_bytes_total", {}, bytes.length);
      return bytes;
    },
  };
}
