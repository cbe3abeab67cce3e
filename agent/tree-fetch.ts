// Fetches what a node's content store lacks of a tree.
//
// The manifest comes first and is pinned, so that what has come stays until the tree is laid out,
// and then what it names and is not here. What broke on the way is asked for again while there is
// progress; what came before is here and is not moved again. What no party has is an answer, not a
// reason to go on.

import { errorText, isSkyError, SkyError } from "../model/errors.ts";
import type { TreeRef } from "../model/tree.ts";
import { backoff, backoffMs } from "../runtime/backoff.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import type { Random } from "../runtime/random.ts";
import type { StreamPort, StreamSession } from "../runtime/stream.ts";
import type { ChunkRef } from "../transfer/chunks/chunk.ts";
import type { ContentStore, PinName } from "../transfer/chunks/content-store.ts";
import type { ChunkCodec } from "../transfer/chunks/exchange.ts";
import { fetchChunks } from "../transfer/chunks/fetch.ts";
import { decodeManifest } from "../transfer/chunks/manifest.ts";
import { storeSink } from "../transfer/chunks/store-parties.ts";
import { joinFanOut } from "../transfer/fanout/join.ts";
import { pause } from "./pause.ts";

export interface TreeFetchOptions {
  readonly tree: TreeRef;
  readonly store: ContentStore;
  /** What keeps its chunks here. */
  readonly pin: PinName;
  /** What the head is asked by. */
  readonly scope: PinName;
  readonly session: () => Promise<StreamSession>;
  readonly work: ChunkCodec;
  /** For getting it from nodes that get it too; absent: from the head alone. */
  readonly fanOut?: FanOutPlace | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** Hears of each chunk that came. */
  readonly onMoved: (ref: ChunkRef) => void;
}

/** Where this node takes part in fan-outs. */
export interface FanOutPlace {
  readonly streams: StreamPort;
  /** Where it listens for other nodes, and they dial it. */
  readonly host: string;
  readonly scope: PinName;
  /** Ends also what only others still need of us. */
  readonly closing: AbortSignal;
  /** Takes what goes on when all is here: giving it to others. Never rejects. */
  readonly serve: (serving: Promise<void>) => void;
}

/** What lacks less than so much is sooner had from the head than its way to others is found. */
const fanOutBytesMin = 16 * 1024 * 1024;
/** Without a word of the head for so long, a fan-out is given up for a plain fetch. */
const fanOutSilenceMs = 20_000;
/** Without any progress for so long, it is given up. */
const patienceMs = 120_000;
/** Digests that the store is asked about at a time. */
const askedMax = 1_000;
const retry = backoff({ initialMs: 100, capMs: 5_000 });

/**
 * @throws SkyError `chunk/missing`, `disk/full`, `chunks/full`, `stream/closed`; what `signal`
 *   says.
 */
export async function fetchTree(options: TreeFetchOptions): Promise<void> {
  const { clock, random, signal, log } = options;
  let failures = 0;
  let since = clock.now().monoMs;
  const onMoved = (ref: ChunkRef): void => {
    failures = 0;
    since = clock.now().monoMs;
    options.onMoved(ref);
  };
  for (;;) {
    try {
      await fetchOnce({ ...options, onMoved });
      return;
    } catch (error) {
      signal.throwIfAborted();
      const isBroken = isSkyError(error, "stream/closed");
      if (!isBroken || clock.now().monoMs - since > patienceMs) throw error;
      log.info("fetching a workdir broke off, and goes on", { tree: options.tree.digest, error });
    }
    failures += 1;
    await pause(clock, backoffMs(retry, failures, random), signal);
  }
}

async function fetchOnce(options: TreeFetchOptions): Promise<void> {
  const { store, pin, tree } = options;
  await store.pin(pin, [tree]);
  const { chunks } = decodeManifest(await manifestOf(options));
  await store.pin(pin, chunks);
  const lacking = await lackingOf(store, chunks);
  const lackingBytes = lacking.reduce((sum, { bytes }) => sum + bytes, 0);
  if (options.fanOut !== undefined && lackingBytes >= fanOutBytesMin) {
    await joinOthers(options, options.fanOut, lacking);
  }
  await fetchLacking(options, chunks);
}

/** One that turns out to be damaged here is lacking from then on. */
async function manifestOf(options: TreeFetchOptions): Promise<Uint8Array> {
  const { store, tree } = options;
  await fetchLacking(options, [tree]);
  try {
    return await store.get(tree.digest);
  } catch (error) {
    if (!isSkyError(error, "chunk/damaged")) throw error;
    await fetchLacking(options, [tree]);
    return await store.get(tree.digest);
  }
}

/**
 * Resolves when all is here, while others may still get it from us, or when the way to others
 * turned out to be none. Never throws for what the plain fetch that follows can still do, or say
 * better.
 */
async function joinOthers(
  options: TreeFetchOptions,
  place: FanOutPlace,
  lacking: readonly ChunkRef[],
): Promise<void> {
  const { store, signal, onMoved } = options;
  const leave = new AbortController();
  const giveUp = (): void => leave.abort(signal.reason);
  const { promise: whole, resolve } = Promise.withResolvers<void>();
  signal.addEventListener("abort", giveUp, { once: true });
  const stay = AbortSignal.any([leave.signal, place.closing]);
  const serving = joinUntilReleased(options, place, { signal: stay, onWhole: resolve });
  place.serve(serving);
  await Promise.race([whole, serving]);
  // From here on our ranks coming to an end is no reason to leave the others.
  signal.removeEventListener("abort", giveUp);
  signal.throwIfAborted();
  const here = await store.has(lacking.map(({ digest }) => digest));
  for (const ref of lacking) if (here.has(ref.digest)) onMoved(ref);
}

/** Never rejects. */
async function joinUntilReleased(
  { store, session, work, clock, log }: TreeFetchOptions,
  { streams, host, scope }: FanOutPlace,
  until: { readonly signal: AbortSignal; readonly onWhole: () => void },
): Promise<void> {
  try {
    await joinFanOut({
      ...{ connect: session, streams, listen: { host }, scope, store, work, clock, log },
      ...until,
      rules: { silenceMs: fanOutSilenceMs },
    });
  } catch (error) {
    log.info("a fan-out of a workdir was left", { scope, why: errorText(error) });
  }
  await store.unpin(scope).catch((error: unknown) => {
    log.warn("a workdir's chunks stay pinned", { scope, why: errorText(error) });
  });
}

async function fetchLacking(options: TreeFetchOptions, refs: readonly ChunkRef[]): Promise<void> {
  const { store, scope, work, signal, onMoved } = options;
  const want = await lackingOf(store, refs);
  if (want.length === 0) return;
  signal.throwIfAborted();
  const session = await options.session();
  const { missing } = await fetchChunks({
    ...{ session, scope, want, into: storeSink(store), work, signal },
    onSafe: onMoved,
  });
  const [first] = missing;
  if (first === undefined) return;
  const count = `${missing.length} of ${refs.length} chunks`;
  const where = `asked for at the head, which lacks ${count}: ${first.why}`;
  throw new SkyError("chunk/missing", { digest: first.digest, where });
}

async function lackingOf(
  store: ContentStore,
  refs: readonly ChunkRef[],
): Promise<readonly ChunkRef[]> {
  const lacking: ChunkRef[] = [];
  for (let i = 0; i < refs.length; i += askedMax) {
    const some = refs.slice(i, i + askedMax);
    const here = await store.has(some.map(({ digest }) => digest));
    lacking.push(...some.filter(({ digest }) => !here.has(digest)));
  }
  return lacking;
}
