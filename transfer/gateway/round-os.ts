// A round of a transfer at one gateway: from its `begin` until it is stopped.
//
// What it needs is opened first: the journals and folders of the destinations that it writes, its
// stores, its peers. Then it says that it has begun, and takes objects. What fails is told, object
// by object where that can be; a failure of the gateway's own is told once for all that is left,
// and the round waits to be stopped.
//
// What must always hold: when `stop` resolves nothing of it runs or is open; with `remove` nothing
// of it is left, here or at its destinations, but for objects that are whole.

import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { errorText, isSkyError, SkyError } from "../../model/errors.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { Random } from "../../runtime/random.ts";
import type { StreamHub } from "../../runtime/stream-memory.ts";
import type { SmallReads } from "../chunks/send-options.ts";
import type { SmallFiles } from "../chunks/small-files-os.ts";
import type { ChunkWork } from "../chunks/work.ts";
import type { ObjectStore, OpenStore } from "../stores/object-store.ts";
import type { AdmissionShare } from "./admission.ts";
import { Ends } from "./ends-os.ts";
import { Feed } from "./feed.ts";
import type { Leftovers } from "./leftovers.ts";
import { openLeftovers } from "./leftovers-os.ts";
import { Links, type LinksOptions } from "./links-os.ts";
import { Meters } from "./meters.ts";
import type { Begin, GatewayObject, GatewayOrder, GatewayWord } from "./orders.ts";
import { outletsOf, type Writer } from "./outlets.ts";
import { type Pace, paceOf } from "./pace.ts";
import type { GatewayId, Root } from "./program.ts";
import { pumpObjects } from "./pump.ts";
import { Receiving } from "./receiving-os.ts";
import { Retries } from "./retries.ts";
import { type HopPorts, sendAll } from "./sending.ts";
import { objectsToldMax, Tally } from "./tally.ts";
import { isReading, operatorsOf, validateProgram } from "./validate.ts";

export interface RoundPorts {
  readonly gateway: GatewayId;
  readonly say: (word: GatewayWord) => void;
  /** Where this node may listen. */
  readonly addresses: readonly string[];
  readonly near?: StreamHub | undefined;
  /** HOME of the node. */
  readonly home: string;
  /** Of this transfer at this gateway. */
  readonly dir: string;
  readonly locks: string;
  readonly smallFiles: SmallFiles | undefined;
  readonly smallReads: SmallReads | undefined;
  readonly openStore: (open: OpenStore) => Promise<ObjectStore>;
  readonly admission: AdmissionShare;
  readonly work: ChunkWork;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** Objects that are copied at a time within the gateway: most of them wait for the disk. */
export const sideBySideMax = 1_024;
/** Those of several chunks among them, and those of one that are being read. */
export const largeMax = 32;
const readingMax = 64;
/** Of the wire: chunks that are sealed or asked for, at each of its ends here. */
export const windowBytesMin = 32 * 1024 * 1024;
/** Tries to reach a peer, in a row, that moved nothing. */
export const hopTriesMax = 8;
/** Words for the user's progress are not worth more. */
const metricsMs = 250;
/** Of a store that is asked to give up uploads. */
const removeMs = 30_000;
const privateMode = 0o700;

function paceIn({ limits: { bytesPerSecond } }: Begin, clock: Clock): Pace | undefined {
  return bytesPerSecond === undefined ? undefined : paceOf(bytesPerSecond, clock);
}

export class Round {
  readonly #begin: Begin;
  readonly #ports: RoundPorts;
  readonly #stopping = new AbortController();
  readonly #meters: Meters;
  readonly #tally: Tally;
  readonly #ends: Ends;
  readonly #feed = new Feed<GatewayObject>();
  readonly #leftovers: Leftovers;
  readonly #running = new Set<Promise<void>>();
  readonly #links: Links;
  #receiving: Receiving | undefined;
  #cancelMetrics: () => void = () => {};
  #isFailed = false;

  /** @throws SkyError `program/invalid` for a program that cannot be run. */
  constructor(begin: Begin, ports: RoundPorts) {
    const { program, stores, folders, pass } = begin;
    const { gateway, say, clock } = ports;
    if (program.gateway !== gateway || pass.peer !== gateway) {
      const why = `it is for ${program.gateway}, and came to ${gateway}`;
      throw new SkyError("program/invalid", { gateway: program.gateway, why });
    }
    validateProgram(program, { stores: stores.length, destinations: folders.length });
    this.#begin = begin;
    this.#ports = ports;
    this.#meters = new Meters(program);
    const source = this.#source();
    const writers = this.#writers();
    const destinations = writers.map(({ destination }) => destination);
    this.#tally = new Tally({ reads: source !== undefined, destinations, say, clock });
    this.#leftovers = openLeftovers(join(ports.dir, "leftovers"), begin.transfer);
    this.#ends = new Ends({
      ...{ ...ports, begin, source, writers, meters: this.#meters, tally: this.#tally },
      ...{ leftovers: this.#leftovers, pace: paceIn(begin, clock) },
      signal: this.#stopping.signal,
    });
    const onChannel: LinksOptions["onChannel"] = (session, channel) => {
      if (this.#receiving !== undefined) this.#receiving.take(session, channel);
      else channel.abort("nothing is received here");
    };
    this.#links = new Links({ ...ports, begin, onChannel });
  }

  /** Opens what it needs, and says that it has begun. What fails is told. */
  async start(): Promise<void> {
    const { dir, say } = this.#ports;
    mkdirSync(dir, { recursive: true, mode: privateMode });
    let opening = "gateway";
    try {
      await this.#leftovers.open();
      await this.#ends.open((handle) => {
        opening = handle;
      });
      opening = "gateway";
      await this.#receive();
      await this.#links.start();
      this.#run();
    } catch (error) {
      this.#fail(opening, error);
    }
    say({ kind: "begun" });
    say({ kind: "credit", objects: objectsToldMax });
    this.#metrics();
  }

  /** @throws SkyError `stream/protocol` for what may not be said now. */
  order(order: Exclude<GatewayOrder, { readonly kind: "begin" | "stop" }>): void {
    switch (order.kind) {
      case "peer":
        this.#links.told(order.peer, order.target);
        return;
      case "objects":
        this.#told(order.objects);
        return;
      case "objects-end":
        this.#feed.end();
        this.#tally.end();
        return;
      case "forget":
        this.#forget(order.objects);
    }
  }

  counts(): { readonly memoryBytes: number; readonly diskBytes: number } {
    const diskBytes = this.#receiving?.diskBytes ?? 0;
    return { memoryBytes: this.#ports.admission.bytes, diskBytes };
  }

  async stop(leave: "keep" | "remove"): Promise<void> {
    const { admission } = this.#ports;
    this.#stopping.abort(new SkyError("core/cancelled", { what: "the round" }));
    this.#feed.end();
    this.#cancelMetrics();
    await this.#links.close();
    await Promise.all(this.#running);
    await this.#receiving?.close();
    await this.#ends.close();
    this.#tally.flush();
    admission.leave();
    if (leave === "remove") await this.#remove();
    await this.#leftovers.close();
    await this.#ends.closeStores();
  }

  /** What cannot be taken away now is told, and still on record here. */
  async #remove(): Promise<void> {
    const over = new AbortController();
    const cancel = this.#ports.clock.after(removeMs, () =>
      over.abort(new SkyError("stream/closed", { why: "the store does not answer" })),
    );
    try {
      await this.#leftovers.remove((destination, upload) =>
        this.#ends.abort(destination, upload, over.signal),
      );
      rmSync(this.#ports.dir, { recursive: true, force: true });
    } catch (error) {
      this.#fail("gateway", error);
    } finally {
      cancel();
    }
  }

  // ---- objects

  #told(objects: readonly GatewayObject[]): void {
    this.#tally.tell(objects);
    this.#ends.tellWhole(objects);
    if (this.#source() === undefined || this.#isFailed) return;
    for (const object of objects) this.#feed.add(object);
  }

  #forget(objects: readonly number[]): void {
    this.#tally.drop(objects);
    this.#watch("gateway", this.#ends.discard(objects));
  }

  // ---- what the program says

  #roots(): readonly Root[] {
    return this.#begin.program.partitions.map(({ root }) => root);
  }

  /** All that read have the same source. */
  #source(): Root | undefined {
    return this.#roots().find(isReading);
  }

  /** Each destination once, however many stripes come to it. */
  #writers(): readonly Writer[] {
    const writers = new Map<number, Writer>();
    for (const operator of this.#roots().flatMap((root) => [...operatorsOf(root)])) {
      if ("destination" in operator) writers.set(operator.destination, operator);
    }
    return [...writers.values()];
  }

  /** Whether what is read goes over the wire too. */
  #isSending(): boolean {
    const outlets = this.#roots()
      .filter(isReading)
      .flatMap((root) => root.children.flatMap(outletsOf));
    return outlets.some(({ kind }) => kind === "send");
  }

  // ---- what it opens

  async #receive(): Promise<void> {
    const { program, limits } = this.#begin;
    if (!program.partitions.some(({ root }) => root.op === "receive")) return;
    const { dir, locks, work, log, admission } = this.#ports;
    this.#receiving = new Receiving({
      ...{ ...this.#hops(), program, work, log, dir, locks },
      inFlightBytesMax: admission.reserve(windowBytesMin, limits.memoryBytes),
      diskBytesMax: limits.diskBytes,
      receiverOf: (destination) => this.#ends.receiverOf(destination),
      watch: (handle, task) => this.#watch(handle, task),
      signal: this.#stopping.signal,
    });
    await this.#receiving.start();
  }

  #hops(): HopPorts {
    const { clock, random } = this.#ports;
    const retries = new Retries({ clock, random });
    return {
      transfer: this.#begin.transfer,
      meters: this.#meters,
      session: (peer, signal) => this.#links.session(peer, signal),
      pause: async (peer, failures, signal) => {
        if (failures < hopTriesMax) return await retries.pause(failures, signal);
        throw new SkyError("stream/closed", { why: `${peer} takes nothing` });
      },
    };
  }

  // ---- what runs

  #run(): void {
    const source = this.#source();
    if (source === undefined) return;
    const { signal } = this.#stopping;
    const { work, admission, smallReads } = this.#ports;
    const { program, limits } = this.#begin;
    const usual = { objects: this.#feed, tally: this.#tally, work };
    const open = (object: GatewayObject) => this.#ends.source(object);
    if (this.#isSending()) {
      const sealedBytesMax = admission.reserve(windowBytesMin, limits.memoryBytes);
      const sinkOf = (destination: number) => this.#ends.receiverOf(destination);
      const sending = {
        ...this.#hops(),
        ...usual,
        program,
        source,
        open,
        sealedBytesMax,
        sinkOf,
        smallReads,
      };
      this.#watch(source.handle, sendAll({ ...sending, secret: this.#ends.secret }, signal));
      return;
    }
    const { handle } = source;
    const pumping = {
      ...{ ...usual, handle, meter: this.#meters.of(handle), open, admission },
      ...{ destinations: this.#ends.destinations, largeMax, readingMax, sideBySideMax },
      cut: this.#begin.cut,
    };
    this.#watch(handle, pumpObjects(pumping, signal));
  }

  /** Whatever runs ends in `stop`, and what it throws before that is told. */
  #watch(handle: string, task: Promise<void>): void {
    const watched = task
      .catch((error: unknown) => {
        if (!this.#stopping.signal.aborted) this.#fail(handle, error);
      })
      .finally(() => this.#running.delete(watched));
    this.#running.add(watched);
  }

  #fail(handle: string, error: unknown): void {
    const { log, gateway } = this.#ports;
    const why = errorText(error);
    if (isSkyError(error)) log.info("a round failed here", { gateway, handle, why });
    else log.error("a round failed here", { gateway, handle, why });
    this.#isFailed = true;
    this.#tally.failed({ handle, error });
  }

  #metrics(): void {
    const { say, clock } = this.#ports;
    const metrics = { operators: this.#meters.snapshot(), ...this.counts() };
    say({ kind: "metrics", metrics });
    this.#cancelMetrics = clock.after(metricsMs, () => this.#metrics());
  }
}
