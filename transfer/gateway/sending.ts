// A gateway that reads and sends: each chunk is read once and goes along every way of its stripe,
// over the wire and into destinations of its own.
//
// What must always hold: what an object came to is told to the tally once, whichever way failed.

import type { StreamSession } from "../../runtime/stream.ts";
import type { TransferName } from "../chunks/chunk-form.ts";
import type { ChunkSink } from "../chunks/exchange.ts";
import type { SendHop } from "../chunks/push-hops.ts";
import type { TransferSecret } from "../chunks/seal.ts";
import { type SentObject, sendObjects } from "../chunks/send.ts";
import type { SmallReads } from "../chunks/send-options.ts";
import type { SendWay } from "../chunks/send-ways.ts";
import type { ChunkWork } from "../chunks/work.ts";
import type { Meter, Meters } from "./meters.ts";
import type { GatewayObject } from "./orders.ts";
import { type Outlet, outletsOf, stripeOf } from "./outlets.ts";
import type { Program, Root, Send } from "./program.ts";
import type { Tally } from "./tally.ts";
import { isReading } from "./validate.ts";

export interface HopPorts {
  readonly transfer: string;
  readonly meters: Meters;
  readonly session: (peer: string, signal: AbortSignal) => Promise<StreamSession>;
  /** @throws SkyError when it is enough. */
  readonly pause: (peer: string, failures: number, signal: AbortSignal) => Promise<void>;
}

export interface SendingOptions extends HopPorts {
  readonly program: Program;
  readonly source: Root;
  readonly objects: AsyncIterable<GatewayObject>;
  readonly open: (object: GatewayObject) => Promise<SentObject>;
  readonly secret: TransferSecret | TransferName;
  readonly work: ChunkWork;
  readonly sealedBytesMax: number;
  readonly smallReads: SmallReads | undefined;
  /** What writes a destination here. */
  readonly sinkOf: (destination: number) => ChunkSink;
  readonly tally: Tally;
}

/** Resolves when all objects are delivered or failed. @throws SkyError when a way has no hops. */
export async function sendAll(options: SendingOptions, signal: AbortSignal): Promise<void> {
  const { program, source, secret, work, sealedBytesMax, smallReads, tally } = options;
  const ways = waysOf(options);
  const meter = options.meters.of(source.handle);
  await sendObjects({
    ...{ ways, secret, work, sealedBytesMax, signal },
    objects: sentOf(options),
    ...(smallReads === undefined ? {} : { smallReads }),
    compress: compresses(program),
    onSafe: (_, { bytes }) => {
      meter.bytes += bytes;
      meter.chunks += 1;
    },
    onObject: (object, digest) => {
      meter.objects += 1;
      tally.read(object, digest);
    },
    onFailed: (object, error) => {
      meter.failures += 1;
      tally.failed({ handle: source.handle, object, error });
    },
    onRefused: (object) => tally.refused(object),
  });
}

async function* sentOf(options: SendingOptions): AsyncGenerator<SentObject> {
  const { objects, open, tally, source } = options;
  for await (const object of objects) {
    try {
      yield await open(object);
    } catch (error) {
      tally.failed({ handle: source.handle, object: object.object, error });
    }
  }
}

/** All ways of all stripes. A destination here is one way, whatever stripes come to it. */
function waysOf(options: SendingOptions): readonly SendWay[] {
  const { program, sinkOf } = options;
  const { stripes } = program;
  const ways: SendWay[] = [];
  const writers = new Map<number, Set<number>>();
  for (const { stripe, root } of program.partitions) {
    if (!isReading(root)) continue;
    for (const outlet of root.children.flatMap(outletsOf)) {
      if (outlet.kind === "write") {
        const { destination } = outlet.writer;
        writers.set(destination, (writers.get(destination) ?? new Set()).add(stripe));
      } else {
        const takes = takesOf(new Set([stripe]), stripes);
        ways.push({ takes, hops: hopsOf(outlet, stripe, options) });
      }
    }
  }
  for (const [destination, of] of writers) {
    ways.push({ takes: takesOf(of, stripes), sink: sinkOf(destination) });
  }
  return ways;
}

function takesOf(of: ReadonlySet<number>, stripes: number): NonNullable<SendWay["takes"]> {
  return (place) => of.size === stripes || of.has(stripeOf(place, stripes));
}

export function hopsOf(
  { sends }: Extract<Outlet, { readonly kind: "send" }>,
  stripe: number,
  ports: HopPorts,
): readonly SendHop[] {
  return sends.map((send) => hopOf(send, stripe, ports));
}

function hopOf({ to, handle }: Send, stripe: number, ports: HopPorts): SendHop {
  const meter = ports.meters.of(handle);
  return {
    scope: scopeOf(ports.transfer, stripe),
    next: async (signal) => metered(await ports.session(to, signal), meter),
    pause: async (failures, signal) => {
      meter.retries += 1;
      await ports.pause(to, failures, signal);
    },
  };
}

/** What a push between gateways is for. */
export function scopeOf(transfer: string, stripe: number): string {
  return `transfer/${transfer}/${stripe}`;
}

/** The stripe, if it is a push of that transfer. */
export function stripeIn(scope: string, transfer: string): number | undefined {
  const start = `transfer/${transfer}/`;
  const stripe = scope.startsWith(start) ? Number(scope.slice(start.length)) : Number.NaN;
  return Number.isInteger(stripe) ? stripe : undefined;
}

function compresses({ partitions }: Program): boolean {
  const outlets = partitions.flatMap(({ root }) => root.children.flatMap(outletsOf));
  const sends = outlets.flatMap((outlet) => (outlet.kind === "send" ? outlet.sends : []));
  return sends.every(({ compress }) => compress);
}

/** The session, whose channels count what is written to them. */
function metered(session: StreamSession, meter: Meter): StreamSession {
  return {
    peer: session.peer,
    closed: session.closed,
    onChannel: (take) => session.onChannel(take),
    close: () => session.close(),
    open: (header) => {
      const channel = session.open(header);
      const write = channel.write.bind(channel);
      channel.write = async (bytes) => {
        await write(bytes);
        meter.bytes += bytes.length;
      };
      return channel;
    },
  };
}
