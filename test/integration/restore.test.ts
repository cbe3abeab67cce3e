// The head's disk is lost: `sky restore` brings the journal back from its replica. What ran runs on
// and is found; what was acknowledged after the replica's last word is stopped, and said.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { homeAt } from "../../model/home.ts";
import { restoreJournal } from "../../runtime/restore-sqlite.ts";
import type { StoreRecord } from "../../runtime/store.ts";
import { openJournalDatabase } from "../../runtime/store-database-sqlite.ts";
import { isAlive, place, until } from "../support/programs.ts";
import { jobsOf, phaseReached, submit } from "./jobs.ts";

const cluster = "two";
const here = place(undefined);
const replica = join(here.folder, "replica");
const home = homeAt(here.home);
after(() => here.close());

/** Whether a restore would bring this back. */
async function holds(isIt: (record: StoreRecord) => boolean): Promise<boolean> {
  const dir = mkdtempSync(join(here.folder, "look-"));
  try {
    const journal = join(dir, "journal.db");
    await restoreJournal({ dir: replica, journal, amend: () => [] });
    const database = openJournalDatabase(journal);
    const found = database.read(`${cluster}/`).some(isIt);
    database.close();
    return found;
  } catch {
    return false; // The first copy is still being made.
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/** Of a job that is over there may be one record with its number in the key, or several. */
function isOf(job: number): (record: StoreRecord) => boolean {
  return ({ key }) => new RegExp(`/0*${job}(/|$)`).test(key);
}

/** A job that runs and is on record at the head only: the replica is away when it is taken. */
async function runUnheard(): Promise<{ readonly id: number; readonly pid: number }> {
  renameSync(replica, `${replica}-away`);
  const id = await submit(here, cluster, "--", "sleep 1000");
  const { ranks } = await phaseReached(here, { cluster, id }, "RUNNING");
  return { id, pid: ranks[0]?.pid ?? 0 };
}

async function loseTheJournal(): Promise<void> {
  const early = await here.sky(["restore", "--from", `${replica}-away`]);
  assert.equal(early.code, 1);
  assert.match(early.stderr, /a head of .* runs: end it first, its ranks run on/);
  const [head] = here.heads();
  process.kill(head?.pid ?? 0, "SIGKILL");
  await until("the head is dead", () => here.heads().length === 0);
  renameSync(`${replica}-away`, replica);
  const whole = await here.sky(["restore", "--from", replica]);
  assert.equal(whole.code, 1);
  assert.match(whole.stderr, /is whole and holds \d+ records/);
  for (const name of readdirSync(home.head)) {
    if (name.startsWith("journal.db")) rmSync(join(home.head, name));
  }
}

test("a lost journal is restored under a running gang", { timeout: 110_000 }, async () => {
  mkdirSync(replica);
  here.file("home/config.yaml", configOf(replica));
  const up = await here.sky(["launch", "-y", "-c", cluster, "--num-nodes", "2", "--cpus", "4"]);
  assert.equal(up.code, 0, up.stdout + up.stderr);
  const gate = here.file("gate", "");
  const wait = `while [ -e ${gate} ]; do sleep 0.05; done`;
  const id = await submit(here, cluster, "--num-nodes", "2", "--", wait);
  const before = await phaseReached(here, { cluster, id }, "RUNNING");
  const isRunning = ({ key, value }: StoreRecord): boolean =>
    key === `${cluster}/job/${id}/state` && value.includes('"running"');
  await until("the replica has it", () => holds(isRunning));
  const lost = await runUnheard();
  await loseTheJournal();

  const restored = await here.sky(["restore", "--from", replica]);
  assert.equal(restored.code, 0, restored.stdout + restored.stderr);
  assert.match(restored.stdout, /two: 1 jobs on record/);
  const after = await phaseReached(here, { cluster, id }, "RUNNING");
  const pids = (job: typeof after) => job.ranks.map(({ pid }) => pid);
  assert.deepEqual(pids(after), pids(before), "the same processes, not other ones");
  await until("what was lost is stopped", () => !isAlive(lost.pid));
  const known = (await jobsOf(here, cluster)).map((job) => job.id);
  assert.deepEqual(known, [id]);
  await until("it is said", async () => {
    const why = await here.sky(["why", cluster]);
    return why.stdout.includes(`job ${lost.id}, which was lost in the restore`);
  });
  const next = await submit(here, cluster, "--", "true");
  assert.ok(next > lost.id + 900, `its id is new: ${next}`);

  rmSync(gate);
  const ended = await phaseReached(here, { cluster, id }, "SUCCEEDED");
  const codes = ended.ranks.map(({ exitCode }) => exitCode);
  assert.deepEqual(codes, [0, 0]);
  await phaseReached(here, { cluster, id: next }, "SUCCEEDED");
  await until("the replica goes on", () => holds(isOf(next)));
});

function configOf(dir: string): string {
  const isolation = process.env["SKY_TEST_ISOLATION"] === "process" ? "process" : "embedded";
  return `local:\n  isolation: ${isolation}\njournal:\n  replica: ${dir}\n`;
}
