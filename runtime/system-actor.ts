// The actors of one node, and how a message finds its way to one.
//
//     same node   tell ────────────────────────────────────────────▶ mailbox ─▶ turns (cell-actor)
//     other node  tell ─▶ codec ─▶ bus: from.<us>.to.<them> ─▶ codec ─▶ mailbox
//
// Within the node a message is handed over as it is and refused when it cannot be taken. Between
// nodes it is published, at most once: what must not be lost is a record and a reconcile. Who sent
// a message is read from its subject, which the bus lets nobody else publish, never from what it
// says; a request whose answer should go to a third node is dropped, so nobody makes us speak to
// others. A request to nobody is refused at once, here and across the bus; another message to
// nobody, and what cannot be decoded, is counted and forgotten: a peer can waste our time, no more.
// Nothing here is global; many systems live in one process.

import type { Address, Ref } from "../model/address.ts";
import { addressText, inboxPattern, parseSubject, subjectOf } from "../model/address.ts";
import { assert, errorText, isSkyError, SkyError } from "../model/errors.ts";
import { tokenPattern } from "../model/ids.ts";
import { decodeEnvelope, encodeEnvelope } from "../proto/envelope.ts";
import type { Refusal, WireMessage } from "../proto/messages.ts";
import type { Actor, ActorReport, SpawnOptions, System } from "./actor.ts";
import type { Arrivals } from "./arrivals.ts";
import { createArrivals } from "./arrivals.ts";
import type { AskOptions, Asks } from "./asks.ts";
import { askKind, createAsks } from "./asks.ts";
import type { Bus, BusMessage } from "./bus.ts";
import type { AnyActor, AnyMessage, CellHost, Letter, TurnReport } from "./cell.ts";
import { Cell } from "./cell-actor.ts";
import type { Clock } from "./clock.ts";
import type { Dispatcher } from "./dispatch-actor.ts";
import { createDispatcher } from "./dispatch-actor.ts";
import type { Log } from "./log.ts";
import type { Metrics } from "./metrics.ts";
import { createMetrics } from "./metrics.ts";
import type { Store } from "./store.ts";

export interface SystemOptions {
  readonly cluster: string;
  readonly node: string;
  /** A whole number that rises with every start of this node's process. */
  readonly incarnation: number;
  readonly clock: Clock;
  readonly bus: Bus;
  /** The journal. Without one, a turn that commits crashes its actor. */
  readonly store?: Store;
  readonly log: Log;
  readonly metrics?: Metrics;
  /** Hears of every turn. Must not throw. */
  readonly observe?: (turn: TurnReport) => void;
}

/** A system, with what its supervisors need beside the five verbs. */
export interface ActorSystem extends System {
  /** Resolves when all turns so far of an actor are on disk and performed, or it has ended. */
  saved(target: Address): Promise<void>;
  readonly metrics: Metrics;
}

type Watcher = (reason: string, crashed: boolean) => void;

interface Resident {
  readonly cell: Cell;
  readonly watchers: Set<Watcher>;
}

export function createSystem(options: SystemOptions): ActorSystem {
  return new LocalSystem(options);
}

class LocalSystem implements ActorSystem, CellHost {
  readonly cluster: string;
  readonly node: string;
  readonly incarnation: number;
  readonly clock: Clock;
  readonly store: Store | undefined;
  readonly observe: ((turn: TurnReport) => void) | undefined;
  readonly metrics: Metrics;
  readonly #bus: Bus;
  readonly #log: Log;
  readonly #asks: Asks;
  readonly #dispatcher: Dispatcher;
  readonly #leaveBus: () => void;
  /** By kind, then id: two look-ups of short known strings are faster than one of a built one. */
  readonly #residents = new Map<string, Map<string, Resident>>();
  /** The newest incarnation that each other node has spoken with. */
  readonly #newest = new Map<string, number>();
  readonly #arrivals: Arrivals = createArrivals();
  readonly #stream: number;
  #published = 0;
  #spawned = 0;
  #closed = false;

  constructor(options: SystemOptions) {
    this.cluster = options.cluster;
    this.node = options.node;
    this.incarnation = options.incarnation;
    this.clock = options.clock;
    this.store = options.store;
    this.observe = options.observe;
    this.metrics = options.metrics ?? createMetrics();
    this.#bus = options.bus;
    this.#log = options.log.child({ cluster: options.cluster, node: options.node });
    this.#asks = createAsks(options);
    this.#dispatcher = createDispatcher();
    this.#stream = newStream(options.clock);
    this.#leaveBus = options.bus.subscribe(inboxPattern(options.cluster, options.node), (message) =>
      this.#arrived(message),
    );
  }

  spawn<M extends { readonly kind: string }, S, F extends { readonly kind: string }, A>(
    actor: Actor<M, S, F, A>,
    id: string,
    ...[args, options = {}]: [args: A, options?: SpawnOptions]
  ): Ref<M> {
    const { kind } = actor;
    const address = { cluster: this.cluster, node: this.node, kind, id };
    assert(!this.#closed, `${addressText(address)} is spawned in a closed system`);
    assert(tokenPattern.test(kind) && tokenPattern.test(id), `${kind}/${id} is no address`);
    assert(kind !== askKind, `the kind ${askKind} is the system's own`);
    assert(this.#find(address) === undefined, `${addressText(address)} is already taken`);
    const at = this.clock.now();
    const first = actor.start(args, at);
    const incarnation = this.#spawned + 1;
    this.#spawned = incarnation;
    const watchers = new Set<Watcher>();
    const cell: Cell = new Cell(this, actor as unknown as AnyActor, {
      address,
      incarnation,
      log: () => this.#log.child({ kind, id, incarnation }),
      mailboxMax: options.mailboxMax,
      onReady: () => this.#dispatcher.ready(cell),
      onDown: (reason, crashed) => this.#gone({ cell, watchers }, reason, crashed),
    });
    this.#house(kind).set(id, { cell, watchers });
    cell.open(first, at, options.outbox ?? []);
    return address;
  }

  tell<M>(to: Ref<M> | Address, message: M): void {
    if (to.node === this.node && to.cluster === this.cluster) {
      this.#deliver(to, message as unknown as AnyMessage, this.node);
    } else {
      this.#publish(to, message as unknown as WireMessage);
    }
  }

  ask<M, R>(to: Ref<M>, make: (replyTo: Ref<R>) => M, options: AskOptions): Promise<R> {
    const ask = this.#asks.open(to, options);
    if (this.#closed) {
      ask.refuse(new SkyError("core/cancelled", { what: `a request to ${addressText(to)}` }));
      return ask.reply as Promise<R>;
    }
    const local = to.node === this.node && to.cluster === this.cluster;
    const resident = local ? this.#find(to) : undefined;
    const onDown: Watcher = (reason) => ask.refuse(noSuchActor(to, reason));
    resident?.watchers.add(onDown);
    try {
      this.tell(to, make(ask.replyTo as Ref<R>));
    } catch (error) {
      ask.refuse(error instanceof Error ? error : new Error(errorText(error)));
    }
    if (resident === undefined) return ask.reply as Promise<R>;
    return ask.reply.finally(() => resident.watchers.delete(onDown)) as Promise<R>;
  }

  watch(target: Address, onDown: Watcher): () => void {
    assert(target.node === this.node, `${addressText(target)} is watched from ${this.node}`);
    const resident = this.#find(target);
    let hearing = true;
    const hear: Watcher = (reason, crashed) => {
      if (hearing) onDown(reason, crashed);
      hearing = false;
    };
    if (resident === undefined) queueMicrotask(() => hear("nothing lives there", false));
    else resident.watchers.add(hear);
    return () => {
      hearing = false;
      resident?.watchers.delete(hear);
    };
  }

  stop(target: Address, reason: string): Promise<void> {
    const resident = this.#find(target);
    if (resident === undefined) return Promise.resolve();
    const down = new Promise<void>((resolve) => resident.watchers.add(() => resolve()));
    resident.cell.end(reason, false);
    return down;
  }

  saved(target: Address): Promise<void> {
    const cell = this.#find(target)?.cell;
    return new Promise((resolve) => (cell === undefined ? resolve() : cell.whenSaved(resolve)));
  }

  inspect(): readonly ActorReport[] {
    return this.#all().map(({ cell }) => cell.report());
  }

  async close(reason: string): Promise<void> {
    this.#closed = true;
    // Last in, first out: what was spawned later may lean on what was there before.
    for (const { cell } of this.#all().reverse()) await this.stop(cell.address, reason);
    this.#leaveBus();
    this.#asks.close(reason);
  }

  discarded(letter: Letter, to: Address): void {
    this.#refuse(letter, "bus/no-such-actor", to);
  }

  /** @throws SkyError `mailbox/full`. */
  #deliver(to: Address, message: AnyMessage, from: string): void {
    if (to.kind === askKind) {
      if (!this.#asks.settle(to.id, message, from)) this.#count("replies_to_nobody_total");
      return;
    }
    const cell = this.#find(to)?.cell;
    if (cell === undefined || !cell.living) {
      this.#count("letters_to_nobody_total");
      this.#refuse({ message, from }, "bus/no-such-actor", to);
    } else if (!cell.post(message, from)) {
      this.#count("mailbox_full_total");
      this.#refuse({ message, from }, "mailbox/full", to);
      throw new SkyError("mailbox/full", { to: addressText(to), count: cell.mailboxCount });
    }
  }

  #publish(to: Address, message: WireMessage): void {
    assert(to.cluster === this.cluster, `${addressText(to)} is of another cluster`);
    this.#published += 1;
    const place = { stream: this.#stream, seq: this.#published };
    const payload = encodeEnvelope(message, this.incarnation, place);
    try {
      this.#bus.publish(subjectOf(this.node, to), payload);
    } catch (error) {
      // A closed bus loses messages as a cut one does; whoever needs an answer times out.
      if (!isSkyError(error, "bus/closed")) throw error;
      this.#count("messages_lost_total");
    }
  }

  #arrived({ subject, payload }: BusMessage): void {
    const ends = parseSubject(subject);
    if (ends === undefined) {
      this.#undecodable(subject, "no mailbox subject");
      return;
    }
    let envelope: ReturnType<typeof decodeEnvelope>;
    try {
      envelope = decodeEnvelope(payload);
    } catch (error) {
      this.#undecodable(subject, errorText(error));
      return;
    }
    if (!this.#arrivals.isNews(ends.from, envelope.place, envelope.incarnation)) {
      this.#count("late_messages_total");
      return;
    }
    this.#received(ends.to, envelope.message, { node: ends.from, life: envelope.incarnation });
  }

  #received(
    to: Address,
    message: WireMessage,
    from: { readonly node: string; readonly life: number },
  ): void {
    const newest = Math.max(from.life, this.#newest.get(from.node) ?? 0);
    this.#newest.set(from.node, newest);
    const replyTo = replyAddress(message);
    if (to.kind === askKind && from.life < newest) {
      this.#count("stale_replies_total");
    } else if (message.kind === "refusal") {
      const refused = this.#asks.refuse(to.id, from.node, (target) =>
        refusalError(message, target),
      );
      if (!refused) this.#count("replies_to_nobody_total");
    } else if (replyTo !== undefined && !this.#isFrom(replyTo, from.node)) {
      this.#count("forged_reply_addresses_total");
      this.#log.warn("reply address is not the sender's: look into that node", {
        from: from.node,
        replyTo: addressText(replyTo),
      });
    } else {
      this.#deliverRemote(to, message, from.node);
    }
  }

  #deliverRemote(to: Address, message: WireMessage, from: string): void {
    if (this.#find(to)?.cell.isOpenTo(message.kind) === false) {
      this.#count("unexpected_messages_total");
      this.#log.warn("message dropped: look into its sender", {
        ...{ from, to: addressText(to), kind: message.kind },
      });
      return;
    }
    try {
      this.#deliver(to, message, from);
    } catch (error) {
      // The sender was told if it asked; it repeats what matters.
      this.#log.debug("message refused", { from, to: addressText(to), kind: message.kind, error });
    }
  }

  /** Tells whoever asked for a reply that none will come. */
  #refuse({ message, from }: Letter, code: Refusal["code"], to: Address): void {
    const replyTo = replyAddress(message);
    if (replyTo === undefined || replyTo.kind !== askKind) return;
    const refusal: Refusal = { kind: "refusal", code, to: addressText(to) };
    if (replyTo.node === this.node) {
      this.#asks.refuse(replyTo.id, undefined, (target) => refusalError(refusal, target));
    } else if (this.#isFrom(replyTo, from)) {
      this.#publish(replyTo, refusal);
    }
  }

  #isFrom(replyTo: Address, node: string): boolean {
    return replyTo.cluster === this.cluster && replyTo.node === node;
  }

  #undecodable(subject: string, why: string): void {
    this.#count("undecodable_messages_total");
    this.#log.warn("message dropped: check that both nodes run the same version", { subject, why });
  }

  #gone(resident: Resident, reason: string, crashed: boolean): void {
    const { address } = resident.cell;
    this.#house(address.kind).delete(address.id);
    if (crashed) this.#count("actor_crashes_total");
    for (const hear of [...resident.watchers]) {
      try {
        hear(reason, crashed);
      } catch (error) {
        this.#log.error("watcher threw", { of: addressText(address), error });
      }
    }
  }

  #find(address: Address): Resident | undefined {
    if (address.cluster !== this.cluster || address.node !== this.node) return undefined;
    return this.#residents.get(address.kind)?.get(address.id);
  }

  #house(kind: string): Map<string, Resident> {
    const found = this.#residents.get(kind);
    if (found !== undefined) return found;
    const house = new Map<string, Resident>();
    this.#residents.set(kind, house);
    return house;
  }

  /** In the order in which they were spawned. */
  #all(): Resident[] {
    const all = [...this.#residents.values()].flatMap((house) => [...house.values()]);
    return all.sort((a, b) => a.cell.life.incarnation - b.cell.life.incarnation);
  }

  #count(name: string): void {
    this.metrics.count(name, { node: this.node });
  }
}

let streams = 0;

/** A number that no other system of this node has had: counted here, set apart by the clock. */
function newStream(clock: Clock): number {
  streams = (streams + 1) % streamsPerMs;
  return Math.floor(clock.now().wallMs) * streamsPerMs + streams + 1;
}

const streamsPerMs = 1_000;

function noSuchActor(to: Address, why: string): SkyError<"bus/no-such-actor"> {
  return new SkyError("bus/no-such-actor", { to: addressText(to) }, { cause: new Error(why) });
}

function refusalError(refusal: Refusal, target: Address): SkyError {
  const to = addressText(target);
  if (refusal.code === "mailbox/full")
    return new SkyError("mailbox/full", { to, count: "too many" });
  return noSuchActor(target, `refused by ${refusal.to}`);
}

/** The reply address that a message carries, if it does. */
function replyAddress(message: object): Address | undefined {
  const { replyTo } = message as { readonly replyTo?: unknown };
  if (typeof replyTo !== "object" || replyTo === null) return undefined;
  const { cluster, node, kind, id } = replyTo as Partial<Address>;
  const whole = cluster !== undefined && node !== undefined && kind !== undefined;
  return whole && id !== undefined ? { cluster, node, kind, id } : undefined;
}
