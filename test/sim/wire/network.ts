// Connections of the simulated wire: bytes that take their time, and end in all the ways that
// connections end.
//
// A connection has a pipe in each direction. A pipe keeps its order, drains at a rate and adds a
// delay, both of which change while bytes are under way. Real frames are encoded and parsed, so a
// flipped bit is found where the product finds it. Between connections there is no order at all.

import { isSkyError } from "../../../model/errors.ts";
import type { Clock } from "../../../runtime/clock.ts";
import { FrameParser, type TakeFrame } from "../../../runtime/frame-parser.ts";
import { encodeFrame, type Frame } from "../../../runtime/framing.ts";
import type { MemoryRandom } from "../../../runtime/random-memory.ts";
import type { FrameLink, LinkEnd } from "../../../runtime/stream-session.ts";

export interface Speed {
  /** Bytes a millisecond; 0 stalls it. */
  readonly rate: number;
  readonly delayMs: number;
}

/** What reads bytes: a parser, or a mutant's. */
export interface Reader {
  push(bytes: Uint8Array, take: TakeFrame): void;
}

export interface NetworkOptions {
  readonly clock: Clock;
  readonly random: MemoryRandom;
  readonly reader: () => Reader;
  /** Hears of every frame before it leaves. */
  readonly onSend: (by: string, frame: Frame, number: number | undefined) => void;
  /** Hears of every breach that an end finds in the bytes. */
  readonly onBreach: (why: string) => void;
}

/** What a kernel takes before it is the sender's queue. */
const bufferBytes = 30_000;
const lingerMs = 5_000;

export class Network {
  readonly options: NetworkOptions;
  readonly connections = new Set<Connection>();
  corrupted = 0;

  constructor(options: NetworkOptions) {
    this.options = options;
  }

  /** Of `here`, who dialled, to `there`. */
  connect(here: string, there: string, speed: Speed): Connection {
    const connection = new Connection(this, [here, there], speed);
    this.connections.add(connection);
    return connection;
  }
}

export class Connection {
  readonly near: End;
  readonly far: End;
  speed: Speed;
  /** The next bytes are damaged. */
  corrupting = false;
  /** Nothing arrives any more, and nobody is told. */
  dark = false;
  readonly #network: Network;

  constructor(network: Network, [here, there]: readonly [string, string], speed: Speed) {
    this.#network = network;
    this.speed = speed;
    this.near = new End(this, network.options, { name: here, other: () => this.far });
    this.far = new End(this, network.options, { name: there, other: () => this.near });
  }

  setSpeed(speed: Speed): void {
    this.speed = speed;
    this.near.drain();
    this.far.drain();
  }

  /** Everything under way is lost; each end hears of it, sooner or later. */
  cut(): void {
    this.dark = true;
    const { clock, random } = this.#network.options;
    for (const end of [this.near, this.far]) {
      clock.after(random.below(50), () => end.lose("the connection was reset"));
    }
  }

  passed(bytes: Buffer): Buffer {
    if (!this.corrupting) return bytes;
    this.corrupting = false;
    this.#network.corrupted += 1;
    const { random } = this.#network.options;
    const copy = Buffer.from(bytes);
    const at = random.below(copy.length);
    copy.writeUInt8(copy.readUInt8(at) ^ (1 << random.below(8)), at);
    return copy;
  }

  closed(): void {
    if (this.near.gone && this.far.gone) this.#network.connections.delete(this);
  }
}

interface Place {
  readonly name: string;
  readonly other: () => End;
}

/** One end of a connection: what it sends goes through its pipe to the other. */
export class End {
  /** Nothing comes from it any more, and nothing to it. */
  gone = false;
  readonly #connection: Connection;
  readonly #options: NetworkOptions;
  readonly #place: Place;
  readonly #reader: Reader;
  readonly #queue: { readonly bytes: Buffer; left: number }[] = [];
  #queuedBytes = 0;
  #sending = false;
  #closing = false;
  #arrivesAtMs = 0;
  #inside: LinkEnd | undefined;

  constructor(connection: Connection, options: NetworkOptions, place: Place) {
    this.#connection = connection;
    this.#options = options;
    this.#place = place;
    this.#reader = options.reader();
  }

  attach(inside: LinkEnd): void {
    this.#inside = inside;
  }

  link(): FrameLink {
    return {
      send: (frame, number) => this.#send(frame, number),
      queuedBytes: () => Math.max(0, this.#queuedBytes - bufferBytes),
      close: () => this.#close(),
    };
  }

  /** It hears that the connection is gone. */
  lose(why: string): void {
    if (this.gone) return;
    this.gone = true;
    this.#queue.length = 0;
    this.#queuedBytes = 0;
    this.#connection.closed();
    this.#tell(why);
  }

  /** Its process has died: it hears of nothing any more. */
  die(): void {
    this.#inside = undefined;
    this.lose("its process died");
  }

  #send(frame: Frame, number: number | undefined): void {
    if (this.gone || this.#closing) return;
    this.#options.onSend(this.#place.name, frame, number);
    const bytes = Buffer.concat(encodeFrame(frame, number === undefined ? {} : { number }));
    this.#queue.push({ bytes, left: bytes.length });
    this.#queuedBytes += bytes.length;
    this.drain();
  }

  #close(): void {
    if (this.gone || this.#closing) return;
    this.#closing = true;
    this.drain();
    this.#options.clock.after(lingerMs, () => this.lose("closed by us"));
  }

  /** Sends what is next; bytes go in steps, so that a change of speed is felt within a frame. */
  drain(): void {
    const { speed, dark } = this.#connection;
    const { rate } = speed;
    // A kernel keeps what nobody acknowledges.
    if (this.#sending || this.gone || dark || rate === 0) return;
    const [first] = this.#queue;
    if (first === undefined) {
      if (this.#closing) this.#arrive(() => this.#place.other().#takeEnd());
      return;
    }
    this.#sending = true;
    const step = Math.min(first.left, Math.ceil(rate * 20));
    this.#options.clock.after(step / rate, () => {
      this.#sending = false;
      if (this.gone) return;
      first.left -= step;
      this.#queuedBytes -= step;
      if (first.left === 0) {
        this.#queue.shift();
        const bytes = this.#connection.passed(first.bytes);
        this.#arrive(() => this.#place.other().#take(bytes));
      }
      this.drain();
      this.#inside?.resume();
    });
  }

  /** After the delay, and never before what was sent earlier. */
  #arrive(happens: () => void): void {
    const { clock } = this.#options;
    const nowMs = clock.now().monoMs;
    this.#arrivesAtMs = Math.max(this.#arrivesAtMs, nowMs + this.#connection.speed.delayMs);
    clock.after(this.#arrivesAtMs - nowMs, () => {
      if (!this.#connection.dark) happens();
    });
  }

  #take(bytes: Buffer): void {
    if (this.gone) return;
    try {
      this.#reader.push(bytes, (frame, number) => {
        if (!this.gone) this.#inside?.receive(frame, number);
      });
    } catch (error) {
      if (!isSkyError(error, "stream/protocol")) throw error;
      this.#options.onBreach(error.message);
      this.#tell(error.message);
      this.#close();
    }
  }

  #takeEnd(): void {
    if (this.gone) return;
    this.#tell("closed by the peer");
    this.#close();
    if (this.#queue.length === 0) this.lose("closed by the peer");
  }

  #tell(why: string): void {
    const inside = this.#inside;
    this.#inside = undefined;
    inside?.lost(why);
  }
}

/** As a connection has it once both have named lanes. */
export function laneParser(): FrameParser {
  const parser = new FrameParser();
  parser.allow(["lanes", "timed-pings"]);
  return parser;
}
