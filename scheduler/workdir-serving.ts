// What nodes may fetch from the head: the workdirs of their own cluster, chunk by chunk.
//
// Who asks is proven by the session; what it may have is what a pin of its cluster names, and that
// only while the pin is there. Knowing a digest is not enough. Only the home of a cluster may give
// the head anything, trees for submits to come; no node may. What its store turns out to have lost
// is mended where it can be, while the node waits.

import { headNode } from "../model/address.ts";
import { SkyError } from "../model/errors.ts";
import { homeNode } from "../runtime/certificates.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import type { Metrics } from "../runtime/metrics.ts";
import type { StreamChannel, StreamSession } from "../runtime/stream.ts";
import type { ContentStore } from "../transfer/chunks/content-store.ts";
import type { ChunkCodec, ChunkSource } from "../transfer/chunks/exchange.ts";
import type {
  Admitted,
  ExchangeChannels,
  ExchangeRequest,
} from "../transfer/chunks/exchange-channels.ts";
import { exchangeChannels } from "../transfer/chunks/exchange-channels.ts";
import { scopedSource } from "../transfer/chunks/store-parties.ts";
import { isGivenPin, workdirIn } from "../transfer/tree/pins.ts";
import { GivenTrees } from "./given-trees.ts";
import { WorkdirFanOuts } from "./workdir-fanout.ts";
import { type MendTree, mendedSource } from "./workdir-source.ts";

export interface WorkdirServingOptions {
  readonly chunks: ContentStore;
  readonly work: ChunkCodec;
  readonly mend: MendTree;
  /** As in `GivenTreesOptions`. */
  readonly hold: (cluster: string) => () => void;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly log: Log;
}

export interface WorkdirServing {
  /** A channel that a node opened; false, and untouched, if it is for no chunks. */
  take(session: StreamSession, channel: StreamChannel): boolean;
  close(): Promise<void>;
}

export function serveWorkdirs(options: WorkdirServingOptions): WorkdirServing {
  const from = counted(options);
  const exchanges = exchangesOf(options, from);
  const fanOuts = new WorkdirFanOuts({ ...options, from });
  return {
    take: (session, channel) =>
      fanOuts.receive(session, channel) || exchanges.take(session, channel),
    close: async () => {
      await fanOuts.close("the head ends");
      await exchanges.close();
    },
  };
}

function exchangesOf(options: WorkdirServingOptions, from: ChunkSource): ExchangeChannels {
  const { chunks, mend, work, log } = options;
  const given = new GivenTrees(options);
  const admit = async ({ peer, verb, scope }: ExchangeRequest): Promise<Admitted> => {
    const [cluster = "", node] = peer.split("/");
    if (node === homeNode) {
      if (verb === "fetch" || !isGivenPin(cluster, scope)) {
        return { refused: `${scope} is nothing that the home of ${cluster} may give` };
      }
      return { run: (channel, signal) => given.take({ cluster, pin: scope }, channel, signal) };
    }
    if (verb !== "fetch") return { refused: `${headNode} takes no chunks` };
    const digest = workdirIn(cluster, scope);
    if (digest === undefined) return { refused: `${scope} is no workdir of ${cluster}` };
    const refs = await chunks.pinned(scope);
    const mended = mendedSource(from, () => mend(cluster, digest));
    if (refs !== undefined) return { source: scopedSource(mended, refs) };
    throw new SkyError("chunk/missing", { digest, where: `no job of ${cluster} needs it` });
  };
  return exchangeChannels({ admit, work, log });
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
