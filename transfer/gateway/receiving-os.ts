// A gateway that receives: who may push what, and where what is pushed goes.
//
// Chunks of a stripe go to the destinations that are written here, on to further gateways by way of
// a spool, or both. Nobody pushes here but the gateways that the program names, each for the
// stripes that it sends.
//
// What must always hold: what is acknowledged as delivered is delivered wherever the stripe's tree
// leads; a relay without the key passes on what it cannot read.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { SkyError } from "../../model/errors.ts";
import type { Log } from "../../runtime/log.ts";
import type { StreamChannel, StreamSession } from "../../runtime/stream.ts";
import type { ContentStore } from "../chunks/content-store.ts";
import { openContentStore } from "../chunks/content-store-os.ts";
import type { ChunkSink } from "../chunks/exchange.ts";
import {
  type Admitted,
  type ExchangeChannels,
  exchangeChannels,
} from "../chunks/exchange-channels.ts";
import { type Fork, type ForkPart, openFork } from "../chunks/fork.ts";
import type { ChunkJournal } from "../chunks/journal.ts";
import { openChunkJournal } from "../chunks/journal-os.ts";
import type { Receiver } from "../chunks/receive.ts";
import { openRelay, type Relay } from "../chunks/relay.ts";
import type { ChunkWork } from "../chunks/work.ts";
import type { Meters } from "./meters.ts";
import { type Outlet, outletsOf } from "./outlets.ts";
import type { Program, Receive } from "./program.ts";
import { type HopPorts, hopsOf, stripeIn } from "./sending.ts";

export interface ReceivingOptions extends HopPorts {
  readonly program: Program;
  readonly meters: Meters;
  readonly work: ChunkWork;
  readonly log: Log;
  /** Of this transfer at this gateway. */
  readonly dir: string;
  readonly locks: string;
  readonly inFlightBytesMax: number;
  /** Of all spools. */
  readonly diskBytesMax: number;
  readonly receiverOf: (destination: number) => Receiver;
  /** A relay that runs; what it throws before its end is a failure of the round. */
  readonly watch: (handle: string, task: Promise<void>) => void;
  readonly signal: AbortSignal;
}

/** A spool takes a few chunks, or nothing gets through. */
export const spoolBytesMin = 32 * 1024 * 1024;
const privateMode = 0o700;

interface Inlet {
  readonly receive: Receive;
  readonly admit: () => Admitted;
}

interface OpenedRelay {
  readonly relay: Relay;
  readonly store: ContentStore;
  readonly journal: ChunkJournal;
}

export class Receiving {
  readonly #options: ReceivingOptions;
  readonly #inlets = new Map<number, Inlet>();
  readonly #relays: OpenedRelay[] = [];
  readonly #forks: Fork[] = [];
  readonly #channels: ExchangeChannels;

  constructor(options: ReceivingOptions) {
    this.#options = options;
    const { work, inFlightBytesMax, log } = options;
    this.#channels = exchangeChannels({
      admit: ({ peer, scope }) => this.#admit(peer, scope),
      ...{ work, inFlightBytesMax, log },
    });
  }

  async start(): Promise<void> {
    const { program } = this.#options;
    for (const { stripe, root } of program.partitions) {
      if (root.op !== "receive") continue;
      this.#inlets.set(stripe, { receive: root, admit: await this.#inlet(root, stripe) });
    }
  }

  /** A channel that a peer opened. */
  take(session: StreamSession, channel: StreamChannel): void {
    const isTaken = this.#channels.take(session, channel);
    if (!isTaken) channel.abort("there is nothing of that kind here");
  }

  /** Of the spools. */
  get diskBytes(): number {
    return this.#relays.reduce((sum, { relay }) => sum + relay.counts().heldBytes, 0);
  }

  /** Those who run relays have ended. */
  async close(): Promise<void> {
    await this.#channels.close();
    for (const fork of this.#forks) fork.close();
    for (const { journal, store } of this.#relays) {
      await journal.close();
      await store.close();
    }
  }

  #admit(peer: string, scope: string): Admitted {
    const stripe = stripeIn(scope, this.#options.transfer);
    const inlet = stripe === undefined ? undefined : this.#inlets.get(stripe);
    if (inlet === undefined) return { refused: `nothing of ${scope} is received here` };
    if (inlet.receive.from.includes(peer)) return inlet.admit();
    return { refused: `${peer} sends nothing of stripe ${stripe}` };
  }

  async #inlet(receive: Receive, stripe: number): Promise<() => Admitted> {
    const parts: ForkPart[] = [];
    const receivers: Receiver[] = [];
    for (const outlet of receive.children.flatMap(outletsOf)) {
      if (outlet.kind === "send") parts.push({ relay: await this.#openRelay(outlet, stripe) });
      else {
        const receiver = this.#options.receiverOf(outlet.writer.destination);
        receivers.push(receiver);
        parts.push({ sink: receiver });
      }
    }
    const [first] = parts;
    const [receiver] = receivers;
    if (receiver !== undefined && receivers.length === parts.length) {
      const sink = sinkOf(receivers);
      return () => ({ sink, safeMeans: "delivered", work: receiver.codec });
    }
    if (parts.length === 1 && first !== undefined && "relay" in first) {
      const { relay } = first;
      return () => relay.admit();
    }
    const { work, inFlightBytesMax } = this.#options;
    const fork = openFork({ parts, work, inFlightBytesMax });
    this.#forks.push(fork);
    return () => fork.admit();
  }

  async #openRelay(
    outlet: Extract<Outlet, { readonly kind: "send" }>,
    stripe: number,
  ): Promise<Relay> {
    const { dir, locks, transfer, work, log, watch, signal } = this.#options;
    const [{ handle }] = outlet.sends;
    const bytesMax = this.#spoolBytes();
    const folder = join(dir, `relay-${handle}`);
    mkdirSync(join(folder, "store"), { recursive: true, mode: privateMode });
    const store = await openContentStore({
      dir: join(folder, "store"),
      // What is let go stays until room is needed.
      bytesMax: bytesMax * 2,
      reserveBytes: 0,
    });
    const journal = await openChunkJournal({ path: join(folder, "journal"), transfer, locks });
    const hops = hopsOf(outlet, stripe, this.#options);
    const relay = await openRelay({ transfer, store, journal, bytesMax, hops, work, log });
    this.#relays.push({ relay, store, journal });
    watch(handle, relay.run(signal));
    return relay;
  }

  /** Each spool has its part of the room. */
  #spoolBytes(): number {
    const { program, diskBytesMax } = this.#options;
    const outlets = program.partitions
      .filter(({ root }) => root.op === "receive")
      .flatMap(({ root }) => root.children.flatMap(outletsOf));
    const spools = outlets.filter(({ kind }) => kind === "send").length;
    return Math.max(spoolBytesMin, Math.floor(diskBytesMax / Math.max(1, spools)) / 2);
  }
}

/** Several destinations of one gateway: each gets each chunk, in memory of its own. */
function sinkOf(receivers: readonly Receiver[]): ChunkSink {
  const [only, ...others] = receivers;
  if (only === undefined) throw new SkyError("core/broken-invariant", { what: "nobody writes" });
  if (others.length === 0) return only;
  return {
    ...(only.putsMax === undefined ? {} : { putsMax: only.putsMax }),
    known: async (refs) => {
      const known = await Promise.all(receivers.map((receiver) => receiver.known(refs)));
      const digests = refs.map(({ digest }) => digest);
      return new Set(digests.filter((digest) => known.every((of) => of.has(digest))));
    },
    put: async (ref, bytes, signal) => {
      const puts = receivers.map((receiver) => receiver.put(ref, Uint8Array.from(bytes), signal));
      const kept = await Promise.all(puts);
      return kept.every((one) => one === "refused") ? "refused" : undefined;
    },
  };
}
