// All transfers of a home: one actor each, and their committed records for readers.
//
// Numbers rise from 1 and are never given twice while one that had it is on record. An order with
// an idempotency key that is known is the transfer that has it. What ended longest ago is forgotten
// first, with its folder and with what it had left for another try.

import { homeCluster } from "../../clouds/home-records.ts";
import type { Address, Ref } from "../../model/address.ts";
import { headNode } from "../../model/address.ts";
import { errorText, SkyError } from "../../model/errors.ts";
import type {
  ObjectFailure,
  ProfiledLink,
  TransferOrder,
  TransferPreview,
  TransferView,
  TransferEvent as WatchedEvent,
} from "../../model/transfer.ts";
import { batchOf, jsonRecord, recordValue } from "../../runtime/journal.ts";
import { hexToken } from "../../runtime/random.ts";
import type { Store } from "../../runtime/store.ts";
import type { ActorSystem } from "../../runtime/system-actor.ts";
import { noPace, type Pace, paced, rateOf, secondsLeft } from "../../transfer/job/progress.ts";
import type {
  TransferEnd,
  TransferEvent,
  TransferFacts,
  TransferState,
} from "../../transfer/job/transfer-machine.ts";
import { failuresIn } from "./failures-os.ts";
import { type Ended, letGo, letGoForEver } from "./leftovers-os.ts";
import { previewTransfer } from "./preview-os.ts";
import type { Profiler } from "./profile.ts";
import type { RunHooks, RunPorts } from "./run-ports.ts";
import {
  type Cleared,
  subjectOf,
  transferActor,
  transferKind,
  transferRecordKey,
} from "./transfer-actor.ts";
import { folderOfTransfer, removeFolder, strangersIn } from "./transfer-folders-os.ts";
import { type RunOptions, TransferRun } from "./transfer-run-os.ts";
import { noCounts, viewOf } from "./transfer-view.ts";
import type { FailurePage, ProfileRequest, TransferCall, Transfers } from "./transfers.ts";
import { Watchers } from "./watchers.ts";

export interface TransfersOptions extends RunPorts {
  /** Of `homeCluster`, with the journal. */
  readonly system: ActorSystem;
  readonly store: Store;
  /** Of the home: a folder for each transfer is made in it. */
  readonly dir: string;
  readonly profiler: Pick<Profiler, "measure">;
  /** Those that ended, of which something is kept. */
  readonly endedMax?: number;
  /** One has begun, or ended. */
  readonly onRunning?: () => void;
}

/** Transfers that have ended, of which something is kept. */
export const endedMax = 1_000;
/** Transfers that have not ended. */
export const runningMax = 256;
/** Those of a view: the first. */
const viewFailuresMax = 10;
const keyBytes = 16;
/** How often watchers hear of progress. */
const progressMs = 200;

export function createTransfers(options: TransfersOptions): Transfers {
  return new TransferTable(options);
}

interface Entry {
  state: TransferState;
  readonly ref: Ref<TransferEvent> | undefined;
  run: TransferRun | undefined;
  env: Readonly<Record<string, string>>;
  readonly watchers: Watchers;
  pace: Pace;
  stopTick: (() => void) | undefined;
  /** Of one that has ended. */
  failures: readonly ObjectFailure[] | undefined;
  resumedBy: number | undefined;
}

class TransferTable implements Transfers {
  readonly #options: TransfersOptions;
  readonly #entries = new Map<number, Entry>();
  readonly #byKey = new Map<string, number>();
  readonly #hearers = new Set<() => void>();
  /** Those whose record is on disk. */
  readonly #recorded = new Set<number>();
  #last = 0;
  #isClosed = false;

  constructor(options: TransfersOptions) {
    this.#options = options;
  }

  async restore(): Promise<void> {
    const { store, dir, log } = this.#options;
    const prefix = `${homeCluster}/${headNode}/${transferKind}/`;
    const states: TransferState[] = [];
    for (const stored of await store.read(prefix)) {
      const state = recordValue(stored) as TransferState;
      if (stored.key === transferRecordKey(addressOf(state.facts.id))) states.push(state);
    }
    states.sort((a, b) => a.facts.id - b.facts.id);
    const needed = states.filter((state) => state.phase !== "ended" || hasLeft(state.end));
    for (const key of strangersIn(dir, new Set(needed.map(({ facts }) => facts.key)))) {
      await removeFolder(dir, key, log);
    }
    for (const state of states) this.#enter(state, { isRestored: true, env: {} });
  }

  async preview(order: TransferOrder, call: TransferCall): Promise<TransferPreview> {
    return await previewTransfer(this.#options, order, call);
  }

  async start(order: TransferOrder, { env = {} }: TransferCall): Promise<number> {
    const known = this.#byKey.get(order.idempotencyKey);
    if (known !== undefined) return await this.#onRecord(known);
    return await this.#begin({ order, key: hexToken(this.#options.random, keyBytes) }, env);
  }

  list(): readonly TransferView[] {
    const entries = [...this.#entries.values()].reverse();
    return entries.map((entry) => viewOf(entry.state, { ...livelyOf(entry), failures: [] }));
  }

  get(id: number): TransferView | undefined {
    const entry = this.#entries.get(id);
    return entry && this.#view(entry);
  }

  async failures(id: number, { after, countMax }: FailurePage): Promise<readonly ObjectFailure[]> {
    return this.#failuresOf(this.#known(id), after, countMax);
  }

  watch(id: number, signal: AbortSignal): AsyncIterable<WatchedEvent> {
    const entry = this.#known(id);
    this.#tick(entry);
    return entry.watchers.watch({ kind: "state", view: this.#view(entry) }, signal);
  }

  async cancel(id: number, user: string): Promise<void> {
    const entry = this.#known(id);
    if (entry.state.phase === "ended") return await this.#giveUp(entry, entry.state);
    if (entry.ref !== undefined) this.#options.system.tell(entry.ref, { kind: "cancel", user });
    const isOver = (): boolean => ["finishing", "ended"].includes(entry.state.phase);
    await this.#until(isOver);
  }

  async resume(id: number, user: string, { env = {} }: TransferCall): Promise<number> {
    const entry = this.#known(id);
    const { state, resumedBy } = entry;
    if (resumedBy !== undefined) return await this.resume(resumedBy, user, { ...noCall, env });
    if (state.phase !== "ended") {
      entry.env = env;
      return id;
    }
    if (state.end.outcome === "succeeded") {
      const why = `transfer ${id} has succeeded: nothing is left to do`;
      throw new SkyError("request/invalid", { field: "resume", why });
    }
    const { key, order } = state.facts;
    const folder = folderOfTransfer(this.#options.dir, key);
    const run = new TransferRun(this.#runOptions(entry, folder), state.facts);
    run.reopen();
    await run.close();
    const idempotencyKey = hexToken(this.#options.random, keyBytes);
    const resumed = { key, resumes: id, order: { ...order, user, idempotencyKey } };
    return await this.#begin(resumed, env);
  }

  profile(request: ProfileRequest, signal: AbortSignal): AsyncIterable<ProfiledLink> {
    return this.#options.profiler.measure(request, signal);
  }

  running(): number {
    return [...this.#entries.values()].filter(({ state }) => state.phase !== "ended").length;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const entry of this.#entries.values()) {
      entry.stopTick?.();
      entry.watchers.close();
    }
    for (const hear of this.#hearers) hear();
    await Promise.all([...this.#entries.values()].map(({ run }) => run?.close()));
  }

  // ---- entries

  async #begin(
    about: Pick<TransferFacts, "key" | "order" | "resumes">,
    env: Readonly<Record<string, string>>,
  ): Promise<number> {
    if (this.running() >= runningMax) {
      const why = `${runningMax} transfers run already, which is the limit`;
      throw new SkyError("request/invalid", { field: "transfers", why });
    }
    this.#last += 1;
    const id = this.#last;
    const submittedAt = this.#options.clock.now().wallMs;
    const facts = { ...about, id, submittedAt, rounds: 1, idle: 0, why: "" };
    this.#enter({ phase: "pending", facts }, { isRestored: false, env });
    return await this.#onRecord(id);
  }

  #enter(
    state: TransferState,
    { isRestored, env }: { readonly isRestored: boolean; readonly env: Entry["env"] },
  ): void {
    const { id, order, resumes } = state.facts;
    const { system } = this.#options;
    const isOver = state.phase === "ended";
    const actor = transferActor(addressOf(id), {
      random: this.#options.random,
      round: (facts) => this.#runOf(id, facts).round(facts),
      clear: (facts, end) => this.#clear(this.#runOf(id, facts), facts, end),
      onState: (next) => this.#onState(id, next),
    });
    const ref = isOver ? undefined : { ...addressOf(id) };
    const entry: Entry = {
      ...{ state, ref, run: undefined, env, watchers: new Watchers(), pace: noPace },
      ...{ stopTick: undefined, failures: undefined, resumedBy: undefined },
    };
    this.#entries.set(id, entry);
    this.#byKey.set(order.idempotencyKey, id);
    this.#last = Math.max(this.#last, id);
    if (resumes !== undefined) this.#resumedBy(resumes, id);
    if (isRestored) this.#recorded.add(id);
    if (!isOver) system.spawn(actor, String(id), { state, isRestored });
    this.#options.onRunning?.();
  }

  #resumedBy(id: number, by: number): void {
    const entry = this.#entries.get(id);
    if (entry !== undefined) entry.resumedBy = by;
  }

  /** Resolves when its record is on disk for the first time. */
  async #onRecord(id: number): Promise<number> {
    await this.#until(() => this.#recorded.has(id));
    return id;
  }

  async #until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      if (this.#isClosed) throw new SkyError("bus/closed", { why: "the head ends" });
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#hearers.add(resolve);
      await promise;
      this.#hearers.delete(resolve);
    }
  }

  #known(id: number): Entry {
    const entry = this.#entries.get(id);
    if (entry === undefined) throw new SkyError("transfer/not-found", { id });
    return entry;
  }

  // ---- at work

  #runOf(id: number, facts: TransferFacts): TransferRun {
    const entry = this.#known(id);
    const folder = folderOfTransfer(this.#options.dir, facts.key);
    entry.run ??= new TransferRun(this.#runOptions(entry, folder), facts);
    return entry.run;
  }

  #runOptions(entry: Entry, folder: string): RunOptions {
    const { ref } = entry;
    const hooks: RunHooks = {
      onPlan: (plan) => ref && this.#options.system.tell(ref, { kind: "planned", plan }),
      onEvent: (event) => entry.watchers.tell(event),
      onCounts: () => this.#tick(entry),
    };
    return { ports: this.#options, hooks, folder, env: entry.env };
  }

  async #clear(run: TransferRun, facts: TransferFacts, end: TransferEnd): Promise<Cleared> {
    const wrong = await run.clear(facts, end).catch((error: unknown) => [errorText(error)]);
    return { why: wrong.join("; "), counts: run.counts(), cost: run.cost() };
  }

  #onState(id: number, state: TransferState): void {
    const entry = this.#known(id);
    entry.state = state;
    this.#recorded.add(id);
    const tell = (): void => {
      entry.watchers.tell({ kind: "state", view: this.#view(entry) });
      for (const hear of this.#hearers) hear();
    };
    if (state.phase === "ended") void this.#ended(entry, state.end).then(tell);
    else tell();
  }

  /** Resolves when nothing of it is open any more: then its end is told. */
  async #ended(entry: Entry, end: TransferEnd): Promise<void> {
    const { dir, log, system } = this.#options;
    const { key, id } = entry.state.facts;
    entry.stopTick?.();
    entry.failures = this.#failuresOf(entry, 0, viewFailuresMax);
    const { run } = entry;
    entry.run = undefined;
    entry.env = {};
    await run?.close();
    if (!hasLeft(end)) await removeFolder(dir, key, log);
    void system.stop(addressOf(id), "its transfer has ended");
    this.#forgetOldest();
    this.#options.onRunning?.();
  }

  #forgetOldest(): void {
    const { store, endedMax: keptMax = endedMax } = this.#options;
    const ended = [...this.#entries.values()].filter(({ state }) => state.phase === "ended");
    for (const entry of ended.slice(0, Math.max(0, ended.length - keptMax))) {
      const { facts } = entry.state;
      this.#entries.delete(facts.id);
      this.#byKey.delete(facts.order.idempotencyKey);
      this.#recorded.delete(facts.id);
      const batch = batchOf({
        deletes: [transferRecordKey(addressOf(facts.id))],
        forgets: [subjectOf(facts.id)],
      });
      // A commit that fails is the end of the store: the next start forgets what this did not.
      store.commit(batch).catch(() => {});
      if (entry.resumedBy === undefined) void letGoForEver(this.#options, entry.state);
    }
  }

  /** There will be no other try: what was kept for it goes, and that is on record. */
  async #giveUp(entry: Entry, state: Ended): Promise<void> {
    if (state.end.leave !== "keep" || entry.resumedBy !== undefined) return;
    await letGo(this.#options, state);
    const next = { ...state, end: { ...state.end, leave: "remove" } } as const;
    const record = jsonRecord(transferRecordKey(addressOf(state.facts.id)), next);
    await this.#options.store.commit(batchOf({ puts: [record] }));
    entry.state = next;
  }

  // ---- what is seen

  #view(entry: Entry): TransferView {
    const failures = this.#failuresOf(entry, 0, viewFailuresMax);
    return viewOf(entry.state, { ...livelyOf(entry), failures });
  }

  #failuresOf(entry: Entry, after: number, countMax: number): readonly ObjectFailure[] {
    const { run, state, failures } = entry;
    if (run !== undefined) return run.failures(after, countMax);
    const isFirst = after <= 0 && countMax <= viewFailuresMax;
    if (isFirst && failures !== undefined) return failures;
    const hasNone = state.phase !== "ended" || state.counts.failed === 0;
    if (hasNone || entry.resumedBy !== undefined) return [];
    const folder = folderOfTransfer(this.#options.dir, state.facts.key);
    const found = failuresIn(folder, state.facts, { after, countMax });
    if (isFirst) entry.failures = found;
    return found;
  }

  /** Soon tells watchers how far it is. */
  #tick(entry: Entry): void {
    const { run, watchers } = entry;
    if (run === undefined || watchers.count === 0 || entry.stopTick !== undefined) return;
    entry.stopTick = this.#options.clock.after(progressMs, () => {
      entry.stopTick = undefined;
      if (entry.run === undefined) return;
      const counts = { ...entry.run.counts(), rounds: entry.state.facts.rounds };
      const { monoMs } = this.#options.clock.now();
      entry.pace = paced(entry.pace, { monoMs, bytes: counts.doneBytes + counts.movingBytes });
      const bytesPerSecond = rateOf(entry.pace);
      const left = secondsLeft(counts, bytesPerSecond);
      const destinations = entry.run.destinations();
      const event = { kind: "progress", counts, bytesPerSecond, destinations } as const;
      watchers.tell({ ...event, ...(left === undefined ? {} : { secondsLeft: left }) });
    });
  }
}

const noCall: TransferCall = { signal: new AbortController().signal };

function livelyOf({ run }: Entry) {
  return { counts: run?.counts() ?? noCounts, cost: run?.cost() ?? 0, failures: [] };
}

/** Whether its folder is still of use: what failed, and what another try goes on with. */
function hasLeft({ outcome }: TransferEnd): boolean {
  return outcome !== "succeeded";
}

function addressOf(id: number): Address {
  return { cluster: homeCluster, node: headNode, kind: transferKind, id: String(id) };
}
