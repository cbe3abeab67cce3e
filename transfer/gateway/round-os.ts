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
import type { ChunkWork } from "../chunks/work.ts";
import type { ObjectStore, OpenStore } from "../stores/object-store.ts";
import type { AdmissionShare } from "./admission.ts";
import type { Destination } from "./destination.ts";
import { openDiscard, openLocalDestination } from "./destinations-os.ts";
import { Feed } from "./feed.ts";
import { type Leftovers, openLeftovers } from "./leftovers-os.ts";
import { Meters } from "./meters.ts";
import type { GatewayObject, GatewayOrder, GatewayWord } from "./orders.ts";
import { paceOf } from "./pace.ts";
import type { GatewayId, Leaf, Root } from "./program.ts";
import { type OpenSource, pumpObjects } from "./pump.ts";
import { madeSource, nodePath, openFileSource } from "./sources-os.ts";
import { objectsToldMax, Tally } from "./tally.ts";
import { isReading, operatorsOf, validateProgram } from "./validate.ts";

export type Begin = Extract<GatewayOrder, { readonly kind: "begin" }>;

export interface RoundPorts {
  readonly gateway: GatewayId;
  readonly say: (word: GatewayWord) => void;
  /** HOME of the node. */
  readonly home: string;
  /** Of this transfer at this gateway. */
  readonly dir: string;
  readonly locks: string;
  readonly openStore: (open: OpenStore) => Promise<ObjectStore>;
  readonly admission: AdmissionShare;
  readonly work: ChunkWork;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** Objects that are copied at a time within the gateway. */
export const sideBySideMax = 32;
/** Words for the user's progress are not worth more. */
const metricsMs = 250;
const privateMode = 0o700;

export class Round {
  readonly #begin: Begin;
  readonly #ports: RoundPorts;
  readonly #stopping = new AbortController();
  readonly #meters: Meters;
  readonly #tally: Tally;
  readonly #feed = new Feed<GatewayObject>();
  readonly #leftovers: Leftovers;
  readonly #destinations: Destination[] = [];
  readonly #running = new Set<Promise<void>>();
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
    const destinations = this.#writers().map(({ destination }) => destination);
    this.#tally = new Tally({ reads: this.#source() !== undefined, destinations, say, clock });
    this.#leftovers = openLeftovers(join(ports.dir, "leftovers"), begin.transfer);
  }

  /** Opens what it needs, and says that it has begun. What fails is told. */
  async start(): Promise<void> {
    const { dir, say } = this.#ports;
    mkdirSync(dir, { recursive: true, mode: privateMode });
    try {
      for (const leaf of this.#writers())
        this.#destinations.push(await this.#openDestination(leaf));
      this.#run();
    } catch (error) {
      this.#fail("gateway", error);
    }
    say({ kind: "begun" });
    say({ kind: "credit", objects: objectsToldMax });
    this.#metrics();
  }

  /** @throws SkyError `stream/protocol` for what may not be said now. */
  order(order: Exclude<GatewayOrder, { readonly kind: "begin" | "stop" }>): void {
    if (order.kind === "objects") {
      this.#tally.tell(order.objects);
      if (this.#source() !== undefined && !this.#isFailed) {
        for (const object of order.objects) this.#feed.add(object);
      }
    } else if (order.kind === "objects-end") {
      this.#feed.end();
      this.#tally.end();
    } else if (order.kind === "forget") this.#tally.drop(order.objects);
  }

  counts(): { readonly memoryBytes: number; readonly diskBytes: number } {
    return { memoryBytes: this.#ports.admission.bytes, diskBytes: 0 };
  }

  async stop(leave: "keep" | "remove"): Promise<void> {
    const { log, dir, admission } = this.#ports;
    this.#stopping.abort(new SkyError("core/cancelled", { what: "the round" }));
    this.#feed.end();
    this.#cancelMetrics();
    await Promise.all(this.#running);
    for (const one of this.#destinations.splice(0)) await one.close();
    this.#tally.flush();
    admission.leave();
    if (leave === "keep") {
      await this.#leftovers.close();
      return;
    }
    await this.#leftovers.remove((_, upload) => {
      log.warn("an upload is left", { key: upload.key });
      return Promise.resolve();
    });
    rmSync(dir, { recursive: true, force: true });
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

  async #openDestination(leaf: Writer): Promise<Destination> {
    const { dir, locks, home } = this.#ports;
    const { transfer, verify, folders } = this.#begin;
    const meter = this.#meters.of(leaf.handle);
    const isProven = verify === "digest";
    const ports = { dir, locks, transfer, leftovers: this.#leftovers, meter, isProven };
    if (leaf.op === "discard") return await openDiscard(leaf, ports);
    const folder = folders[leaf.destination];
    if (leaf.op === "write_local" && typeof folder === "string") {
      return await openLocalDestination(leaf, nodePath(home, folder), ports);
    }
    const why = `${leaf.handle}: it has no folder`;
    throw new SkyError("program/invalid", { gateway: this.#ports.gateway, why });
  }

  // ---- what runs

  #run(): void {
    const source = this.#source();
    if (source === undefined) return;
    const { work, admission, clock } = this.#ports;
    const pumping = pumpObjects(
      {
        ...{ handle: source.handle, meter: this.#meters.of(source.handle), objects: this.#feed },
        open: (object) => this.#openSource(source, object),
        ...{ destinations: this.#destinations, tally: this.#tally, work, admission },
        pace: paceOf(this.#begin.limits.bytesPerSecond, clock),
        sideBySide: sideBySideMax,
      },
      this.#stopping.signal,
    );
    this.#watch(source.handle, pumping);
  }

  async #openSource(source: Root, object: GatewayObject): Promise<OpenSource> {
    if (source.op === "gen_data") return madeSource(object, source.compressible);
    return await openFileSource(object, nodePath(this.#ports.home, object.source));
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

type Writer = Extract<Leaf, { readonly destination: number }>;
