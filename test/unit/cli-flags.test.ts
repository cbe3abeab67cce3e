// The tables of flags: what they rule out by themselves, idle times as people type them, names that
// nobody may use, and that a home without clusters needs no head.

import assert from "node:assert/strict";
import { test } from "node:test";
import { allCommands } from "../../client/cli/commands.ts";
import { WrongUse } from "../../client/cli/exit-codes.ts";
import { type CommandSpec, checkFlags, longName } from "../../client/cli/flags.ts";
import { idleRuleOf, idleRuleOfStart, idleSecondsIn, withFile } from "../../client/cli/idle.ts";
import { checkReserved, isReserved, refuseReserved } from "../../client/cli/reserved.ts";
import { emptyHomeHead } from "../../client/empty-home.ts";
import type { Head } from "../../client/head.ts";
import { isSkyError } from "../../model/errors.ts";

const signal = new AbortController().signal;

test("an idle time is minutes, or has a unit", () => {
  const cases = {
    "10": 600,
    "0.5": 30,
    ".5": 30,
    "90s": 90,
    "10m": 600,
    "1h": 3_600,
    "2d": 172_800,
  };
  for (const [text, seconds] of Object.entries(cases)) assert.equal(idleSecondsIn(text), seconds);
  assert.equal(idleSecondsIn("0"), 0);
  for (const text of ["", "x", "-1", "1w", "1 h", "1h30", "1e3", "Infinity", "m"]) {
    assert.throws(() => idleSecondsIn(text), WrongUse, text);
  }
});

test("--down alone is as soon as it is idle, but start wants a time", () => {
  const parsed = (flags: Readonly<Record<string, unknown>>) => ({ args: [], flags });
  assert.equal(idleRuleOf(parsed({})), undefined);
  assert.deepEqual(idleRuleOf(parsed({ down: true })), { idleSeconds: 0, down: true });
  const timed = parsed({ idleMinutesToAutostop: "2", down: true });
  assert.deepEqual(idleRuleOf(timed), { idleSeconds: 120, down: true });
  assert.deepEqual(idleRuleOfStart(timed), { idleSeconds: 120, down: true });
  assert.equal(idleRuleOfStart(parsed({})), undefined);
  assert.throws(() => idleRuleOfStart(parsed({ down: true })), /--down goes with -i/);
});

test("flags win over the file's autostop; --down alone takes its time", () => {
  const file = { idleSeconds: 1_200, down: false };
  const merged = (flags: Readonly<Record<string, unknown>>, ofFile?: typeof file) => {
    const parsed = { args: [], flags };
    return withFile(parsed, idleRuleOf(parsed), ofFile);
  };
  assert.equal(merged({}), undefined);
  assert.deepEqual(merged({}, file), file);
  assert.deepEqual(merged({ down: true }, file), { idleSeconds: 1_200, down: true });
  assert.deepEqual(merged({ down: true }), { idleSeconds: 0, down: true });
  const timed = { idleMinutesToAutostop: "5" };
  assert.deepEqual(merged(timed, file), { idleSeconds: 300, down: false });
});

const spec: CommandSpec = {
  ...{ name: "x", args: "", about: "", examples: [] },
  flags: [
    { usage: "--kind <KIND>", about: "", values: ["one", "two", "three"] },
    { usage: "--cloudy", about: "", needsCloud: true },
    { usage: "-p, --port-of <PORT>", about: "", needsCloud: true, repeated: true },
    { usage: "--never", about: "", refused: "that is not there" },
    { usage: "--no-never", about: "" },
    { usage: "--no-wait", about: "", refused: "it always waits" },
  ],
};

test("a table refuses what it rules out, and takes everything else", () => {
  const check = (flags: Readonly<Record<string, unknown>>) => {
    return () => checkFlags(spec, { args: [], flags });
  };
  check({ kind: "one", never: false, cloudy: false, wait: true })();
  assert.throws(check({ wait: false }), /--no-wait: it always waits/);
  assert.throws(
    check({ kind: "tow" }),
    /--kind should be one, two or three, not 'tow'. Did .*'two'/,
  );
  assert.throws(check({ kind: "tow" }), WrongUse);
  assert.throws(check({ never: true }), /^Error: --never: that is not there$/);
  const needs = (error: unknown) => isSkyError(error, "cloud/needed");
  assert.throws(check({ cloudy: true, portOf: ["80"] }), needs);
  assert.throws(check({ cloudy: true, portOf: ["80"] }), /--cloudy, --port-of need a cloud/);
});

test("flags have one spelling each in a command, and every text ends as a sentence", async () => {
  for (const [, { name, flags, about }] of await allCommands()) {
    const names = flags.flatMap(({ usage }) => usage.match(/(?<![\w-])--?[a-z][\w-]*/g) ?? []);
    assert.deepEqual(names, [...new Set(names)], name);
    for (const flag of [...flags, { usage: name, about }]) {
      assert.match(flag.about, /\.$|\)$/, `${name} ${longName(flag)}`);
      assert.match(flag.about, /^[A-Zj]/, `${name} ${longName(flag)}`);
    }
  }
});

test("names of controllers are reserved", () => {
  assert.ok(isReserved("sky-jobs-controller-1a2b3c4d"));
  assert.ok(!isReserved("sky-1a2b-ann"));
  assert.throws(() => refuseReserved("sky-spot-controller-x", "launching"), WrongUse);
  checkReserved(["a*", "b"], "stop");
  checkReserved(["sky-serve-controller-x"], "down");
  assert.throws(() => checkReserved(["a", "sky-serve-controller-x"], "down"), /goes alone/);
  assert.throws(() => checkReserved(["sky-serve-controller-x"], "stop"), /not supported/);
});

test("an empty home has no cluster and starts no head before something is launched", async () => {
  let connected = 0;
  const real = {
    status: async () => [{ name: "demo" }],
    launch: async function* () {},
    close: () => {},
  } as unknown as Head;
  const head = emptyHomeHead(async () => {
    connected += 1;
    return real;
  });
  const unknown = (error: unknown) => isSkyError(error, "cluster/not-found");
  assert.deepEqual(await head.status([], signal), []);
  assert.deepEqual(await head.costReport(signal), []);
  await assert.rejects(head.status(["x"], signal), unknown);
  await assert.rejects(head.refresh(["x"], signal), unknown);
  await assert.rejects(head.listJobs({ cluster: "x", skipFinished: false }, signal), unknown);
  const log = head.tailLogs(
    { cluster: "x", job: 1, follow: true, offsets: [], ranks: [], tailLines: 0 },
    signal,
  );
  await assert.rejects(log[Symbol.asyncIterator]().next(), unknown);
  head.close();
  assert.equal(connected, 0);
  for await (const step of head.launch({} as never, signal)) assert.fail(String(step));
  assert.equal(connected, 1);
  assert.deepEqual(await head.status([], signal), [{ name: "demo" }]);
  assert.equal(connected, 1, "the head that was started is kept");
});
