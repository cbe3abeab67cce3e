// Ranks on a full disk: none ends for it. Who writes waits until there is room; what was lost is
// said in the log and no more than a pipe of it; an exit code waits to be on record; and nothing
// new begins. On a tmpfs of a few MiB.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmdirSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { after, before, test } from "node:test";
import { shortSentence } from "../../agent/launcher.ts";
import { startProcessOs } from "../../agent/process-os.ts";
import { isSkyError } from "../../model/errors.ts";
import { createOsClock } from "../../runtime/clock-os.ts";
import { silentLog } from "../../runtime/log.ts";
import type { ProcessEvent, ProcessPort } from "../../runtime/process.ts";
import { createOsRandom } from "../../runtime/random-os.ts";
import { type SmallDisk, smallDisk, whyNoDisk } from "../support/small-disk.ts";
import { until } from "../support/until.ts";

const skip = whyNoDisk() ?? false;
const pipeBytes = 65_536;
const ends = new Map<string, Extract<ProcessEvent, { readonly kind: "exited" }>>();
let disk: SmallDisk;
let port: ProcessPort;
let count = 0;
/** The port keeps no process alive, and its end must be waited for. */
const alive = setInterval(() => {}, 1_000);

before(async () => {
  if (skip !== false) return;
  disk = smallDisk(24);
  mkdirSync(`${disk.path}/home`);
  port = await startProcessOs({
    ...{ stateDir: `${disk.path}/state`, ranksDir: `${disk.path}/ranks` },
    ...{ home: `${disk.path}/home`, name: "full", logGraceMs: 100 },
    ...{ clock: createOsClock(), random: createOsRandom(), log: silentLog },
  });
  port.onEvent((event) => {
    if (event.kind === "exited") ends.set(event.dir, event);
  });
});

after(async () => {
  if (skip !== false) return clearInterval(alive);
  disk.empty();
  await port.close();
  clearInterval(alive);
  disk.close();
});

async function start(script: string): Promise<string> {
  count += 1;
  const dir = `${disk.path}/ranks/${count}-1-run-0`;
  const home = `${disk.path}/home`;
  await port.prepare({ dir, script, cwd: home, home, env: {}, goWhenReady: true });
  return dir;
}

async function endOf(dir: string): Promise<Extract<ProcessEvent, { readonly kind: "exited" }>> {
  await until(`${dir} has ended`, () => ends.has(dir));
  const end = ends.get(dir);
  assert.ok(end !== undefined);
  return end;
}

/** Every line of a numbered log, and how many numbers are missing. */
function missing(log: string, last: number): number {
  const numbers = log
    .split("\n")
    .filter((line) => /^\d{7}$/.test(line))
    .map(Number);
  const kept = new Set(numbers);
  assert.deepEqual(
    numbers,
    [...kept].sort((a, b) => a - b),
    "in order, each once",
  );
  return last - kept.size;
}

test("a rank that writes waits for room, goes on, and its log says what is missing", {
  skip,
}, async () => {
  const last = 700_000;
  disk.fill(3_145_728);
  const dir = await start(`seq -f %07.0f 1 ${last}; echo end; exit 7`);
  await until("there is no room", () => disk.freeBytes() === 0);
  await until("the cat has found out", () => statSync(`${dir}/log`).size > 1_048_576);
  assert.ok(!ends.has(dir) && !existsSync(`${dir}/exit`), "it runs on");
  disk.empty();
  const end = await endOf(dir);
  assert.deepEqual(end.exit, { kind: "code", code: 7 });
  const log = readFileSync(`${dir}/log`, "utf8");
  assert.equal(end.logBytes, log.length);
  assert.ok(log.endsWith("end\n"));
  assert.equal(log.split(shortSentence).length, 2, "it is said once");
  assert.ok(missing(log, last) * 8 <= pipeBytes + 16, `${missing(log, last)} lines`);
  assert.equal(readFileSync(`${dir}/log-short`, "utf8").trim().split("\n").length, 1);
  await port.sweep(dir);
});

test("a rank that ends on a full disk keeps its exit code; none begins meanwhile", {
  skip,
}, async () => {
  const gate = mkdtempSync(`${tmpdir()}/sky-gate-`);
  const dir = await start(`until [ ! -e ${gate} ]; do sleep 0.02; done; seq 1 9999; exit 5`);
  disk.fill();
  rmdirSync(gate);
  await assert.rejects(start("true"), (error) => isSkyError(error, "disk/full"));
  const shim = Number(readFileSync(`${dir}/claim`, "utf8").split(" ")[4]);
  await until("its shell has ended", () => !existsSync(`/proc/${shim}`));
  assert.ok(!ends.has(dir), "its end waits");
  disk.empty();
  assert.deepEqual((await endOf(dir)).exit, { kind: "code", code: 5 });
  assert.deepEqual((await endOf(await start("exit 3"))).exit, { kind: "code", code: 3 });
});

test("a rank that is stopped on a full disk is stopped, and swept", { skip }, async () => {
  const dir = await start("while :; do seq 1 1000; done");
  await until("it writes", () => statSync(`${dir}/log`).size > 10_000);
  disk.fill();
  await port.signal(dir, "KILL");
  const swept = await port.sweep(dir);
  assert.equal(swept.survivors, 0);
  disk.empty();
  const { exit } = await endOf(dir);
  assert.equal(exit.kind, "signal");
});
