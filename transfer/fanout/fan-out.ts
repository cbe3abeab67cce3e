// The source of a fan-out: gives many sinks the same chunks, each of which leaves it about once.
//
// Sinks open a control channel (`fanout SCOPE`) on a session that they dialled, and are told whom
// to fetch from; the one that follows the source fetches over that session. Whoever composes the
// program hands every channel to `receive`. The scope is a pin's name at both ends.
//
// What must always hold: only sinks that were named take part, and only those that follow the
// source are served by it; `done` resolves once, with an outcome for each of them.

import { errorText, SkyError } from "../../model/errors.ts";
import type { Clock } from "../../runtime/clock.ts";
import { type Log, silentLog } from "../../runtime/log.ts";
import type { StreamChannel, StreamSession } from "../../runtime/stream.ts";
import type { ChunkRef } from "../chunks/chunk.ts";
import type { PinName } from "../chunks/content-store.ts";
import { type ChunkCodec, type ChunkSource, parseExchangeHeader } from "../chunks/exchange.ts";
import { encodeManifest, objectDigest } from "../chunks/manifest.ts";
import { serveChunks } from "../chunks/supply.ts";
import {
  childrenMax,
  encodeLine,
  LineParser,
  type Place,
  parseFanOutHeader,
  parseSinkMessage,
  type SinkMessage,
  type SourceMessage,
} from "./control.ts";
import { type ControlLink, controlLink } from "./control-link.ts";
import { createCoordinator, type FanOutCounts, type SinkOutcome } from "./coordinator.ts";
import {
  type Decision,
  type FanOutEvent,
  type Rules,
  rulesDefault,
  type WithoutTime,
} from "./rules.ts";
import { servedAheadBytes } from "./serving.ts";
import { type SinkId, source } from "./tree.ts";

export interface FanOutOptions {
  readonly scope: PinName;
  /** The chunks, in the order in which they are to come. Pinned by the caller, until `done`. */
  readonly refs: readonly ChunkRef[];
  readonly from: ChunkSource;
  /** Who is to have them: proven names of peers. */
  readonly sinks: Iterable<SinkId>;
  readonly clock: Clock;
  readonly rules?: Partial<Rules>;
  readonly work: ChunkCodec;
  readonly log?: Log;
}

export interface FanOut {
  /** A channel that a peer opened; false, and untouched, if it is not of this fan-out. */
  receive(session: StreamSession, channel: StreamChannel): boolean;
  /** One more who is to have them. */
  expect(sink: SinkId): void;
  /** @throws SkyError `chunk/missing`, `chunk/damaged` if the source itself lacks a chunk. */
  readonly done: Promise<ReadonlyMap<SinkId, SinkOutcome>>;
  progress(): FanOutProgress;
  /** Gives up those who are not done. */
  close(why: string): void;
}

export interface FanOutProgress extends FanOutCounts {
  /** Of the object, the list of its chunks included. */
  readonly totalBytes: number;
  /** What went out, before compression. */
  readonly sourceBytes: number;
}

const tickMs = 500;
/** A sink that keeps up is at most so many chunks behind. */
const slackChunks = 4;

export function startFanOut(options: FanOutOptions): FanOut {
  const head = new Head(options);
  return {
    receive: (session, channel) => head.receive(session, channel),
    expect: (sink) => head.expect(sink),
    done: head.done,
    progress: () => head.progress(),
    close: (why) => head.close(why),
  };
}

interface Linked {
  readonly link: ControlLink<SourceMessage>;
  /** `undefined` until it has said that it joins. */
  serves: Place | null | undefined;
}

class Head {
  readonly done: Promise<ReadonlyMap<SinkId, SinkOutcome>>;
  readonly #options: FanOutOptions;
  readonly #log: Log;
  readonly #list: { readonly ref: ChunkRef; readonly bytes: Uint8Array };
  readonly #totalBytes: number;
  readonly #coordinator;
  readonly #inside: ReadonlySet<string>;
  readonly #sinks: Set<SinkId>;
  readonly #links = new Map<SinkId, Linked>();
  readonly #fed = new Set<{ readonly peer: SinkId; readonly stop: AbortController }>();
  readonly #stop = new AbortController();
  #stopTicks: () => void = () => {};
  #settle: {
    readonly resolve: (outcomes: ReadonlyMap<SinkId, SinkOutcome>) => void;
    readonly reject: (error: unknown) => void;
  };
  #sourceBytes = 0;
  #over = false;

  constructor(options: FanOutOptions) {
    this.#options = options;
    this.#log = options.log ?? silentLog;
    const chunks = distinct(options.refs);
    const bytes = chunks.reduce((sum, ref) => sum + ref.bytes, 0);
    const encoded = encodeManifest({ bytes, chunks });
    const ref = { digest: objectDigest(encoded), bytes: encoded.length };
    this.#list = { ref, bytes: encoded };
    this.#totalBytes = bytes + ref.bytes;
    this.#inside = new Set([ref.digest, ...chunks.map(({ digest }) => digest)]);
    this.#sinks = new Set(options.sinks);
    this.#coordinator = createCoordinator(rulesOf(options, this.#totalBytes, chunks), this.#sinks);
    const { promise, resolve, reject } = Promise.withResolvers<ReadonlyMap<SinkId, SinkOutcome>>();
    this.done = promise;
    this.#settle = { resolve, reject };
    this.#tick();
  }

  receive(session: StreamSession, channel: StreamChannel): boolean {
    const scope = parseFanOutHeader(channel.header) ?? scopeOfFetch(channel.header);
    if (scope !== this.#options.scope) return false;
    if (this.#over) this.#answerLate(session.peer, channel);
    else if (!this.#sinks.has(session.peer)) channel.abort(`${session.peer} takes no part`);
    else if (parseFanOutHeader(channel.header) === undefined) void this.#serve(session, channel);
    else this.#link(session.peer, channel);
    return true;
  }

  expect(sink: SinkId): void {
    this.#sinks.add(sink);
    this.#tell({ type: "expected", sink });
  }

  progress(): FanOutProgress {
    return {
      ...this.#coordinator.counts(),
      totalBytes: this.#totalBytes,
      sourceBytes: this.#sourceBytes,
    };
  }

  close(why: string): void {
    if (this.#over) return;
    const outcomes = new Map(this.#coordinator.outcomes());
    for (const sink of this.#sinks) {
      if (!outcomes.has(sink)) outcomes.set(sink, { outcome: "given-up", why });
    }
    this.#finish(why);
    this.#settle.resolve(outcomes);
  }

  // ---- control

  /** Who lost its connection before the end still hears how it ended. */
  #answerLate(peer: SinkId, channel: StreamChannel): void {
    const outcome = this.#coordinator.outcomes().get(peer);
    if (parseFanOutHeader(channel.header) === undefined || outcome?.outcome !== "done") {
      channel.abort("the fan-out is over");
      return;
    }
    const over: readonly SourceMessage[] = [
      { type: "welcome", list: this.#list.ref },
      { type: "release" },
    ];
    // A channel that breaks is opened again by the sink.
    for (const message of over) channel.write(encodeLine(message)).catch(() => undefined);
    channel.end();
  }

  #link(peer: SinkId, channel: StreamChannel): void {
    const before = this.#links.get(peer);
    const link = controlLink<SinkMessage, SourceMessage>({
      channel,
      clock: this.#options.clock,
      parser: new LineParser(parseSinkMessage),
      onMessage: (message) => this.#hear(peer, linked, message),
      onEnd: (why) => this.#ended(peer, linked, why),
    });
    const linked: Linked = { link, serves: undefined };
    if (before?.serves !== undefined) this.#tell({ type: "left", sink: peer, why: "it came anew" });
    if (this.#over) return;
    this.#links.set(peer, linked);
    before?.link.abort("it joined again");
    link.say({ type: "welcome", list: this.#list.ref });
  }

  #hear(peer: SinkId, linked: Linked, message: SinkMessage): void {
    if (this.#links.get(peer) !== linked) return;
    const isFirst = linked.serves === undefined;
    if (isFirst !== (message.type === "join")) {
      throw new SkyError("stream/protocol", { why: `${message.type} is said out of turn` });
    }
    if (message.type === "join") {
      linked.serves = message.serves;
      const serves = message.serves !== null;
      this.#tell({ type: "joined", sink: peer, serves, safe: message.safe });
    } else if (message.type === "progress") {
      this.#tell({ type: "progress", sink: peer, safe: message.safe, found: message.found });
    } else {
      this.#log.info("a sink could not go on", { peer, why: message.why });
      this.#tell({ type: "parent-failed", sink: peer, move: message.move, why: message.why });
    }
  }

  #ended(peer: SinkId, linked: Linked, why: string): void {
    if (this.#links.get(peer) !== linked) return;
    this.#links.delete(peer);
    if (linked.serves !== undefined) this.#tell({ type: "left", sink: peer, why });
  }

  #tell(event: WithoutTime<FanOutEvent>): void {
    if (this.#over) return;
    const { monoMs: at } = this.#options.clock.now();
    for (const decision of this.#coordinator.take({ ...event, at })) this.#carryOut(decision);
  }

  #carryOut(decision: Decision): void {
    if (decision.type === "finished") {
      this.#finish();
      this.#settle.resolve(this.#coordinator.outcomes());
      return;
    }
    if (decision.type === "serve" && decision.sink === source) this.#feedOnly(decision.children);
    const linked = this.#links.get(decision.sink);
    if (linked === undefined) return;
    if (decision.type === "serve") {
      linked.link.say({ type: "serve", children: decision.children });
    } else if (decision.type === "follow") {
      const parent = this.#parentOf(decision.parent);
      linked.link.say({ type: "follow", move: decision.move, parent });
    } else {
      this.#log.warn("a sink is given up", { peer: decision.sink, why: decision.why });
      linked.link.say({ type: "drop", why: decision.why });
      linked.link.end();
    }
  }

  #parentOf(id: SinkId | undefined) {
    if (id === undefined) return null;
    if (id === source) return source;
    const place = this.#links.get(id)?.serves;
    return place === undefined || place === null ? null : { ...place, peer: id };
  }

  #tick(): void {
    this.#stopTicks = this.#options.clock.after(tickMs, () => {
      this.#tell({ type: "tick" });
      if (!this.#over) this.#tick();
    });
  }

  // ---- bytes

  async #serve({ peer }: StreamSession, channel: StreamChannel): Promise<void> {
    if (this.#coordinator.parentOf(peer) !== source) {
      channel.abort("another one feeds you");
      return;
    }
    const { work } = this.#options;
    const from: ChunkSource = { get: (digest, signal) => this.#read(digest, signal) };
    const fed = { peer, stop: new AbortController() };
    this.#fed.add(fed);
    const signal = AbortSignal.any([fed.stop.signal, this.#stop.signal]);
    try {
      await serveChunks({
        ...{ channel, from, work, signal, readAheadBytesMax: servedAheadBytes },
        onSent: ({ bytes }) => {
          this.#sourceBytes += bytes;
        },
      });
    } catch (error) {
      // The sink hears of it too, and says that it cannot go on.
      this.#log.info("an exchange of a fan-out ended early", { peer, why: errorText(error) });
    } finally {
      this.#fed.delete(fed);
    }
  }

  /** What leaves for others from now on would leave twice. */
  #feedOnly(children: readonly SinkId[]): void {
    for (const { peer, stop } of this.#fed) {
      if (children.includes(peer)) continue;
      stop.abort(new SkyError("stream/closed", { why: "another one feeds you" }));
    }
  }

  async #read(digest: string, signal: AbortSignal): Promise<Uint8Array> {
    // A copy: whoever asked may give the bytes away.
    if (digest === this.#list.ref.digest) return Uint8Array.from(this.#list.bytes);
    if (!this.#inside.has(digest)) {
      throw new SkyError("chunk/missing", { digest, where: "what the fan-out has" });
    }
    try {
      return await this.#options.from.get(digest, signal);
    } catch (error) {
      if (!signal.aborted) this.#fail(error);
      throw error;
    }
  }

  /** What the source itself cannot read, no sink can have. */
  #fail(error: unknown): void {
    if (this.#over) return;
    this.#finish(`the source cannot read a chunk: ${errorText(error)}`);
    this.#settle.reject(error);
  }

  #finish(why?: string): void {
    this.#over = true;
    this.#stopTicks();
    this.#stop.abort(new SkyError("stream/closed", { why: why ?? "the fan-out is over" }));
    const outcomes = this.#coordinator.outcomes();
    for (const [sink, { link }] of this.#links) {
      const isDone = why === undefined || outcomes.get(sink)?.outcome === "done";
      link.say(isDone ? { type: "release" } : { type: "drop", why });
      link.end();
    }
    this.#links.clear();
  }
}

function distinct(refs: readonly ChunkRef[]): readonly ChunkRef[] {
  return [...new Map(refs.map((ref) => [ref.digest, ref])).values()];
}

function rulesOf(
  { rules = {} }: FanOutOptions,
  totalBytes: number,
  chunks: readonly ChunkRef[],
): Rules {
  const largest = chunks.reduce((most, { bytes }) => Math.max(most, bytes), 1);
  const all = { ...rulesDefault, totalBytes, slackBytes: largest * slackChunks, ...rules };
  return { ...all, children: Math.min(all.children, childrenMax) };
}

function scopeOfFetch(header: Uint8Array): PinName | undefined {
  try {
    const { verb, scope } = parseExchangeHeader(header);
    return verb === "fetch" ? scope : undefined;
  } catch {
    // It is for something else.
    return undefined;
  }
}
