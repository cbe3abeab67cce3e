// `npm run replay FILE`: what today's code makes of a history, or of a journal.
//
//     history.jsonl, sim.jsonl.zst   the messages of then, one by one, and the first that comes to
//                                    something else; exits with 1 if there is one
//     journal.db                     the jobs of each cluster, and what would be done first
//
// A history is written where `debug.history` is set. A journal is read from a copy: that of a head
// that runs may be half written, so copy it when the head has ended.

import { copyFileSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { argv, exit } from "node:process";
import { type ClusterRecord, knownNodes } from "../../clouds/cluster-record.ts";
import { fleetKind, fleetRecordKey } from "../../clouds/fleet-actor.ts";
import { homeCluster } from "../../clouds/home-records.ts";
import { headNode } from "../../model/address.ts";
import { errorText } from "../../model/errors.ts";
import { splitJournal } from "../../runtime/journal.ts";
import type { StoreRecord } from "../../runtime/store.ts";
import { openSqliteStore } from "../../runtime/store-sqlite.ts";
import { type Line, outcomeOf } from "../../scheduler/history.ts";
import { startScheduler } from "../../scheduler/scheduler.ts";
import { schedulerAddress } from "../../scheduler/turn.ts";
import { differences, idOf, readHistory, replay, settledIn } from "./history.ts";

const saidCharsMax = 2_000;

const [path] = argv.slice(2);
if (path === undefined || argv.length > 3) {
  console.error("npm run replay FILE: a history (.jsonl, .jsonl.zst) or a copy of a journal (.db)");
  exit(2);
}
try {
  exit(path.endsWith(".db") ? await replayJournal(path) : replayHistory(path));
} catch (error) {
  console.error(`${path}: ${errorText(error)}`);
  exit(1);
}

function replayHistory(file: string): number {
  const lines = readHistory(file);
  const starts = lines.filter(({ kind }) => kind === "start").length;
  console.log(`${file}: ${lines.length} turns, ${starts} of them starts`);
  console.log(jobsAtTheEnd(lines).join("\n"));
  const [difference] = differences(lines);
  if (difference === undefined) {
    console.log("every turn comes to what it came to then");
    return 0;
  }
  const { line, before, now } = difference;
  const { does, jobs, ...said } = lines[line - 1] ?? now;
  console.log(
    `line ${line} comes to something else: ${JSON.stringify(said).slice(0, saidCharsMax)}`,
  );
  console.log(`then ${JSON.stringify(before, undefined, 2)}`);
  console.log(`now  ${JSON.stringify(now, undefined, 2)}`);
  return 1;
}

/** Of the last life in it, as today's code has them. */
function jobsAtTheEnd(lines: readonly Line[]): readonly string[] {
  const jobs = new Map<string, string>();
  for (const [index, outcome] of replay(lines).entries()) {
    if (lines[index]?.kind === "start") jobs.clear();
    for (const job of outcome.jobs) jobs.set(idOf(job), job);
  }
  return [...jobs.values()].map((job) => `  ${job}`);
}

async function replayJournal(file: string): Promise<number> {
  const records = await recordsOf(file);
  const now = Date.now();
  const at = { wallMs: now, monoMs: now, bootId: "replay" };
  for (const { name, nodes } of clustersOf(records)) {
    const own = records.filter(({ key }) => key.startsWith(`${name}/`));
    const { records: kept } = splitJournal(schedulerAddress(name), own);
    const turn = startScheduler({ cluster: name, nodes, records: kept, secrets: new Map() }, at);
    const { jobs: open, does } = outcomeOf(turn);
    const journal = new Map(own.map(({ key, value }) => [key, value]));
    const jobs = [...settledIn(name, journal), ...open];
    console.log(`${name}: ${jobs.length} jobs on ${nodes.length} nodes`);
    for (const job of jobs) console.log(`  ${job}`);
    for (const deed of does) console.log(`  would ${deed}`);
  }
  return 0;
}

/** All records of a copy of the journal, so that the file itself stays as it is. */
async function recordsOf(file: string): Promise<readonly StoreRecord[]> {
  const folder = mkdtempSync(join(tmpdir(), "sky-replay-"));
  try {
    const copy = join(folder, "journal.db");
    for (const part of ["", "-wal"]) {
      if (existsSync(`${file}${part}`)) copyFileSync(`${file}${part}`, `${copy}${part}`);
    }
    const store = await openSqliteStore({ path: copy });
    const records = await store.read("");
    await store.close();
    return records;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function clustersOf(records: readonly StoreRecord[]) {
  const values = new Map(records.map(({ key, value }) => [key, value]));
  const names = [...new Set(records.map(({ key }) => key.slice(0, key.indexOf("/"))))];
  return names
    .filter((name) => name !== homeCluster)
    .map((name) => {
      const fleet = { cluster: homeCluster, node: headNode, kind: fleetKind, id: name };
      const record = values.get(fleetRecordKey(fleet));
      const nodes =
        record === undefined ? undefined : knownNodes(JSON.parse(record) as ClusterRecord);
      return { name, nodes: nodes ?? [] };
    });
}
