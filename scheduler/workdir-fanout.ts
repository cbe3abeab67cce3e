// Gives one workdir to several nodes of a gang, so that each byte leaves the head about once.
//
// Nodes that were told that others get the tree too join its fan-out (`transfer/fanout/`); it
// begins with the first of them and ends with the last. Who comes when it is over begins another.
// Who may join is who may fetch the tree (`workdir-serving.ts`).

import { errorText, SkyError } from "../model/errors.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import type { StreamChannel, StreamSession } from "../runtime/stream.ts";
import type { ChunkRef } from "../transfer/chunks/chunk.ts";
import type { ContentStore, PinName } from "../transfer/chunks/content-store.ts";
import type { ChunkCodec, ChunkSource } from "../transfer/chunks/exchange.ts";
import { isExchange, parseExchangeHeader } from "../transfer/chunks/exchange.ts";
import { decodeManifest } from "../transfer/chunks/manifest.ts";
import { parseFanOutHeader } from "../transfer/fanout/control.ts";
import { type FanOut, startFanOut } from "../transfer/fanout/fan-out.ts";
import { fanOutIn, workdirPin } from "../transfer/tree/pins.ts";
import { isLost, type MendTree, mendedSource, unlessAborted } from "./workdir-source.ts";

export interface WorkdirFanOutOptions {
  readonly chunks: ContentStore;
  readonly from: ChunkSource;
  readonly mend: MendTree;
  readonly work: ChunkCodec;
  readonly clock: Clock;
  readonly log: Log;
}

/** For so long the others wait for a node that left: when it comes again, it begins anew. */
const absentMs = 15_000;

interface Running {
  readonly opening: Promise<FanOut>;
}

export class WorkdirFanOuts {
  readonly #options: WorkdirFanOutOptions;
  readonly #running = new Map<PinName, Running>();
  readonly #closing = new AbortController();

  constructor(options: WorkdirFanOutOptions) {
    this.#options = options;
  }

  /** A channel that a node opened; false, and untouched, if it is of no fan-out. */
  receive(session: StreamSession, channel: StreamChannel): boolean {
    const { header } = channel;
    const joins = parseFanOutHeader(header);
    const scope = joins ?? (isExchange(header) ? scopeOf(header) : undefined);
    const [cluster = ""] = session.peer.split("/");
    const digest = scope === undefined ? undefined : fanOutIn(cluster, scope);
    if (scope === undefined || digest === undefined) return false;
    const pin = workdirPin(cluster, digest);
    const about = { cluster, scope, pin, digest, joins: joins !== undefined };
    this.#admit(about, session, channel).catch((error: unknown) => {
      const why = errorText(error);
      this.#options.log.info("a node takes no part in a fan-out", { peer: session.peer, why });
      channel.abort(why);
    });
    return true;
  }

  async close(why: string): Promise<void> {
    this.#closing.abort(new SkyError("stream/closed", { why }));
    const running = [...this.#running.values()];
    for (const one of await Promise.allSettled(running.map(({ opening }) => opening))) {
      if (one.status === "fulfilled") one.value.close(why);
    }
  }

  async #admit(about: About, session: StreamSession, channel: StreamChannel): Promise<void> {
    const known = this.#running.get(about.scope);
    if (known === undefined && !about.joins) throw over();
    const fanOut = await (known ?? this.#start(about)).opening;
    if (about.joins) fanOut.expect(session.peer);
    if (!fanOut.receive(session, channel)) throw over();
  }

  #start(about: About): Running {
    const running: Running = { opening: this.#open(about) };
    this.#running.set(about.scope, running);
    const end = (): void => {
      if (this.#running.get(about.scope) === running) this.#running.delete(about.scope);
    };
    running.opening.then(({ done }) => done.then(end, end), end);
    return running;
  }

  async #open(about: About): Promise<FanOut> {
    const { work, clock, log } = this.#options;
    const { cluster, scope, digest } = about;
    const mend = (): Promise<void> => this.#options.mend(cluster, digest);
    const refs = await this.#chunksOf(about).catch(async (error: unknown) => {
      if (!isLost(error)) throw error;
      await unlessAborted(mend(), this.#closing.signal);
      return await this.#chunksOf(about);
    });
    const from = mendedSource(this.#options.from, mend);
    return startFanOut({ scope, refs, from, work, sinks: [], clock, log, rules: { absentMs } });
  }

  /** They are all here, as far as is known without reading them. */
  async #chunksOf({ pin, digest }: About): Promise<readonly ChunkRef[]> {
    const { chunks } = this.#options;
    const pinned = await chunks.pinned(pin);
    if (pinned === undefined) {
      throw new SkyError("chunk/missing", { digest, where: "what jobs of the cluster need" });
    }
    const { chunks: refs } = decodeManifest(await chunks.get(digest));
    const here = await chunks.has(refs.map((ref) => ref.digest));
    const lacking = refs.find((ref) => !here.has(ref.digest));
    if (lacking !== undefined) {
      throw new SkyError("chunk/missing", { digest: lacking.digest, where: "the head" });
    }
    return refs;
  }
}

interface About {
  readonly cluster: string;
  readonly scope: PinName;
  readonly pin: PinName;
  readonly digest: string;
  readonly joins: boolean;
}

function scopeOf(header: Uint8Array): PinName | undefined {
  try {
    return parseExchangeHeader(header).scope;
  } catch {
    return undefined; // It is refused with the reason where exchanges are.
  }
}

function over(): SkyError {
  return new SkyError("stream/closed", { why: "that fan-out is over" });
}
