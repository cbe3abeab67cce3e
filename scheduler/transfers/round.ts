// A round: gateways by a plan, objects to them as they have room, and what they say on record.
//
//   open channels ─ begin ─ listening → peer ─ objects … ─ objects-end ─ done ─ stop
//
// A copy is done when its writer says that it stands under its final name, and, where digests are
// asked for, when that digest is the one that its reader found. Changes go on record in batches. A
// gateway that is lost ends the round: what is not on record is left for the next one.
//
// What must always hold: nothing is on record as done that was not said to be whole; no more is
// told to a gateway than it has given credit for; at its end no channel of the round is open.

import { SkyError } from "../../model/errors.ts";
import type { Verification } from "../../model/transfer.ts";
import type { TransferPass } from "../../runtime/certificates-transfer-os.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { StreamTarget } from "../../runtime/stream.ts";
import type { GatewayDoors, GatewaySite, Reached } from "../../transfer/gateway/doors.ts";
import {
  type GatewayOrder,
  type GatewayWord,
  gatewayHeader,
  type WordedError,
} from "../../transfer/gateway/orders.ts";
import type { GatewayId } from "../../transfer/gateway/program.ts";
import { addressFor, dialling } from "../../transfer/gateway/reach.ts";
import { Bell } from "../../transfer/job/bell.ts";
import type { Ledger, LedgerObject } from "../../transfer/job/ledger.ts";
import { lanesBetween, type Part } from "../../transfer/job/programs.ts";
import type { RoundEnd } from "../../transfer/job/transfer-machine.ts";
import { GatewayLine } from "./gateway-line.ts";
import { again, endOf, fatal, wholeOf } from "./round-end.ts";
import { RoundRecord, type Settled } from "./round-record.ts";
import { sumOf, type Written, writtenIn } from "./written.ts";

export type Begin = Extract<GatewayOrder, { readonly kind: "begin" }>;

export interface RoundOptions {
  readonly parts: readonly Part[];
  readonly sites: ReadonlyMap<GatewayId, GatewaySite>;
  readonly doors: GatewayDoors;
  readonly clock: Clock;
  readonly ledger: Ledger;
  readonly verify: Verification;
  /** All of the order but who its peers are. */
  readonly begin: (part: Part) => Omit<Begin, "kind" | "peers" | "pass">;
  readonly passes: ReadonlyMap<GatewayId, TransferPass>;
  /** The next objects, at most so many; none: there are no more. Waits for the listing. */
  readonly next: (countMax: number) => Promise<readonly LedgerObject[]>;
  /** The round is over, and what is on disk of it is to be kept, or goes. */
  readonly leaveOf: (end: RoundEnd) => "keep" | "remove";
  /** A gateway has ended as it should: it has left what it was told to leave. */
  readonly onReleased: (gateway: GatewayId, leave: "keep" | "remove") => void;
  /** It broke the round off. */
  readonly onLost: (gateway: GatewayId) => void;
  /** A destination takes nothing more, for good. Whether there are others. */
  readonly onHopeless: (destination: number, why: string) => boolean;
  /** Why something may be left when all is done that this round was for; or empty. */
  readonly leftWhy: string;
  readonly onSettled: (settled: readonly Settled[]) => void;
  /** Bytes that were written in this round, by destination. */
  readonly onWritten: (bytes: readonly number[]) => void;
}

/** Objects that are asked for at a time. */
const batchMax = 1_024;
/** They wait until so many can be told together. */
const batchMin = 64;
/** All gateways have begun within that time, or the round is over. */
const beginMsMax = 60_000;

/** Never throws for what the world does. The signal ends it early, and keeps what can be kept. */
export async function runRound(options: RoundOptions, signal: AbortSignal): Promise<RoundEnd> {
  const round = new Round(options, signal);
  return await round.run();
}

/** A gateway, with what is known of it in this round. */
interface Member {
  readonly part: Part;
  line: GatewayLine | undefined;
  credit: number;
  /** The most that it had. */
  creditMax: number;
  hasBegun: boolean;
  isDone: boolean;
  target: StreamTarget | undefined;
  /** By destination. */
  written: Written;
}

class Round {
  readonly #options: RoundOptions;
  readonly #signal: AbortSignal;
  readonly #members: readonly Member[];
  readonly #bell = new Bell();
  /** Settled once, when the round has its end. */
  readonly #over = Promise.withResolvers<undefined>();
  readonly #record: RoundRecord;
  readonly #reached: Reached[] = [];
  #end: RoundEnd | undefined;
  #isOver = false;

  constructor(options: RoundOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
    this.#record = new RoundRecord({
      ...options,
      onBroken: (error) => this.#finish(endOf(error, "the ledger: ")),
    });
    this.#members = options.parts.map((part) => ({
      ...{ part, line: undefined, credit: 0, creditMax: 0, written: new Map() },
      ...{ hasBegun: false, isDone: false, target: undefined },
    }));
  }

  async run(): Promise<RoundEnd> {
    const stop = (): void => this.#finish(again("it was interrupted"));
    this.#signal.addEventListener("abort", stop, { once: true });
    if (this.#signal.aborted) stop();
    try {
      await this.#open();
      await this.#whenAllBegan();
      await this.#dispatch();
      await this.#whenAllDone();
    } catch (error) {
      this.#finish(endOf(error));
    } finally {
      this.#signal.removeEventListener("abort", stop);
    }
    this.#record.write();
    const end = this.#ended();
    this.#isOver = true;
    await this.#close(end);
    return end;
  }

  // ---- gateways

  async #open(): Promise<void> {
    const opening = this.#members.map(async (member) => {
      const { gateway } = member.part.program;
      const channel = await this.#options.doors.open(gateway, gatewayHeader, this.#signal);
      const hear = (word: GatewayWord): void => this.#hear(member, word);
      const line = new GatewayLine({ channel, clock: this.#options.clock, hear });
      member.line = line;
      void line.closed.then((why) => this.#lost(member, why));
      line.say(this.#beginOf(member));
    });
    const opened = await Promise.allSettled(opening);
    for (const [at, one] of opened.entries()) {
      if (one.status === "fulfilled") continue;
      const gateway = this.#members[at]?.part.program.gateway ?? "";
      this.#options.onLost(gateway);
      this.#finish(endOf(one.reason, `${gateway}: `));
    }
  }

  #beginOf({ part }: Member): Begin {
    const { gateway } = part.program;
    const pass = this.#options.passes.get(gateway);
    if (pass === undefined) throw new SkyError("core/broken-invariant", { what: "no pass" });
    const others = [...new Set([...part.to, ...part.from])];
    const peers = others.map((peer) => ({
      ...{ peer, dial: this.#dials(gateway, peer, part) },
      connections: lanesBetween(this.#options.parts, gateway, peer),
    }));
    return { kind: "begin", ...this.#options.begin(part), peers, pass };
  }

  /** Between two that send to each other, the one whose name is less is taken as the sender. */
  #dials(gateway: GatewayId, peer: GatewayId, { to, from }: Part): boolean {
    const isSender = to.includes(peer) && (!from.includes(peer) || gateway < peer);
    const [first, second] = isSender ? [gateway, peer] : [peer, gateway];
    const who = dialling(this.#site(first), this.#site(second));
    if (who === undefined) {
      throw new SkyError("stream/closed", { why: `${first} and ${second} cannot be joined` });
    }
    return (who === "first" ? first : second) === gateway;
  }

  #site(gateway: GatewayId): GatewaySite {
    const site = this.#options.sites.get(gateway);
    if (site !== undefined) return site;
    throw new SkyError("stream/closed", { why: `${gateway} is not there any more` });
  }

  /** Tells everybody who dials a gateway where it listens. */
  async #tellTarget(listener: Member, target: StreamTarget): Promise<void> {
    const to = listener.part.program.gateway;
    for (const member of this.#members) {
      const from = member.part.program.gateway;
      const isPeer = member.part.to.includes(to) || member.part.from.includes(to);
      if (!isPeer || !this.#dials(from, to, member.part)) continue;
      const host = addressFor(this.#site(from), this.#site(to)) ?? target.host;
      const there = { ...target, host, peer: to };
      const reached = await this.#options.doors.reach?.({ from, to, target: there }, this.#signal);
      if (reached !== undefined) this.#reached.push(reached);
      member.line?.say({ kind: "peer", peer: to, target: reached?.target ?? there });
    }
  }

  #lost({ part, isDone }: Member, why: string): void {
    // Relays serve until they are stopped, and so does everybody else.
    if (this.#end !== undefined || (isDone && this.#isOver)) return;
    this.#options.onLost(part.program.gateway);
    this.#finish(again(`${part.program.gateway} was lost: ${why}`));
  }

  // ---- what gateways say

  #hear(member: Member, word: GatewayWord): void {
    try {
      this.#take(member, word);
    } catch (error) {
      this.#finish(endOf(error));
    }
    this.#bell.ring();
  }

  #take(member: Member, word: GatewayWord): void {
    switch (word.kind) {
      case "listening":
        this.#tellTarget(member, word.target).catch((error) => this.#finish(endOf(error)));
        return;
      case "begun":
        member.hasBegun = true;
        return;
      case "credit":
        member.credit += word.objects;
        member.creditMax = Math.max(member.creditMax, member.credit);
        return;
      case "read":
        for (const { object, digest } of word.objects) this.#record.read(object, digest);
        return;
      case "wrote":
        for (const written of word.objects) this.#record.wrote(written);
        return;
      case "upload": {
        const { object, destination, upload } = word;
        this.#options.ledger.upload({ destination, upload }, object);
        return;
      }
      case "failed":
        this.#failed(member, word);
        return;
      case "metrics": {
        member.written = writtenIn(word.metrics);
        this.#options.onWritten(sumOf(this.#members.map(({ written }) => written)));
        return;
      }
      case "done":
        member.isDone = true;
        return;
    }
  }

  #failed(member: Member, word: Extract<GatewayWord, { readonly kind: "failed" }>): void {
    const { object, destination, handle } = word;
    const error = mayPass(word.error);
    if (object === undefined) {
      const why = `${member.part.program.gateway} (${handle}): ${error.text}`;
      if (error.retry || destination === undefined) {
        this.#finish(error.retry ? again(why) : fatal(why));
      } else this.#lose(destination, error);
      return;
    }
    // Its writers would wait for what does not come.
    if (destination === undefined) this.#forget(object);
    this.#record.failed(object, destination, error);
    if (error.retry || !this.#record.isHopeless(destination, error)) return;
    if (destination === undefined) this.#finish(fatal(error.text));
    else this.#lose(destination, error);
  }

  /** It takes nothing more. The others go on without it, in another round. */
  #lose(destination: number, error: WordedError): void {
    this.#record.failAt(destination, error);
    const isLast = !this.#options.onHopeless(destination, error.text);
    this.#finish(isLast ? fatal(error.text) : { ...again(error.text), hasMoved: true });
  }

  #forget(object: number): void {
    const left = this.#record.left(object);
    for (const { part, line } of this.#members) {
      const writes = part.writes.some((at) => left.includes(at));
      if (writes && !part.reads) line?.say({ kind: "forget", objects: [object] });
    }
  }

  // ---- objects

  async #dispatch(): Promise<void> {
    while (this.#end === undefined) {
      const room = Math.min(batchMax, ...this.#told().map(({ credit }) => credit));
      if (room < this.#fewest()) {
        await this.#bell.next();
        continue;
      }
      const objects = await Promise.race([this.#options.next(room), this.#over.promise]);
      if (objects === undefined) return;
      if (objects.length === 0) break;
      this.#tell(objects);
    }
    for (const { line } of this.#members) line?.say({ kind: "objects-end" });
  }

  /** Not each object by itself, where a gateway takes many. */
  #fewest(): number {
    const peak = Math.min(...this.#told().map(({ creditMax }) => creditMax));
    return Math.max(1, Math.min(batchMin, Math.floor(peak / 4)));
  }

  #told(): readonly Member[] {
    return this.#members.filter(({ part }) => part.reads || part.writes.length > 0);
  }

  /** Those that write first: a chunk then never comes before its object's name. */
  #tell(objects: readonly LedgerObject[]): void {
    for (const object of objects) this.#record.told(object);
    const [readers, writers] = [
      this.#members.filter(({ part }) => part.reads),
      this.#members.filter(({ part }) => !part.reads && part.writes.length > 0),
    ];
    for (const member of [...writers, ...readers]) {
      const { reads, writes } = member.part;
      const its = objects.filter(
        ({ targets }) => reads || writes.some((at) => typeof targets[at] === "string"),
      );
      member.credit -= its.length;
      member.line?.tell(its.map(gatewayObject));
    }
  }

  // ---- the end

  async #whenAllBegan(): Promise<void> {
    const late = this.#options.clock.after(beginMsMax, () => {
      const missing = this.#members.filter(({ hasBegun }) => !hasBegun);
      const names = missing.map(({ part }) => part.program.gateway).join(", ");
      this.#finish(again(`${names} did not begin within ${beginMsMax / 1_000} s`));
    });
    while (this.#end === undefined && !this.#members.every(({ hasBegun }) => hasBegun)) {
      await this.#bell.next();
    }
    late();
  }

  async #whenAllDone(): Promise<void> {
    while (this.#end === undefined && !this.#members.every(({ isDone }) => isDone)) {
      await this.#bell.next();
    }
  }

  /** The first end stays. */
  #finish(end: RoundEnd): void {
    this.#end ??= end;
    this.#over.resolve(undefined);
    this.#bell.ring();
  }

  #ended(): RoundEnd {
    const { hasMoved, lastWhy } = this.#record;
    if (this.#end !== undefined) {
      const end = this.#end;
      return end.kind === "again" ? { ...end, hasMoved: end.hasMoved || hasMoved } : end;
    }
    const { todo } = this.#options.ledger.counts();
    if (todo > 0)
      return {
        kind: "again",
        why: lastWhy || this.#options.leftWhy || `${todo} are left`,
        hasMoved,
      };
    return wholeOf(this.#options.ledger);
  }

  async #close(end: RoundEnd): Promise<void> {
    const leave = this.#options.leaveOf(end);
    const stopping = this.#members.map(async ({ line, part }) => {
      const isReleased = (await line?.stop(leave)) ?? false;
      if (isReleased) this.#options.onReleased(part.program.gateway, leave);
    });
    await Promise.all(stopping);
    await Promise.all(this.#reached.map((one) => one.close()));
  }
}

function gatewayObject({ rest: _, number, ...object }: LedgerObject) {
  return { object: number, ...object };
}

/** Another transfer writes the same file just now: it will let go. */
function mayPass(error: WordedError): WordedError {
  if (error.code !== "store/locked") return error;
  return { ...error, retry: true, text: `another transfer writes it: ${error.text}` };
}
