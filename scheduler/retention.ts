// How long a cluster's past is kept: its settled jobs with their events and logs, the oldest first.
//
// A job goes by its place in the order in which jobs settled, not by its id: one that ran for a
// week and ended a minute ago is not old. What must always hold: files go before the record that
// leads to them, so that a crash leaves nothing that nobody would ever find; one round removes a
// bounded number, and only rounds that have more to do follow each other.

import type { RankKey } from "../model/job.ts";
import type { Store } from "../runtime/store.ts";
import { prefixEnd } from "../runtime/store-keys.ts";
import { logKeys } from "./log-store.ts";
import type { HistoryRecord, OrderRecord, SettledRecord } from "./records.ts";
import { parse, recordKeys } from "./records.ts";

export interface HistoryLimits {
  /** Settled jobs of a cluster. */
  readonly jobs: number;
  /** Events of one subject: of a job, of a node, of the cluster itself. */
  readonly events: number;
  /** Logs of a cluster at the head. Those of jobs that have not settled count, and stay. */
  readonly logBytes: number;
}

/** What was taken so far. Places are those of the order in which jobs settled, from 1. */
interface Taken {
  /** No job with a smaller place is on record. */
  readonly first: number;
  /** No job with a smaller place has logs. */
  readonly logsFirst: number;
  /** The bytes of all logs before that place. */
  readonly logBytes: number;
}

export interface RetentionOptions {
  readonly cluster: string;
  readonly limits: HistoryLimits;
  readonly store: Pick<Store, "read" | "range" | "commit">;
  /** Bytes of logs of jobs that have not settled. */
  readonly openBytes: () => number;
  /** Nothing to remove is harmless. */
  readonly removeLogs: (keys: readonly RankKey[]) => Promise<void>;
  /** These jobs are not on record any more. */
  readonly onForgotten: (jobs: readonly number[]) => void;
}

/** Jobs that one round takes. */
export const roundJobsMax = 128;
const nothing: Taken = { first: 1, logsFirst: 1, logBytes: 0 };

interface Place {
  readonly place: number;
  readonly id: number;
  /** The bytes of all logs up to and with this job's. */
  readonly logBytes: number;
  readonly record: SettledRecord | undefined;
}

export class Retention {
  readonly #options: RetentionOptions;

  constructor(options: RetentionOptions) {
    this.#options = options;
  }

  /** Removes some of what is over a limit. Whether there may be more. */
  async round(): Promise<boolean> {
    const history = await this.#read<HistoryRecord>(recordKeys.history);
    if (history === undefined) return false;
    const taken = await this.#taken();
    const jobs = await this.#forgetJobs(history, taken);
    return jobs || (await this.#forgetLogs(history, await this.#taken()));
  }

  /** Whether the logs of a settled job were removed. */
  async tookLogs(job: number): Promise<boolean> {
    const { cluster } = this.#options;
    const record = await this.#read<SettledRecord>(() => recordKeys.done(cluster, job));
    return record !== undefined && record.order < (await this.#taken()).logsFirst;
  }

  async #forgetJobs({ settled }: HistoryRecord, taken: Taken): Promise<boolean> {
    const { cluster, limits, store, onForgotten } = this.#options;
    const excess = settled - taken.first + 1 - limits.jobs;
    if (excess <= 0) return false;
    const places = await this.#places(taken.first, excess);
    const last = places.at(-1);
    if (last === undefined) return false;
    await this.#removeLogs(places.filter(({ place }) => place >= taken.logsFirst));
    const next: Taken = {
      first: last.place + 1,
      logsFirst: Math.max(taken.logsFirst, last.place + 1),
      logBytes: Math.max(taken.logBytes, last.logBytes),
    };
    const deletes = places.flatMap(({ place, id }) => [
      recordKeys.order(cluster, place),
      recordKeys.done(cluster, id),
    ]);
    const forgets = places.map(({ id }) => `${cluster}/job/${id}`);
    await store.commit({ puts: [this.#takenRecord(next)], deletes, forgets, events: [] });
    onForgotten(places.map(({ id }) => id));
    return excess > places.length;
  }

  async #forgetLogs(history: HistoryRecord, taken: Taken): Promise<boolean> {
    const { limits, openBytes, store } = this.#options;
    const excess = history.logBytes - taken.logBytes + openBytes() - limits.logBytes;
    if (excess <= 0 || taken.logsFirst > history.settled) return false;
    const places = await this.#places(taken.logsFirst, roundJobsMax);
    const enough = places.findIndex(({ logBytes }) => logBytes - taken.logBytes >= excess);
    const gone = enough < 0 ? places : places.slice(0, enough + 1);
    const last = gone.at(-1);
    if (last === undefined) return false;
    await this.#removeLogs(gone);
    const next: Taken = { ...taken, logsFirst: last.place + 1, logBytes: last.logBytes };
    await store.commit({ puts: [this.#takenRecord(next)], deletes: [], events: [] });
    return enough < 0;
  }

  /** The next places from `first` on, in their order, with what is on record of their jobs. */
  async #places(first: number, count: number): Promise<readonly Place[]> {
    const { cluster, store } = this.#options;
    const from = recordKeys.order(cluster, first);
    const before = prefixEnd(recordKeys.orders(cluster)) ?? "";
    const countMax = Math.min(count, roundJobsMax);
    const found = await store.range({ from, before, countMax });
    return Promise.all(
      found.map(async ({ key, value }) => {
        const [id, logBytes] = parse<OrderRecord>(key, value);
        const record = await this.#read<SettledRecord>(() => recordKeys.done(cluster, id));
        return { place: Number(key.slice(key.lastIndexOf("/") + 1)), id, logBytes, record };
      }),
    );
  }

  async #removeLogs(places: readonly Place[]): Promise<void> {
    const keys = places.flatMap(({ record }) => (record === undefined ? [] : allLogs(record)));
    await this.#options.removeLogs(keys);
  }

  async #taken(): Promise<Taken> {
    return (await this.#read<Taken>(recordKeys.retention)) ?? nothing;
  }

  #takenRecord(taken: Taken): { readonly key: string; readonly value: string } {
    return { key: recordKeys.retention(this.#options.cluster), value: JSON.stringify(taken) };
  }

  async #read<T>(keyOf: (cluster: string) => string): Promise<T | undefined> {
    const { cluster, store } = this.#options;
    const key = keyOf(cluster);
    const [found] = await store.range({ from: key, before: "", countMax: 1 });
    return found?.key === key ? parse<T>(key, found.value) : undefined;
  }
}

/** The logs of every attempt. */
function allLogs({ job, past = [] }: SettledRecord): readonly RankKey[] {
  const { setup, run } = logKeys(job);
  const earlier = past.flatMap(({ attempt, ranks, setups }): readonly RankKey[] => [
    ...ranks.map((_, index): RankKey => ({ job: job.id, attempt, phase: "run", index })),
    ...setups.map(({ index }): RankKey => ({ job: job.id, attempt, phase: "setup", index })),
  ]);
  return [...setup, ...run, ...earlier];
}
