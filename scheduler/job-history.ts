// Settled jobs, read from the store by those who ask for them. Nothing of them is kept here.

import type { Job } from "../model/job.ts";
import type { Store } from "../runtime/store.ts";
import { prefixEnd } from "../runtime/store-keys.ts";
import type { JobsPage } from "./board.ts";
import type { SettledRecord } from "./records.ts";
import { parse, recordKeys } from "./records.ts";

export interface JobHistory {
  find(id: number): Promise<Job | undefined>;
  /** Newest first. */
  page(page: JobsPage): Promise<readonly Job[]>;
}

export const noHistory: JobHistory = {
  find: async () => undefined,
  page: async () => [],
};

export function jobHistory(store: Pick<Store, "range">, cluster: string): JobHistory {
  const all = recordKeys.dones(cluster);
  const end = prefixEnd(all) ?? "";
  return {
    find: async (id) => {
      const key = recordKeys.done(cluster, id);
      const [found] = await store.range({ from: key, before: end, countMax: 1 });
      return found?.key === key ? jobIn(found.key, found.value) : undefined;
    },
    page: async ({ before, countMax }) => {
      const last = before > Number.MAX_SAFE_INTEGER ? end : recordKeys.done(cluster, before);
      const found = await store.range({ from: all, before: last, countMax, reverse: true });
      return found.map(({ key, value }) => jobIn(key, value));
    },
  };
}

function jobIn(key: string, value: string): Job {
  return parse<SettledRecord>(key, value).job;
}
