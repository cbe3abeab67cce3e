// A sink of a fan-out: joins at the source, fetches from whom it is told to, serves its children.
//
// It decides nothing here: `sink.ts` does, and this file dials, says, fetches and serves. The list
// of the chunks is itself fetched from the parent, so that it too leaves the source once. Chunks go
// into the content store, pinned under the scope; what is there already is not fetched.
//
// What must always hold: when the promise settles, nothing listens, fetches or waits any more; a
// chunk counts as safe only when the store has said so.

import { errorText, isSkyError, SkyError } from "../../model/errors.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { StreamPort, StreamSession } from "../../runtime/stream.ts";
import type { ChunkRef } from "../chunks/chunk.ts";
import type { ContentStore, PinName } from "../chunks/content-store.ts";
import type { ChunkCodec, ChunkSink, ChunkSource } from "../chunks/exchange.ts";
import { fetchChunks } from "../chunks/fetch.ts";
import { decodeManifest } from "../chunks/manifest.ts";
import { Arrivals } from "./arrivals.ts";
import {
  encodeFanOutHeader,
  LineParser,
  type Parent,
  parseSourceMessage,
  type SinkMessage,
  type SourceMessage,
} from "./control.ts";
import { type ControlLink, controlLink } from "./control-link.ts";
import type { WithoutTime } from "./rules.ts";
import { type Serving, startServing } from "./serving.ts";
import {
  type SinkEffect,
  type SinkEnd,
  type SinkEvent,
  type SinkRules,
  type SinkState,
  type SinkStep,
  sinkRulesDefault,
  startSink,
  stepSink,
} from "./sink.ts";

export interface JoinOptions {
  /**
   * A session with the source: asked for at the start, and again whenever its channel broke. It
   * stays the caller's to close.
   */
  readonly connect: (signal: AbortSignal) => Promise<StreamSession>;
  /** For dialling parents, and for listening. */
  readonly streams: StreamPort;
  /** Where to listen for children, and the host that they dial if it is another. */
  readonly listen?: { readonly host: string; readonly reachedAt?: string };
  readonly scope: PinName;
  readonly store: ContentStore;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /**
   * Hears as soon as everything is here, while it still serves others: whoever needs no more than
   * the chunks goes on with them then.
   */
  readonly onWhole?: (chunks: readonly ChunkRef[]) => void;
  readonly rules?: Partial<SinkRules>;
  readonly work: ChunkCodec;
  /** What is asked of a parent and not yet safe. */
  readonly askedBytesMax?: number;
  readonly log?: Log;
}

/** What a sink came to. The chunks are in the store, pinned under the scope. */
export interface JoinResult {
  readonly chunks: readonly ChunkRef[];
  readonly fetchedBytes: number;
  readonly servedBytes: number;
}

const tickMs = 250;
/** Unless the caller says otherwise: enough for a gigabit at a quarter of a second. */
export const askedBytesUsual = 33_554_432;
const dialMs = 10_000;

/**
 * Resolves when everything is safe here and the source has released us.
 * @throws SkyError `fanout/failed`; what the store throws; what `signal` says.
 */
export async function joinFanOut(options: JoinOptions): Promise<JoinResult> {
  const sink = new Sink(options);
  return await sink.run();
}

class Sink {
  readonly #options: JoinOptions;
  readonly #arrivals: Arrivals;
  readonly #over = Promise.withResolvers<SinkEnd>();
  readonly #stop = new AbortController();
  #state: SinkState | undefined;
  #serving: Serving | undefined;
  #session: StreamSession | undefined;
  #link: ControlLink<SinkMessage> | undefined;
  #listRef: ChunkRef | undefined;
  /** The encoded list, and what it says, once it is here. */
  #list: { readonly bytes: Uint8Array; readonly chunks: readonly ChunkRef[] } | undefined;
  #fetching: { readonly stop: AbortController; readonly ended: Promise<void> } | undefined;
  #fetchedBytes = 0;
  #isWholeTold = false;
  #stopTicks: () => void = () => {};

  constructor(options: JoinOptions) {
    this.#options = options;
    this.#arrivals = new Arrivals({
      source: this.#source(options.store),
      onLost: () => this.#tellSafe(true),
    });
  }

  async run(): Promise<JoinResult> {
    const { signal } = this.#options;
    signal.throwIfAborted();
    const cancel = (): void => this.#over.reject(signal.reason);
    signal.addEventListener("abort", cancel, { once: true });
    try {
      this.#serving = await this.#listen();
      this.#take(startSink({ ...sinkRulesDefault, ...this.#options.rules }, this.#now()));
      this.#tick();
      return this.#result(await this.#over.promise);
    } finally {
      signal.removeEventListener("abort", cancel);
      this.#stop.abort(new SkyError("core/cancelled", { what: "a fan-out that is over here" }));
      this.#stopTicks();
      this.#fetching?.stop.abort(this.#stop.signal.reason);
      await this.#fetching?.ended;
      this.#link?.end();
      await this.#serving?.close();
    }
  }

  async #listen(): Promise<Serving | undefined> {
    const { listen, streams, scope, clock, work, log } = this.#options;
    if (listen === undefined) return undefined;
    const { host } = listen;
    return await startServing({ streams, host, scope, from: this.#arrivals, clock, work, log });
  }

  #result(end: SinkEnd): JoinResult {
    const { scope } = this.#options;
    if (end.outcome !== "done") throw new SkyError("fanout/failed", { scope, why: end.why });
    const servedBytes = this.#serving?.bytes() ?? 0;
    return { chunks: this.#list?.chunks ?? [], fetchedBytes: this.#fetchedBytes, servedBytes };
  }

  // ---- deciding

  #tell(event: WithoutTime<SinkEvent>): void {
    if (this.#state === undefined || this.#stop.signal.aborted) return;
    this.#take(stepSink(this.#state, { ...event, at: this.#now() }));
  }

  #take([state, effects]: SinkStep): void {
    this.#state = state;
    for (const effect of effects) this.#perform(effect);
  }

  #perform(effect: SinkEffect): void {
    if (effect.type === "dial") void this.#dial();
    else if (effect.type === "say") this.#link?.say(effect.message);
    else if (effect.type === "stop") this.#fetching?.stop.abort(stopped());
    else if (effect.type === "fetch") this.#startFetch(effect.run, effect.from);
    else this.#over.resolve(effect.outcome);
  }

  #now(): number {
    return this.#options.clock.now().monoMs;
  }

  #tick(): void {
    this.#stopTicks = this.#options.clock.after(tickMs, () => {
      this.#tell({ type: "tick" });
      if (!this.#stop.signal.aborted) this.#tick();
    });
  }

  #tellSafe(found: boolean): void {
    const whole = this.#list !== undefined && this.#arrivals.isWhole;
    this.#tell({ type: "safe", bytes: this.#arrivals.safe, whole, found });
    if (!whole || this.#isWholeTold || this.#list === undefined) return;
    this.#isWholeTold = true;
    this.#options.onWhole?.(this.#list.chunks);
  }

  // ---- the source

  async #dial(): Promise<void> {
    const { connect, scope, clock, listen } = this.#options;
    try {
      const session = await this.#dialWithin(connect);
      this.#stop.signal.throwIfAborted();
      this.#session = session;
      const link: ControlLink<SinkMessage> = controlLink<SourceMessage, SinkMessage>({
        channel: session.open(encodeFanOutHeader(scope)),
        clock,
        parser: new LineParser(parseSourceMessage),
        onMessage: (message) => {
          if (this.#link === link) this.#hear(message);
        },
        onEnd: (why) => {
          if (this.#link === link) this.#tell({ type: "cut", why });
        },
      });
      this.#link = link;
      const port = this.#serving?.port;
      const host = listen?.reachedAt ?? listen?.host;
      const serves = port === undefined || host === undefined ? null : { host, port };
      link.say({ type: "join", serves, safe: this.#arrivals.safe });
    } catch (error) {
      this.#tell({ type: "cut", why: errorText(error) });
    }
  }

  #hear(message: SourceMessage): void {
    if (message.type === "welcome") this.#welcome(message.list);
    else if (message.type === "release") this.#tell({ type: "released" });
    else if (message.type === "drop") this.#tell({ type: "dropped", why: message.why });
    else if (message.type === "serve") this.#serving?.admit(message.children);
    else {
      this.#tell({ type: "follow", move: message.move, parent: message.parent ?? undefined });
    }
  }

  #welcome(list: ChunkRef): void {
    if (this.#listRef !== undefined && this.#listRef.digest !== list.digest) {
      this.#tell({ type: "dropped", why: "the source gives other chunks now" });
      return;
    }
    this.#listRef = list;
    this.#arrivals.expect([list]);
    this.#tell({ type: "joined" });
  }

  // ---- the parent

  #startFetch(run: number, from: Parent): void {
    const before = this.#fetching;
    before?.stop.abort(stopped());
    const stop = new AbortController();
    const ended = (before?.ended ?? Promise.resolve()).then(() => this.#fetch(run, from, stop));
    this.#fetching = { stop, ended };
  }

  /** Never rejects. */
  async #fetch(run: number, from: Parent, stop: AbortController): Promise<void> {
    const { signal } = stop;
    let session: StreamSession | undefined;
    try {
      signal.throwIfAborted();
      session = await this.#sessionWith(from, signal);
      await this.#fetchList(session, signal);
      await this.#fetchChunks(session, signal);
      this.#tell({ type: "fetched", run });
    } catch (error) {
      if (!signal.aborted) this.#tell({ type: "fetch-failed", run, why: errorText(error) });
    } finally {
      if (from !== "source") session?.close();
    }
  }

  async #sessionWith(from: Parent, signal: AbortSignal): Promise<StreamSession> {
    if (from !== "source") {
      return await this.#dialWithin((both) => this.#options.streams.dial(from, both), signal);
    }
    if (this.#session !== undefined) return this.#session;
    throw new SkyError("stream/closed", { why: "there is no session with the source" });
  }

  async #fetchList(session: StreamSession, signal: AbortSignal): Promise<void> {
    const ref = this.#listRef;
    if (ref === undefined || this.#list !== undefined) return;
    const fetched: Uint8Array[] = [];
    const into: ChunkSink = {
      known: async () => new Set(),
      put: async (_ref, bytes) => {
        fetched.push(bytes);
      },
    };
    const { scope, work } = this.#options;
    const { missing } = await fetchChunks({
      session,
      scope,
      want: [ref],
      into,
      signal,
      work,
    });
    const [bytes] = fetched;
    if (bytes === undefined || missing.length > 0) throw lacking([ref]);
    await this.#know(ref, bytes);
  }

  /** The list is here: all that it names is pinned, and what is here already is found. */
  async #know(ref: ChunkRef, bytes: Uint8Array): Promise<void> {
    const { scope, store } = this.#options;
    const { chunks } = decodeManifest(bytes);
    await this.#ofStore(() => store.pin(scope, chunks));
    const here = await this.#ofStore(() => store.has(chunks.map(({ digest }) => digest)));
    this.#arrivals.expect(chunks);
    for (const digest of here) this.#arrivals.arrived(digest);
    this.#list = { bytes, chunks };
    this.#arrivals.arrived(ref.digest);
    this.#tellSafe(true);
  }

  async #fetchChunks(session: StreamSession, signal: AbortSignal): Promise<void> {
    if (this.#arrivals.isWhole) return;
    const { scope, work } = this.#options;
    const want = this.#arrivals.lacking();
    const into = this.#into();
    const before = this.#fetchedBytes;
    const found = await fetchChunks({
      ...{ session, scope, want, into, signal, work },
      inFlightBytesMax: this.#options.askedBytesMax ?? askedBytesUsual,
    });
    if (found.missing.length > 0) throw lacking(found.missing);
    // Chunks that are lost as fast as they come are not to be fetched in circles.
    if (this.#fetchedBytes === before && !this.#arrivals.isWhole) throw lacking([]);
  }

  #into(): ChunkSink {
    const { store } = this.#options;
    return {
      known: async (refs) => {
        const known = await this.#ofStore(() => store.has(refs.map(({ digest }) => digest)));
        for (const digest of known) this.#arrivals.arrived(digest);
        if (known.size > 0) this.#tellSafe(true);
        return known;
      },
      put: async (ref, bytes) => {
        await this.#ofStore(() => store.put(ref.digest, bytes, { proven: true }));
        this.#fetchedBytes += ref.bytes;
        this.#arrivals.arrived(ref.digest);
        this.#tellSafe(false);
      },
    };
  }

  /** What our own store cannot do, no other parent can help with. */
  async #ofStore<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!isSkyError(error, "chunk/damaged")) this.#over.reject(error);
      throw error;
    }
  }

  /** The list is kept in memory; the chunks, below. */
  #source(below: ChunkSource): ChunkSource {
    return {
      get: async (digest, signal) => {
        const isList = digest === this.#listRef?.digest && this.#list !== undefined;
        return isList && this.#list !== undefined
          ? Uint8Array.from(this.#list.bytes)
          : await below.get(digest, signal);
      },
    };
  }

  /** Gives a dial a bounded time, which ends early with the fan-out or with `signal`. */
  async #dialWithin<T>(
    dial: (signal: AbortSignal) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    const late = new AbortController();
    const stopTimer = this.#options.clock.after(dialMs, () => {
      late.abort(new SkyError("stream/closed", { why: `no answer within ${dialMs} ms` }));
    });
    const others = signal === undefined ? [] : [signal];
    try {
      return await dial(AbortSignal.any([late.signal, this.#stop.signal, ...others]));
    } finally {
      stopTimer();
    }
  }
}

function stopped(): SkyError {
  return new SkyError("core/cancelled", { what: "fetching from this parent" });
}

function lacking(refs: readonly ChunkRef[]): SkyError {
  const digest = refs[0]?.digest ?? "?";
  return new SkyError("chunk/missing", { digest, where: `the parent, with ${refs.length} in all` });
}
