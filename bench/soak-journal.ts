// A journal with a long history, without the processes that would have made it: settled jobs as the
// scheduler writes them, and the events that a trivial job leaves. The head must not run.

import { join } from "node:path";
import type { Job } from "../model/job.ts";
import { openSqliteStore } from "../runtime/store-sqlite.ts";
import type { HistoryRecord, OrderRecord, SettledRecord } from "../scheduler/records.ts";
import { recordKeys } from "../scheduler/records.ts";

const batchCount = 1_000;
const eventsPerJob = 6;
const logBytes = 10;

/** Adds `count` settled jobs after those that there are. */
export async function writeHistory(home: string, cluster: string, count: number): Promise<void> {
  const store = await openSqliteStore({ path: join(home, "head/journal.db") });
  const [found] = await store.read(recordKeys.history(cluster));
  let {
    newest,
    settled,
    logBytes: sum,
  }: HistoryRecord = JSON.parse(found?.value ?? '{"newest":0,"settled":0,"logBytes":0}');
  for (let written = 0; written < count; written += batchCount) {
    const puts = [];
    const events = [];
    for (let at = 0; at < Math.min(batchCount, count - written); at += 1) {
      newest += 1;
      settled += 1;
      sum += logBytes;
      const record: SettledRecord = { job: jobOf(newest), order: settled };
      const place: OrderRecord = [newest, sum];
      puts.push({ key: recordKeys.done(cluster, newest), value: JSON.stringify(record) });
      puts.push({ key: recordKeys.order(cluster, settled), value: JSON.stringify(place) });
      events.push(...eventsOf(cluster, newest));
    }
    const history: HistoryRecord = { newest, settled, logBytes: sum };
    puts.push({ key: recordKeys.history(cluster), value: JSON.stringify(history) });
    await store.commit({ puts, deletes: [], events });
  }
  await store.close();
}

function jobOf(id: number): Job {
  const at = 1_700_000_000_000 + id * 10;
  const rank = { rank: 0, node: "head", ip: "127.0.0.1", pid: id, startedAt: at, logBytes };
  return {
    ...{ id, name: "-", user: "root", status: "SUCCEEDED", phase: "ended", submittedAt: at },
    ...{ startedAt: at, endedAt: at + 5, resources: "1x [CPU:0.5]", numNodes: 1, attempt: 1 },
    ranks: [{ ...rank, endedAt: at + 5, exit: { kind: "code", code: 0 } }],
    setups: [],
    reason: { code: "all-ranks-exited-0", params: {} },
    sweeps: [],
  };
}

function eventsOf(cluster: string, job: number) {
  const subject = `${cluster}/job/${job}`;
  return Array.from({ length: eventsPerJob }, (_, at) => {
    const event = { at: 1_700_000_000_000, subject: `job/${job}`, actor: "scheduler" };
    const body = { ...event, kind: "phase", cause: `event ${at} of this job`, evidence: {} };
    return { subject, wallMs: event.at, body: JSON.stringify(body) };
  });
}
