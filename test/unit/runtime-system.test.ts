// The five verbs on one node: spawn, tell, ask, watch, stop; timers; and what a crash does.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isSkyError } from "../../model/errors.ts";
import type { Answer, Line } from "./runtime-stage.ts";
import { address, note, setStage, settle } from "./runtime-stage.ts";

const timer = (name: string, ms: number): Line => ({
  kind: "do",
  effects: [{ kind: "start-timer", name, ms, message: { kind: "tick", name } }],
});

test("messages are taken one by one in the order in which they were told", async () => {
  const stage = setStage();
  const ref = stage.spawn();
  const names = Array.from({ length: 1_000 }, (_, i) => `m${i}`);
  for (const name of names) stage.system.tell(ref, { kind: "do", name });
  assert.deepEqual(stage.taken(), [], "tell runs nothing itself");
  await settle();
  assert.deepEqual(stage.taken(), names);
});

test("a message is stamped with the moment of its turn and with this node", async () => {
  const stage = setStage();
  const ref = stage.spawn();
  stage.system.tell(ref, { kind: "do" });
  stage.clock.advance(70);
  await settle();
  const [, turn] = stage.turns;
  assert.deepEqual(turn?.at, stage.clock.now());
  const [taken] = (turn?.state ?? []) as { from: string; at: unknown }[];
  assert.equal(taken?.from, "head");
  assert.deepEqual(taken?.at, stage.clock.now());
});

test("an address houses one actor at a time", async () => {
  const stage = setStage();
  const ref = stage.spawn();
  assert.throws(() => stage.spawn(), /is already taken/);
  assert.throws(() => stage.spawn("a.b"), /is no address/);
  await stage.system.stop(ref, "enough");
  stage.spawn();
  assert.deepEqual(
    stage.system.inspect().map(({ incarnation }) => incarnation),
    [2],
  );
});

test("a full mailbox refuses and takes again when it has room", async () => {
  const stage = setStage();
  const ref = stage.spawn("one", { mailboxMax: 3 });
  for (let i = 0; i < 3; i += 1) stage.system.tell(ref, { kind: "do" });
  assert.throws(
    () => stage.system.tell(ref, { kind: "do" }),
    (error) => isSkyError(error, "mailbox/full") && error.params["count"] === 3,
  );
  const asked = stage.system.ask<Line, Answer>(ref, (replyTo) => ({ kind: "question", replyTo }), {
    timeoutMs: 1_000,
  });
  await assert.rejects(asked, (error) => isSkyError(error, "mailbox/full"));
  await settle();
  stage.system.tell(ref, { kind: "do" });
  await settle();
  assert.equal(stage.taken().length, 4);
});

test("an actor's own messages are never refused", async () => {
  const stage = setStage();
  const ref = stage.spawn("one", { mailboxMax: 1 });
  const line: Line = { kind: "do", name: "own" };
  const tellSelf = { kind: "tell", to: ref, message: line } as const;
  stage.system.tell(ref, { kind: "do", effects: [{ kind: "echo", line }, tellSelf, tellSelf] });
  await settle();
  assert.deepEqual(stage.taken(), ["do", "own", "own", "own"]);
});

test("a flood into one actor does not keep another, or the event loop, waiting", async () => {
  const stage = setStage();
  const flooded = stage.spawn("flooded", { mailboxMax: 10_000 });
  const other = stage.spawn("other");
  for (let i = 0; i < 5_000; i += 1) stage.system.tell(flooded, { kind: "do" });
  stage.system.tell(other, { kind: "do" });
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(stage.taken("other").length, 1);
  assert.ok(stage.taken("flooded").length < 5_000, "the loop went round before the flood was over");
});

test("ask resolves with the reply", async () => {
  const { system, spawn } = setStage();
  const answer = await system.ask<Line, Answer>(
    spawn(),
    (replyTo) => ({ kind: "question", replyTo }),
    { timeoutMs: 1_000 },
  );
  assert.deepEqual(answer, { kind: "answer", taken: 1 });
});

test("a request to nobody is refused at once", async () => {
  const { system } = setStage();
  const asked = system.ask<Line, Answer>(
    address("nobody"),
    (replyTo) => ({ kind: "question", replyTo }),
    { timeoutMs: 1_000_000 },
  );
  await assert.rejects(asked, (error) => isSkyError(error, "bus/no-such-actor"));
});

test("a request is refused when the actor ends before it answers", async () => {
  const { system, spawn } = setStage();
  const ref = spawn();
  const asked = system.ask<Line, Answer>(ref, (replyTo) => ({ kind: "riddle", replyTo }), {
    timeoutMs: 1_000_000,
  });
  await settle();
  system.tell(ref, { kind: "do", throws: "a bug" });
  await assert.rejects(asked, (error) => isSkyError(error, "bus/no-such-actor"));
});

test("a request times out on the clock, and its stack names the asker", async () => {
  const { system, spawn, clock } = setStage();
  const ref = spawn();
  const impatient = () =>
    system.ask<Line, Answer>(ref, (replyTo) => ({ kind: "riddle", replyTo }), { timeoutMs: 50 });
  const asked = impatient();
  await settle();
  clock.advance(49);
  clock.advance(1);
  await assert.rejects(asked, (error) => {
    assert.ok(isSkyError(error, "bus/timeout"));
    assert.match(error.message, /within 50 ms from demo\/head\/scripted\/one/);
    assert.match(error.stack ?? "", /impatient/);
    return true;
  });
  assert.equal(clock.waiting().count, 0);
});

test("a request ends with its asker's signal, also one that was aborted before", async () => {
  const { system, spawn, clock } = setStage();
  const ref = spawn();
  const abort = new AbortController();
  const ask = () =>
    system.ask<Line, Answer>(ref, (replyTo) => ({ kind: "riddle", replyTo }), {
      timeoutMs: 50,
      signal: abort.signal,
    });
  const before = ask();
  abort.abort();
  await assert.rejects(before, (error) => isSkyError(error, "core/cancelled"));
  await assert.rejects(ask(), (error) => isSkyError(error, "core/cancelled"));
  assert.equal(clock.waiting().count, 0);
});

test("a timer fires once as a message, before what waits in line", async () => {
  const stage = setStage();
  const ref = stage.spawn();
  stage.system.tell(ref, timer("beat", 100));
  await settle();
  assert.deepEqual(stage.system.inspect()[0]?.timers, ["beat"]);
  stage.system.tell(ref, { kind: "do", name: "first told" });
  stage.clock.advance(100);
  await settle();
  assert.deepEqual(stage.taken(), ["do", "beat", "first told"]);
  stage.clock.advance(1_000);
  await settle();
  assert.equal(stage.taken().length, 3);
});

test("a timer of the same name replaces; a cancelled one never fires", async () => {
  const stage = setStage();
  const ref = stage.spawn();
  stage.system.tell(ref, timer("deadline", 100));
  stage.system.tell(ref, timer("other", 100));
  await settle();
  stage.clock.advance(90);
  stage.system.tell(ref, timer("deadline", 100));
  stage.system.tell(ref, { kind: "do", effects: [{ kind: "cancel-timer", name: "other" }] });
  await settle();
  stage.clock.advance(90);
  await settle();
  assert.equal(stage.taken().length, 4);
  stage.clock.advance(10);
  await settle();
  assert.equal(stage.taken().at(-1), "deadline");
  assert.equal(stage.clock.waiting().count, 0);
});

test("a timer that fired is void if it is cancelled before its turn", async () => {
  const stage = setStage();
  const ref = stage.spawn();
  stage.system.tell(ref, timer("a", 100));
  stage.system.tell(ref, {
    kind: "do",
    effects: [
      {
        kind: "start-timer",
        name: "b",
        ms: 100,
        message: { kind: "do", name: "b", effects: [{ kind: "cancel-timer", name: "c" }] },
      },
      { kind: "start-timer", name: "c", ms: 100, message: { kind: "tick", name: "c" } },
    ],
  });
  await settle();
  stage.clock.advance(100);
  await settle();
  assert.deepEqual(stage.taken().slice(2), ["a", "b"]);
});

test("stop cancels timers, aborts the signal and tells the watchers, once", async () => {
  const stage = setStage();
  const ref = stage.spawn();
  const heard: string[] = [];
  stage.system.watch(ref, (reason, crashed) => heard.push(`${reason} ${crashed}`));
  const unwatch = stage.system.watch(ref, () => heard.push("unwatched"));
  unwatch();
  stage.system.tell(ref, timer("beat", 100));
  stage.system.tell(ref, { kind: "do", effects: [{ kind: "slow", text: "work" }] });
  await settle();
  assert.equal(stage.signals.get("work")?.aborted, false);
  const [first, second] = [stage.system.stop(ref, "enough"), stage.system.stop(ref, "again")];
  await Promise.all([first, second]);
  assert.deepEqual(heard, ["enough false"]);
  assert.equal(stage.signals.get("work")?.aborted, true);
  assert.equal(stage.clock.waiting().count, 0);
  assert.deepEqual(stage.system.inspect(), []);
});

test("watching where nobody lives is answered", async () => {
  const { system } = setStage();
  const heard: string[] = [];
  system.watch(address("nobody"), (reason) => heard.push(reason));
  assert.deepEqual(heard, [], "not from within watch");
  await settle();
  assert.deepEqual(heard, ["nothing lives there"]);
});

test("a step that throws ends the actor and nothing else", async () => {
  const stage = setStage();
  const ref = stage.spawn();
  const other = stage.spawn("other");
  const heard: unknown[] = [];
  stage.system.watch(ref, (reason, crashed) => heard.push([reason, crashed]));
  stage.system.tell(ref, { kind: "do", throws: "a bug" });
  stage.system.tell(ref, { kind: "do", name: "after" });
  stage.system.tell(other, { kind: "do" });
  await settle();
  assert.deepEqual(heard, [["step threw on do: a bug", true]]);
  assert.deepEqual(stage.taken(), []);
  assert.equal(stage.taken("other").length, 1);
  assert.deepEqual(
    stage.log.lines.filter(({ level }) => level === "error").map(({ message }) => message),
    ["actor crashed"],
  );
});

test("an expected failure of an effect is logged; a bug ends the actor", async () => {
  const stage = setStage();
  const ref = stage.spawn();
  const fail = (error: "expected" | "bug"): Line => ({
    kind: "do",
    effects: [{ kind: "fail", error }, note(`after ${error}`)],
  });
  stage.system.tell(ref, fail("expected"));
  await settle();
  assert.equal(stage.system.inspect().length, 1);
  stage.system.tell(ref, fail("bug"));
  await settle();
  assert.equal(stage.system.inspect().length, 0);
  // What a turn asked for is performed as a whole: its state was taken.
  assert.deepEqual(
    stage.performed.map(({ text }) => text),
    ["after expected", "after bug"],
  );
});

test("what an effect says after its actor's end does not reach the next life", async () => {
  const stage = setStage();
  const late: (() => void)[] = [];
  const actor = {
    ...stage.scripted,
    perform: ((_act, context) => {
      late.push(() => context.tellSelf({ kind: "do", name: "late" }));
    }) as typeof stage.scripted.perform,
  };
  const ref = stage.system.spawn(actor, "one", undefined);
  stage.system.tell(ref, { kind: "do", effects: [note("x")] });
  await settle();
  await stage.system.stop(ref, "enough");
  stage.spawn();
  for (const say of late) say();
  await settle();
  assert.deepEqual(stage.taken(), ["do"]);
});

test("close stops the latest actor first and fails what is still asked", async () => {
  const { system, spawn } = setStage();
  const ended: string[] = [];
  for (const id of ["a", "b", "c"]) system.watch(spawn(id), () => ended.push(id));
  const asked = system.ask<Line, Answer>(
    address("far", "worker1"),
    () => ({ kind: "report-inventory" }) as unknown as Line,
    { timeoutMs: 1_000 },
  );
  const refused = assert.rejects(asked, (error) => isSkyError(error, "core/cancelled"));
  await system.close("the end");
  await refused;
  assert.deepEqual(ended, ["c", "b", "a"]);
  assert.throws(() => spawn("d"), /closed system/);
});
