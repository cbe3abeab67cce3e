// One transfer at work: its folder and ledger, its listing, its rounds, and the clearing up.
//
// In the folder are the ledger and the key that seals what relays hand on: both are needed by a
// later round, also of a later head, and both go with the transfer. The listing goes on while
// rounds come and go.
//
// What must always hold: the key is in that file and in orders to gateways alone; a round never
// begins before its ledger is on disk.

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { errorText, isSkyError, SkyError } from "../../model/errors.ts";
import type { ObjectFailure, TransferCounts } from "../../model/transfer.ts";
import { createTransferPasses } from "../../runtime/certificates-transfer-os.ts";
import { makeFolders } from "../../runtime/folders-os.ts";
import type { GatewaySite } from "../../transfer/gateway/doors.ts";
import type { GatewayId } from "../../transfer/gateway/program.ts";
import { validateRound } from "../../transfer/gateway/validate-round.ts";
import type { Ledger } from "../../transfer/job/ledger.ts";
import {
  bytesToPlan,
  type Planned,
  planRound,
  storeConnectionsUsual,
} from "../../transfer/job/planning.ts";
import { hasRelay, isEnd, type Part, partsOf } from "../../transfer/job/programs.ts";
import type { RoundEnd, TransferEnd, TransferFacts } from "../../transfer/job/transfer-machine.ts";
import { clearUp, deletedFact, startedFact } from "./clearing.ts";
import { failuresOf, ledgerIn } from "./failures-os.ts";
import { Feed } from "./feed.ts";
import { type Begun, clearGateways, clearingPart } from "./gateway-clearing.ts";
import { findGround, foundIn, type Ground } from "./ground-os.ts";
import { failHopeless, forgetHopeless, hopelessIn, noteHopeless } from "./hopeless.ts";
import { openLedger } from "./ledger-sqlite.ts";
import { listedFact } from "./listing.ts";
import { absentText, demandReading, demandWriting, goneFrom } from "./reached.ts";
import { type Begin, runRound } from "./round.ts";
import { again, endOf, fatal, leaveOf, wholeOf } from "./round-end.ts";
import type { Settled } from "./round-record.ts";
import type { RunHooks, RunPorts } from "./run-ports.ts";
import { destinationText, type Known, objectText } from "./texts.ts";

export interface RunOptions {
  readonly ports: RunPorts;
  readonly hooks: RunHooks;
  /** Of this transfer alone. */
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
}

const keyName = "key";
const passHours = 24;
const keyBytes = 32;
const memoryBytes = 256 * 1024 * 1024;
const diskBytes = 1024 * 1024 * 1024;
const gatewaysFact = "gateways";
const sealedFact = "sealed";
const costFact = "cost";
const bytesPerGb = 1e9;

export class TransferRun {
  readonly #options: RunOptions;
  readonly #facts: TransferFacts;
  readonly #ledger: Ledger;
  readonly #stop = new AbortController();
  #ground: Ground | undefined;
  readonly #feed: Feed;
  /** Gateways that broke a round off: no relays any more while there are others. */
  readonly #lost = new Set<GatewayId>();
  /** In the last round. */
  readonly #lostNow = new Set<GatewayId>();
  #round: { readonly ended: Promise<RoundEnd>; readonly stop: AbortController } | undefined;
  /** Written in this round at each destination, also of objects that are not done. */
  #written: readonly number[] = [];
  #doneBefore: readonly number[] = [];
  #leave: "keep" | "remove" = "keep";

  constructor(options: RunOptions, facts: TransferFacts) {
    this.#options = options;
    this.#facts = facts;
    makeFolders(options.folder, 0o700);
    this.#ledger = openLedger(ledgerIn(options.folder));
    const { ports, hooks } = options;
    this.#feed = new Feed({
      ...{ order: facts.order, ledger: this.#ledger, onCounts: hooks.onCounts },
      onNote: ({ path, why }) => ports.log.debug("left out", { transfer: facts.id, path, why }),
    });
  }

  /** Does what can be done now. Never throws for what the world does. */
  async round(facts: TransferFacts): Promise<RoundEnd> {
    const stop = new AbortController();
    const signal = AbortSignal.any([stop.signal, this.#stop.signal]);
    this.#doneBefore = this.#ledger.counts().destinations.map(({ doneBytes }) => doneBytes);
    this.#written = [];
    const ended = this.#roundOf(facts, signal).catch((error: unknown) =>
      // It was there once: a head that has just started may not have found its nodes yet.
      this.#ground === undefined && facts.rounds > 1 && isSkyError(error, "cluster/not-found")
        ? again(errorText(error))
        : endOf(error),
    );
    this.#round = { ended, stop };
    const end = await ended;
    this.#round = undefined;
    this.#written = [];
    return end;
  }

  /** Ends the round that is under way. What could not be done, a sentence each. */
  async clear({ rounds }: TransferFacts, end: TransferEnd): Promise<readonly string[]> {
    this.#leave = end.leave;
    this.#round?.stop.abort();
    await this.#round?.ended;
    await this.#feed.stop();
    const { ports } = this.#options;
    const { order } = this.#facts;
    // One that never had its ends has left nothing.
    const ground = await this.#knownGround();
    if (ground === undefined) return [];
    const clearGateways = (signal: AbortSignal) => this.#clearGateways(ground, signal);
    const options = { ports, order, ledger: this.#ledger, ground, end, rounds, clearGateways };
    return await clearUp(options, this.#stop.signal);
  }

  counts(): TransferCounts {
    const { todo: _, destinations: all, ...counts } = this.#ledger.counts();
    return {
      ...counts,
      isListed: this.#ledger.fact(listedFact) !== undefined,
      movingBytes: all.reduce((sum, one, at) => sum + this.#movingAt(one, at), 0),
      deleted: Number(this.#ledger.fact(deletedFact) ?? 0),
      rounds: this.#facts.rounds,
    };
  }

  /** Written, of objects that are not done. */
  #movingAt({ doneBytes }: { readonly doneBytes: number }, at: number): number {
    const done = doneBytes - (this.#doneBefore[at] ?? 0);
    return Math.max(0, (this.#written[at] ?? 0) - done);
  }

  /** Of each of the order's destinations, with what is on its way into objects. */
  destinations(): readonly { readonly done: number; readonly doneBytes: number }[] {
    const destinations = this.#ledger.counts().destinations.map((one, at) => ({
      done: one.done,
      doneBytes: one.doneBytes + this.#movingAt(one, at),
    }));
    return this.#facts.order.destinations.map((_, order) => {
      const ends = this.#ground?.ends.destinations;
      const its = destinations.filter((_one, at) => (ends?.[at]?.order ?? at) === order);
      const sum = (of: "done" | "doneBytes"): number => its.reduce((all, one) => all + one[of], 0);
      return { done: sum("done"), doneBytes: sum("doneBytes") };
    });
  }

  cost(): number {
    return Number(this.#ledger.fact(costFact) ?? 0);
  }

  failures(after: number, countMax: number): readonly ObjectFailure[] {
    return failuresOf(this.#ledger, this.#facts, { after, countMax });
  }

  /** What failed is to be done again, and all is listed anew: for one that goes on with it. */
  reopen(): void {
    this.#ledger.reopen();
    this.#ledger.setFact(listedFact, "");
    forgetHopeless(this.#ledger);
  }

  /** Lets go of everything, and keeps what the next life needs. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#round?.ended;
    await this.#feed.stop();
    await this.#ground?.close();
    this.#ledger.close();
  }

  // ---- a round

  async #roundOf(facts: TransferFacts, signal: AbortSignal): Promise<RoundEnd> {
    const { ports, hooks } = this.#options;
    hooks.onEvent({ kind: "round", round: facts.rounds, why: facts.why });
    const sites = await ports.doors.sites(signal);
    const ground = await this.#groundOf(sites, signal);
    const gone = goneFrom(ground, ports.doors);
    if (gone.source !== undefined) return fatal(gone.source);
    for (const [at, why] of gone.destinations) noteHopeless(this.#ledger, at, why);
    failHopeless(this.#ledger);
    const [first] = gone.destinations.values();
    if (first !== undefined && hopelessIn(this.#ledger).size === ground.ends.destinations.length) {
      return fatal(first);
    }
    demandReading(ground, sites);
    await this.#feed.begin(ground);
    await this.#feed.whenSome(facts.order.options.costMax !== undefined, signal);
    failHopeless(this.#ledger);
    if (this.#feed.isListed && this.#ledger.counts().todo === 0) return wholeOf(this.#ledger);
    const absent = this.#absent(ground, sites);
    const planned = await this.#plan(facts, { ground, sites, absent });
    hooks.onPlan(planned.plan);
    const parts = this.#partsOf(facts, planned);
    this.#lostNow.clear();
    const orders = await this.#ordersOf(facts, ground, parts);
    this.#remember(parts);
    return await runRound(
      {
        ...{ parts, sites: new Map(sites.map((site) => [site.gateway, site])), ...orders },
        ...{ doors: ports.doors, clock: ports.clock, ledger: this.#ledger },
        verify: facts.order.options.verify,
        next: this.#feed.supply(ground, absent, signal),
        leftWhy: absent.size === 0 ? "" : absentText(ground, absent),
        leaveOf: (end) => (end.kind === "again" ? this.#leave : leaveOf(end)),
        onReleased: (gateway, leave) => leave === "remove" && this.#forget(gateway),
        onHopeless: (at, why) =>
          noteHopeless(this.#ledger, at, why) < ground.ends.destinations.length,
        onLost: (gateway) => {
          this.#lost.add(gateway);
          this.#lostNow.add(gateway);
        },
        onSettled: (settled) => this.#settled(settled, planned.plan.pricePerGb),
        onWritten: (written) => {
          this.#written = written;
          hooks.onCounts();
        },
      },
      signal,
    );
  }

  async #groundOf(sites: readonly GatewaySite[], signal: AbortSignal): Promise<Ground> {
    const { ports, env } = this.#options;
    const options = { ports, env, ledger: this.#ledger, order: this.#facts.order };
    this.#ground ??= await findGround(options, sites, signal);
    return this.#ground;
  }

  /** Destinations that are left out of a round, because there is something to do for others. */
  #absent(ground: Ground, sites: readonly GatewaySite[]): ReadonlySet<number> {
    const isAway = (gateway: GatewayId): boolean =>
      this.#lostNow.has(gateway) || !sites.some((site) => site.gateway === gateway);
    const away = ground.ends.destinations.flatMap(({ place }, at) =>
      place.kind === "files" && isAway(place.gateway) ? [at] : [],
    );
    const hopeless = hopelessIn(this.#ledger);
    const absent = new Set([...away, ...hopeless]);
    const isLeft = [...this.#ledger.todoAt().keys()].some((at) => !absent.has(at));
    if (absent.size === 0 || isLeft) return absent;
    demandWriting(ground, sites);
    return hopeless;
  }

  /** Without looking for anything; `undefined`: it was never found. */
  async #knownGround(): Promise<Ground | undefined> {
    if (this.#ground !== undefined) return this.#ground;
    if (foundIn(this.#ledger) === undefined) return undefined;
    return await this.#groundOf([], this.#stop.signal);
  }

  async #plan({ order }: TransferFacts, { ground, sites, absent }: Stand): Promise<Planned> {
    const { ports } = this.#options;
    const signal = this.#stop.signal;
    const regions = await ground.regions(signal);
    const planned = await planRound({
      ...{ ends: ground.ends, sites, options: order.options, regions },
      ...{ bytes: bytesToPlan(this.#ledger), grid: await ports.grid(order.options) },
      ...{ prices: ports.prices, avoided: this.#lost, absent, plan: ports.plan },
    });
    const { costMax = Number.POSITIVE_INFINITY } = order.options;
    const cost = this.cost() + planned.plan.cost;
    if (cost <= costMax) return planned;
    throw new SkyError("transfer/too-costly", { cost: cost.toFixed(2), limit: costMax.toFixed(2) });
  }

  #partsOf({ order }: TransferFacts, { reading, writing, between }: Planned): readonly Part[] {
    const { connections, compress } = order.options;
    const parts = partsOf({
      ...{ reading, writing, compress },
      ...(between === undefined ? {} : { plan: between }),
      ...(connections === undefined ? {} : { connections }),
      storeConnections: connections ?? storeConnectionsUsual,
    });
    // A round that leaves a destination out is right, and not whole.
    if (writing.includes(undefined)) return parts;
    const stores = Math.max(0, ...parts.map((part) => part.stores.length));
    const programs = parts.map(({ program }) => program);
    validateRound(programs, { stores, destinations: writing.length });
    return parts;
  }

  async #ordersOf(
    { order, key: transfer, rounds }: TransferFacts,
    ground: Ground,
    parts: readonly Part[],
  ) {
    const { clock } = this.#options.ports;
    // Sealed once, sealed for ever: chunks are known by what travelled.
    if (hasRelay(parts)) this.#ledger.setFact(sealedFact, "1");
    const key = this.#ledger.fact(sealedFact) === undefined ? undefined : this.#key();
    const peers = parts.map(({ program }) => ({ peer: program.gateway }));
    const nowMs = clock.now().wallMs;
    const passes = await createTransferPasses({ transfer, peers, nowMs, hours: passHours });
    const stores = await Promise.all(
      ground.ends.buckets.map((_, store) => ground.stores.orderOf(store)),
    );
    const { verify, bandwidth } = order.options;
    const folders = ground.roots();
    const cut = await ground.cut();
    const begin = (part: Part): Omit<Begin, "kind" | "peers" | "pass"> => ({
      ...{ transfer, round: rounds, program: part.program, verify, folders },
      stores: part.stores.flatMap((store) => stores[store] ?? []),
      ...(key !== undefined && isEnd(part) ? { key } : {}),
      ...(cut === undefined ? {} : { cut }),
      limits: {
        ...{ memoryBytes, diskBytes },
        ...(bandwidth === undefined || !part.reads ? {} : { bytesPerSecond: bandwidth }),
      },
    });
    return { begin, passes };
  }

  /** Made on first need, and the same for every round: 0600, and gone with the transfer. */
  #key(): string {
    const path = `${this.#options.folder}/${keyName}`;
    if (!existsSync(path)) {
      const made = Buffer.from(this.#options.ports.random.bytes(keyBytes)).toString("base64");
      writeFileSync(path, made, { mode: 0o600, flush: true });
    }
    return readFileSync(path, "utf8");
  }

  // ---- objects

  #settled(settled: readonly Settled[], pricePerGb: number): void {
    const { hooks } = this.#options;
    const count = Math.max(1, this.#ground?.ends.destinations.length ?? 1);
    const bytes = settled.reduce((sum, one) => sum + (one.outcome === "done" ? one.bytes : 0), 0);
    if (pricePerGb > 0 && bytes > 0) {
      const cost = this.cost() + ((bytes / count) * pricePerGb) / bytesPerGb;
      this.#ledger.setFact(costFact, String(cost));
    }
    const known = this.#known();
    for (const one of settled) {
      if (one.outcome === "again") continue;
      const object = objectText(known, one.rest);
      const destination = destinationText(known, one.destination);
      if (one.outcome === "failed") {
        hooks.onEvent({ kind: "object-failed", failure: { object, destination, why: one.why } });
      } else {
        const digest = one.digest === undefined ? {} : { digest: one.digest };
        hooks.onEvent({ kind: "object", object, destination, bytes: one.bytes, ...digest });
      }
    }
    hooks.onCounts();
  }

  #known(): Known {
    const { order } = this.#facts;
    return { order, ends: this.#ground?.ends, isSingle: this.#ground?.isSingle === true };
  }

  // ---- what gateways have

  #gateways(): readonly Begun[] {
    return JSON.parse(this.#ledger.fact(gatewaysFact) ?? "[]") as readonly Begun[];
  }

  /** Before they begin: whoever may have something of ours is on record. */
  #remember(parts: readonly Part[]): void {
    const known = new Map(this.#gateways().map((one) => [one.gateway, one]));
    for (const { program, stores, writes } of parts) {
      known.set(program.gateway, { gateway: program.gateway, stores, writes });
    }
    this.#ledger.setFact(gatewaysFact, JSON.stringify([...known.values()]));
    this.#ledger.setFact(startedFact, "1");
  }

  #forget(gateway: GatewayId): void {
    const left = this.#gateways().filter((one) => one.gateway !== gateway);
    this.#ledger.setFact(gatewaysFact, JSON.stringify(left));
  }

  async #clearGateways(ground: Ground, signal: AbortSignal): Promise<readonly string[]> {
    const begun = this.#gateways();
    if (begun.length === 0) return [];
    const { ports } = this.#options;
    const parts = begun.map((one) => clearingPart(one, ground.ends));
    const { begin, passes } = await this.#ordersOf(this.#facts, ground, parts);
    const clearing = { ports, parts, begin, passes, onClear: (id: GatewayId) => this.#forget(id) };
    return await clearGateways(clearing, signal);
  }
}

/** What a round is planned over. */
interface Stand {
  readonly ground: Ground;
  readonly sites: readonly GatewaySite[];
  readonly absent: ReadonlySet<number>;
}
