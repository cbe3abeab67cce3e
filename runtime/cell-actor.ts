// The life of one actor: its mailbox, its state, its turns, and the effects that wait for the disk.
//
//     letter ──▶ step ──▶ commit ─ ─ ─ on disk ─ ─ ─▶ effects, in order
//                  └────▶ next letter's step (does not wait for the disk)
//
// `step` runs ahead of the disk, so the store writes many turns in one go. Effects do not: those of
// a turn are released when its own commit and all earlier ones have resolved, so nobody outside
// ever sees a state that could still be lost. A turn that commits nothing performs at once.
//
// An actor ends when it is stopped, `step` throws, `perform` throws what nobody could expect, or a
// commit fails. It then takes no more letters, cancels its timers and aborts its signal; what is
// committed is still performed once on disk; then it is down, and its journal is at rest.

import type { Address } from "../model/address.ts";
import { addressText } from "../model/address.ts";
import { assert, errorText, isSkyError, SkyError } from "../model/errors.ts";
import type { ActorReport, RuntimeEffect } from "./actor.ts";
import type { AnyActor, AnyEffect, AnyMessage, AnyTurn, CellHost, Letter, Life } from "./cell.ts";
import type { Clock, Instant } from "./clock.ts";
import { Context } from "./context.ts";
import type { OutboxEntry, TurnId } from "./journal.ts";
import { batchOf, effectToken, outboxEntries, withOutbox } from "./journal.ts";
import type { Log } from "./log.ts";
import { Mailbox, Ring } from "./mailbox.ts";
import type { Batch, Store } from "./store.ts";
import { Timers } from "./timers.ts";

/** A turn whose effects wait for its own or an earlier commit. */
interface HeldTurn {
  readonly turn: number;
  readonly effects: readonly AnyEffect[];
  readonly outbox: readonly OutboxEntry[];
  saved: boolean;
}

const noEntries: readonly OutboxEntry[] = [];

export class Cell {
  readonly life: Life;
  /** The dispatcher's mark. */
  queued = false;
  readonly #host: CellHost;
  readonly #actor: AnyActor;
  readonly #mailbox: Mailbox<Letter>;
  readonly #timers: Timers<AnyMessage>;
  /** Turns whose effects are not released yet, oldest first. */
  readonly #held = new Ring<HeldTurn>();
  /** Keys of the outbox whose effects were carried out; the next commit deletes them. */
  #outboxDone: string[] = [];
  #openLog: Log | undefined;
  #state: unknown;
  #turns = 0;
  #commitsPending = 0;
  #phase: "living" | "ending" | "down" = "living";
  #performing = false;
  #end = { reason: "", crashed: false };
  #abort: AbortController | undefined;
  #whenSaved: (() => void)[] = [];

  constructor(host: CellHost, actor: AnyActor, life: Life) {
    this.#host = host;
    this.#actor = actor;
    this.life = life;
    this.#mailbox = new Mailbox(life.mailboxMax);
    this.#timers = new Timers(host.clock, (timer) => {
      this.#mailbox.offerUrgent({ message: timer.message, from: life.address.node, timer });
      this.#wake();
    });
  }

  get address(): Address {
    return this.life.address;
  }

  get #log(): Log {
    this.#openLog ??= this.life.log();
    return this.#openLog;
  }

  get living(): boolean {
    return this.#phase === "living";
  }

  get clock(): Clock {
    return this.#host.clock;
  }

  get mailboxCount(): number {
    return this.#mailbox.count;
  }

  /** Made on demand: most actors never look at it. */
  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.#phase !== "living") this.#abort.abort(this.#cancelled());
    }
    return this.#abort.signal;
  }

  /** Takes the turn of `start`; before it, performs again what an earlier life left over. */
  open(first: AnyTurn, at: Instant, outbox: readonly OutboxEntry[]): void {
    for (const entry of outbox) this.#performDurable(entry);
    this.#accept(first, undefined, at);
  }

  /** Whether other nodes may send it messages of this kind. */
  isOpenTo(kind: string): boolean {
    return this.#actor.fromOtherNodes?.includes(kind) ?? false;
  }

  /** Puts a message of somebody else in line; false if the mailbox is full. */
  post(message: AnyMessage, from: string): boolean {
    if (!this.#mailbox.offer({ message, from })) return false;
    this.#wake();
    return true;
  }

  /** Puts a message of the actor to itself in line. After its end it goes nowhere. */
  postOwn(message: AnyMessage): void {
    const letter = { message, from: this.life.address.node };
    if (this.#phase !== "living") {
      this.#host.discarded(letter, this.life.address);
      return;
    }
    this.#mailbox.offerOwn(letter);
    this.#wake();
  }

  tell(to: Address, message: object): void {
    const { cluster, node, kind, id } = this.life.address;
    const own = to.id === id && to.kind === kind && to.node === node && to.cluster === cluster;
    if (own) this.postOwn(message as AnyMessage);
    else this.#host.tell(to, message);
  }

  hasTurns(): boolean {
    return this.#phase === "living" && this.#mailbox.count > 0;
  }

  run(turnsMax: number): number {
    let turns = 0;
    while (turns < turnsMax && this.#phase === "living") {
      const letter = this.#mailbox.take();
      if (letter === undefined) break;
      if (letter.timer !== undefined && !this.#timers.claim(letter.timer)) continue;
      turns += 1;
      this.#step(letter);
    }
    return turns;
  }

  /** Ends the actor; the first reason stays. `onDown` tells when it is down. */
  end(reason: string, crashed: boolean): void {
    if (this.#phase !== "living") return;
    this.#phase = "ending";
    this.#end = { reason, crashed };
    this.#timers.cancelAll();
    this.#abort?.abort(this.#cancelled());
    for (let letter = this.#mailbox.take(); letter; letter = this.#mailbox.take()) {
      if (letter.timer === undefined) this.#host.discarded(letter, this.life.address);
    }
    this.#settle();
  }

  /** Calls `done` when every turn so far is on disk and performed, or the actor is down. */
  whenSaved(done: () => void): void {
    if (this.#held.count === 0) done();
    else this.#whenSaved.push(done);
  }

  report(): ActorReport {
    return {
      address: this.life.address,
      mailboxCount: this.#mailbox.count,
      turns: this.#turns,
      commitsPending: this.#commitsPending,
      timers: this.#timers.names(),
      incarnation: this.life.incarnation,
    };
  }

  token(turn: number, index: number): string {
    return effectToken(this.life.address, this.#turnId(turn), index);
  }

  #wake(): void {
    if (!this.queued) this.life.onReady();
  }

  #step(letter: Letter): void {
    const at = this.#host.clock.now();
    let turn: AnyTurn;
    try {
      turn = this.#actor.step(this.#state, { ...letter.message, at, from: letter.from });
      assert(turn !== undefined, "step answers with a turn");
    } catch (error) {
      // Nothing of this letter was taken: who asked may know at once.
      if (letter.timer === undefined) this.#host.discarded(letter, this.life.address);
      this.#crash(`step threw on ${letter.message.kind}`, error);
      return;
    }
    this.#accept(turn, letter, at);
  }

  /** Takes a turn over: its state now, its effects when they may be seen. */
  #accept(turn: AnyTurn, letter: Letter | undefined, at: Instant): void {
    const number = this.#turns;
    this.#turns += 1;
    this.#state = turn.state;
    if (this.#host.observe !== undefined) this.#observe(turn, letter, at);
    const added = turn.outbox === undefined ? noEntries : this.#outboxOf(turn, number);
    if (turn.commit !== undefined || added.length > 0) {
      this.#commit(turn, number, added);
    } else if (this.#held.count > 0) {
      this.#held.push({ turn: number, effects: turn.effects, outbox: noEntries, saved: true });
    } else {
      this.#performAll(turn.effects, number);
      this.#settle();
    }
  }

  #commit(turn: AnyTurn, number: number, added: readonly OutboxEntry[]): void {
    const plain = added.length === 0 && this.#outboxDone.length === 0;
    const batch =
      plain && turn.commit !== undefined
        ? turn.commit
        : withOutbox(turn.commit, { added, done: this.#outboxDone.splice(0) });
    const held = { turn: number, effects: turn.effects, outbox: added, saved: false };
    this.#held.push(held);
    this.#commitsPending += 1;
    commitTo(this.#host.store, batch).then(
      () => {
        this.#commitsPending -= 1;
        held.saved = true;
        this.#release();
      },
      (error: unknown) => {
        this.#commitsPending -= 1;
        this.#commitFailed(error);
      },
    );
  }

  /** Performs, in order, what no commit holds back any more. */
  #release(): void {
    for (let held = this.#held.peek(); held?.saved; held = this.#held.peek()) {
      this.#performAll(held.effects, held.turn);
      for (const entry of held.outbox) this.#performDurable(entry);
      this.#held.shift();
    }
    if (this.#held.count > 0) return;
    for (const done of this.#whenSaved.splice(0)) done();
    this.#settle();
  }

  /** A state that was not saved never existed: nothing of it, or after it, is performed. */
  #commitFailed(error: unknown): void {
    while (this.#held.count > 0) this.#held.shift();
    this.#crash("a commit failed", error);
    this.#release();
  }

  #performAll(effects: readonly AnyEffect[], turn: number): void {
    this.#performing = true;
    for (let index = 0; index < effects.length; index += 1) {
      const effect = effects[index] as AnyEffect;
      try {
        if (this.#performOwn(effect as RuntimeEffect<AnyMessage>)) continue;
        const done = this.#actor.perform(effect, new Context(this, turn, index));
        if (done instanceof Promise) done.catch((error: unknown) => this.#failed(effect, error));
      } catch (error) {
        this.#failed(effect, error);
      }
    }
    this.#performing = false;
  }

  #performOwn(effect: RuntimeEffect<AnyMessage>): boolean {
    switch (effect.kind) {
      case "tell":
        this.tell(effect.to, effect.message);
        return true;
      case "start-timer":
        if (this.living) this.#timers.start(effect.name, effect.ms, effect.message);
        return true;
      case "cancel-timer":
        this.#timers.cancel(effect.name);
        return true;
      default:
        return false;
    }
  }

  #performDurable({ key, token, effect }: OutboxEntry): void {
    const carriedOut = (): void => {
      this.#outboxDone.push(key);
    };
    try {
      const done = this.#actor.perform(effect, new Context(this, token));
      if (!(done instanceof Promise)) carriedOut();
      else done.then(carriedOut, (error: unknown) => this.#failed(effect, error));
    } catch (error) {
      this.#failed(effect, error);
    }
  }

  /** What `perform` may throw is logged and left to the reconcile; the rest is a bug. */
  #failed(effect: AnyEffect, error: unknown): void {
    if (!this.living && this.#abort !== undefined) {
      this.#log.debug("effect ended with its actor", { effect: effect.kind, error });
    } else if (isSkyError(error) && error.remedy !== "fix-code") {
      this.#log.warn("effect failed", { effect: effect.kind, error });
    } else {
      this.#crash(`perform threw on ${effect.kind}`, error);
    }
  }

  #crash(what: string, error: unknown): void {
    const reason = `${what}: ${errorText(error)}`;
    if (this.#end.crashed) {
      this.#log.debug("crashed actor failed again", { what, error });
      return;
    }
    if (isSkyError(error) && error.remedy !== "fix-code") {
      this.#log.warn("actor crashed", { what, error });
    } else {
      this.#log.error("actor crashed", { what, error });
    }
    if (this.living) this.end(reason, true);
    else this.#end = { reason, crashed: true };
  }

  /** Goes down if it is ending and nothing is under way. */
  #settle(): void {
    if (this.#phase !== "ending" || this.#held.count > 0 || this.#performing) return;
    const deletes = this.#outboxDone.splice(0);
    if (deletes.length === 0 || this.#end.crashed) {
      this.#down();
      return;
    }
    // A stop in good order leaves no record of effects that are done.
    commitTo(this.#host.store, batchOf({ deletes })).then(
      () => this.#down(),
      (error: unknown) => {
        this.#log.debug("outbox not swept: the next start repeats it", { error });
        this.#down();
      },
    );
  }

  #down(): void {
    if (this.#phase === "down") return;
    this.#phase = "down";
    this.life.onDown(this.#end.reason, this.#end.crashed);
  }

  #outboxOf(turn: AnyTurn, number: number): readonly OutboxEntry[] {
    const effects = { first: turn.effects.length, outbox: turn.outbox ?? [] };
    return outboxEntries(this.life.address, this.#turnId(number), effects);
  }

  #observe(turn: AnyTurn, letter: Letter | undefined, at: Instant): void {
    this.#host.observe?.({
      address: this.life.address,
      turn: this.#turns - 1,
      at,
      message: letter?.message,
      from: letter?.from ?? this.life.address.node,
      state: turn.state,
      effects: turn.outbox === undefined ? turn.effects : [...turn.effects, ...turn.outbox],
      commit: turn.commit,
    });
  }

  #turnId(turn: number): TurnId {
    return { system: this.#host.incarnation, actor: this.life.incarnation, turn };
  }

  #cancelled(): SkyError<"core/cancelled"> {
    return new SkyError("core/cancelled", { what: addressText(this.life.address) });
  }
}

async function commitTo(store: Store | undefined, batch: Batch): Promise<void> {
  if (store === undefined) throw new SkyError("store/failed", { why: "there is no journal" });
  await store.commit(batch);
}
