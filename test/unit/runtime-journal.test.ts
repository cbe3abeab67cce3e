// Keys, records and what people see: journal helpers, metrics, the debug table, logs.

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { isSkyError, SkyError } from "../../model/errors.ts";
import { actorTable } from "../../runtime/inspect.ts";
import { journalPrefix, jsonRecord, recordKey, recordValue } from "../../runtime/journal.ts";
import { createMemoryLog } from "../../runtime/log-memory.ts";
import { createPinoLog } from "../../runtime/log-pino.ts";
import { createMetrics } from "../../runtime/metrics.ts";
import { fc } from "../support/property.ts";
import { until } from "../support/until.ts";
import { address } from "./runtime-stage.ts";

test("record keys sort as their numbers do and start with their owner's address", () => {
  const owner = address("one");
  fc.assert(
    fc.property(fc.maxSafeNat(), fc.maxSafeNat(), (a, b) => {
      const [keyA, keyB] = [recordKey(owner, "job", a), recordKey(owner, "job", b)];
      assert.equal(keyA < keyB, a < b);
      assert.ok(keyA.startsWith(journalPrefix(owner)));
    }),
  );
});

test("a record's value comes back; what is no JSON is named", () => {
  const record = jsonRecord("demo/x", { a: [1, "é"], b: null });
  assert.deepEqual(recordValue(record), { a: [1, "é"], b: null });
  assert.throws(
    () => recordValue({ key: "demo/x", value: "{" }),
    (error) => isSkyError(error, "codec/invalid") && error.params["what"] === "record demo/x",
  );
});

test("metrics count by name and labels and print as Prometheus reads them", () => {
  const metrics = createMetrics();
  metrics.count("crashes_total", { node: "b" });
  metrics.count("crashes_total", { node: 'a"\\\n' }, 2);
  const remove = metrics.gauge("actors", {}, () => 3);
  assert.equal(
    metrics.text(),
    "# TYPE actors gauge\nactors 3\n# TYPE crashes_total counter\n" +
      'crashes_total{node="a\\"\\\\\\n"} 2\ncrashes_total{node="b"} 1\n',
  );
  remove();
  assert.equal(metrics.snapshot().has("actors"), false);
});

test("the debug table lists actors, the busiest first", () => {
  const report = { mailboxCount: 0, commitsPending: 1, timers: ["beat", "due"], incarnation: 2 };
  const reports = [
    { ...report, address: address("a"), turns: 5 },
    { ...report, address: address("longer"), turns: 70, timers: [] },
  ];
  assert.equal(
    actorTable(reports),
    [
      "ACTOR                      LIFE  TURNS  WAITING  UNSAVED  TIMERS",
      "demo/head/scripted/longer  2     70     0        1        -",
      "demo/head/scripted/a       2     5      0        1        beat due",
      "",
    ].join("\n"),
  );
});

test("the memory log keeps lines with the fields of all parents", () => {
  const log = createMemoryLog();
  log.child({ node: "a" }).child({ kind: "rank" }).info("phase", { to: "running" });
  assert.deepEqual(log.lines, [
    { level: "info", message: "phase", fields: { node: "a", kind: "rank", to: "running" } },
  ]);
});

test("the pino log writes JSON lines, private to the user, without secrets", async (t) => {
  const dir = await mkdtemp(join(tmpdir(), "log-"));
  t.after(() => rm(dir, { recursive: true }));
  const path = join(dir, "head.log");
  const { log, close } = createPinoLog({
    ...{ destination: path, level: "info", redact: ["spec.key"] },
    fields: { program: "skyhead" },
  });
  log.debug("not at this level");
  const cause = new Error("disk");
  const error = new SkyError("store/failed", { why: "full" }, { cause });
  log.child({ node: "a" }).warn("commit failed", {
    ...{ error, secrets: { A: "hidden" }, spec: { key: "hidden", token: "hidden" } },
  });
  close();
  const text = await until("the line is written", async () => {
    const content = await readFile(path, "utf8").catch(() => "");
    return content.endsWith("\n") && content;
  });
  const lines = text.trim().split("\n");
  assert.equal(lines.length, 1);
  const line = JSON.parse(lines[0] ?? "");
  const { level, msg, node, program } = line;
  assert.deepEqual(
    { level, msg, node, program },
    {
      ...{ level: "warn", msg: "commit failed", node: "a", program: "skyhead" },
    },
  );
  assert.match(line.error.message, /journal cannot be written/);
  assert.ok(!text.includes("hidden"));
  assert.equal((await stat(path)).mode & 0o777, 0o600);
});
