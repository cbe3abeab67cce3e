// What serves gateways at a node: takes the channels that heads open, runs a round for each, and
// shares the node's memory between them.
//
// A channel is a round's life. A head that begins a round of a transfer whose earlier one is still
// here has lost that one's channel and does not know that we have not: the earlier one is stopped
// first, and keeps what it has.
//
// What must always hold: at most one round of a transfer runs here; whatever ends a channel, its
// round has stopped when `serve` resolves.

import { join } from "node:path";
import { errorText, SkyError } from "../../model/errors.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { Random } from "../../runtime/random.ts";
import type { StreamChannel } from "../../runtime/stream.ts";
import type { StreamHub } from "../../runtime/stream-memory.ts";
import { sweepObjectLocks } from "../chunks/object-lock-sqlite.ts";
import { createSmallFiles, type SmallFiles } from "../chunks/small-files-os.ts";
import { createSmallReads } from "../chunks/small-reads-os.ts";
import type { ChunkWork } from "../chunks/work.ts";
import type { ObjectStore, OpenStore } from "../stores/object-store.ts";
import { Admission } from "./admission.ts";
import type { GatewayHost } from "./doors.ts";
import { serveList, serveRemove } from "./listing-os.ts";
import {
  type Begin,
  type GatewayOrder,
  gatewayHeader,
  listHeader,
  removeHeader,
} from "./orders.ts";
import { orderParser, wordedError } from "./orders-codec.ts";
import type { GatewayId } from "./program.ts";
import { Round } from "./round-os.ts";
import { type Words, wordsTo } from "./words.ts";

export interface GatewayHostOptions {
  readonly gateway: GatewayId;
  /** Where it may listen for its peers; none = it dials them all. */
  readonly addresses: readonly string[];
  /** Joins it to the other gateways of its process. */
  readonly near?: StreamHub | undefined;
  /** HOME of the node, absolute: relative paths are below it. */
  readonly home: string;
  /** Of transfers at this node, a folder each. */
  readonly dir: string;
  readonly work: ChunkWork;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly openStore: (open: OpenStore) => Promise<ObjectStore>;
  /** Chunks in memory, of all transfers. */
  readonly memoryBytesMax?: number;
}

export const memoryBytesMax = 512 * 1024 * 1024;

export function createGatewayHost(options: GatewayHostOptions): GatewayHost {
  return new Host(options);
}

class Host implements GatewayHost {
  readonly #options: GatewayHostOptions;
  readonly #admission: Admission;
  /** By transfer. */
  readonly #rounds = new Map<string, Served>();
  /** Threads, which begin with the first round. */
  #smallFiles: SmallFiles | undefined;
  #smallReads: ReturnType<typeof createSmallReads> | undefined;
  readonly #serving = new Set<Promise<void>>();
  readonly #closing = new AbortController();

  constructor(options: GatewayHostOptions) {
    this.#options = options;
    this.#admission = new Admission(options.memoryBytesMax ?? memoryBytesMax);
    sweepObjectLocks(this.#locks);
  }

  get #locks(): string {
    return join(this.#options.dir, "locks");
  }

  async serve(channel: StreamChannel, signal: AbortSignal): Promise<void> {
    const serving = this.#serve(channel, AbortSignal.any([signal, this.#closing.signal]))
      .catch((error: unknown) => {
        this.#options.log.info("a gateway's channel ended", { why: errorText(error) });
        channel.abort(errorText(error));
      })
      .finally(() => this.#serving.delete(serving));
    this.#serving.add(serving);
    await serving;
  }

  counts() {
    const rounds = [...this.#rounds.values()].map(({ round }) => round.counts());
    return {
      transfers: rounds.length,
      memoryBytes: this.#admission.bytes,
      diskBytes: rounds.reduce((sum, { diskBytes }) => sum + diskBytes, 0),
    };
  }

  async close(): Promise<void> {
    this.#closing.abort(new SkyError("stream/closed", { why: "the gateway ends" }));
    await Promise.all(this.#serving);
    await this.#smallFiles?.close();
    await this.#smallReads?.close();
  }

  async #serve(channel: StreamChannel, signal: AbortSignal): Promise<void> {
    const header = Buffer.from(channel.header).toString("latin1");
    const leave = (): void => channel.abort(errorText(signal.reason));
    signal.throwIfAborted();
    signal.addEventListener("abort", leave, { once: true });
    try {
      const { home } = this.#options;
      if (header === listHeader) await serveList(channel, { home, signal });
      else if (header === removeHeader) await serveRemove(channel, { home, signal });
      else if (header === gatewayHeader) await this.#serveRound(channel);
      else throw new SkyError("stream/protocol", { why: "there is nothing of that kind here" });
    } finally {
      signal.removeEventListener("abort", leave);
    }
  }

  /** Until it is told to stop, or the channel is over: then what is here is kept. */
  async #serveRound(channel: StreamChannel): Promise<void> {
    const words = wordsTo(channel);
    let served: Served | undefined;
    let leave: "keep" | "remove" | undefined;
    try {
      for await (const order of ordersOf(channel)) {
        if (order.kind === "stop") {
          leave = order.leave;
          break;
        }
        if (order.kind === "begin") served = await this.#begin(order, { words, served });
        else if (served === undefined) throw tooEarly(order);
        else served.round.order(order);
      }
    } catch (error) {
      words.say({ kind: "failed", handle: "gateway", error: wordedError(error) });
    } finally {
      await served?.stop(leave ?? "keep");
    }
    await words.end();
  }

  async #begin(
    begin: Begin,
    { words, served }: { readonly words: Words; readonly served: Served | undefined },
  ): Promise<Served> {
    if (served !== undefined) throw new SkyError("stream/protocol", { why: "a second begin" });
    const { transfer, limits } = begin;
    await this.#rounds.get(transfer)?.stop("keep");
    const { gateway, addresses, near, home, dir, work } = this.#options;
    const { clock, random, log, openStore } = this.#options;
    this.#smallFiles ??= createSmallFiles();
    this.#smallReads ??= createSmallReads();
    const round = new Round(begin, {
      ...{
        gateway,
        addresses,
        near,
        home,
        work,
        clock,
        random,
        log,
        openStore,
        locks: this.#locks,
      },
      ...{ smallFiles: this.#smallFiles, smallReads: this.#smallReads },
      ...{ dir: join(dir, transfer), say: (word) => words.say(word) },
      admission: this.#admission.share({ bytesMax: limits.memoryBytes }),
    });
    const begun = new Served(round, () => this.#rounds.delete(transfer));
    this.#rounds.set(transfer, begun);
    await round.start();
    return begun;
  }
}

/** A round that may be stopped from two sides: its own channel, and a later round. */
class Served {
  readonly round: Round;
  readonly #forget: () => void;
  #stopped: Promise<void> | undefined;

  constructor(round: Round, forget: () => void) {
    this.round = round;
    this.#forget = forget;
  }

  stop(leave: "keep" | "remove"): Promise<void> {
    this.#stopped ??= this.round.stop(leave).finally(() => this.#forget());
    return this.#stopped;
  }
}

async function* ordersOf(channel: StreamChannel): AsyncGenerator<GatewayOrder> {
  const parser = orderParser();
  for await (const part of channel) yield* parser.push(part);
}

function tooEarly({ kind }: GatewayOrder): SkyError {
  return new SkyError("stream/protocol", { why: `${kind} before begin` });
}
