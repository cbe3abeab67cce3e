// Effects and the disk: nothing is performed for a state that is not saved, everything is performed
// in order once it is, and what a turn puts into the outbox survives a crash with its token.

import assert from "node:assert/strict";
import { test } from "node:test";
import { splitJournal } from "../../runtime/journal.ts";
import { createMemoryDisk, createMemoryStore } from "../../runtime/store-memory.ts";
import { fc } from "../support/property.ts";
import type { Line, Stage } from "./runtime-stage.ts";
import { address, batch, createManualStore, note, setStage, settle } from "./runtime-stage.ts";

const texts = (stage: Stage): readonly string[] => stage.performed.map(({ text }) => text);

const saved = (name: string): Line => ({
  kind: "do",
  name,
  effects: [note(name)],
  commit: batch(`demo/head/scripted/one/${name}`),
});

const unsaved = (name: string): Line => ({ kind: "do", name, effects: [note(name)] });

test("effects wait for their own commit and all earlier ones; step does not wait", async () => {
  const store = createManualStore();
  const stage = setStage({ store });
  const ref = stage.spawn();
  for (const line of [unsaved("a"), saved("b"), unsaved("c"), saved("d"), unsaved("e")]) {
    stage.system.tell(ref, line);
  }
  await settle();
  assert.deepEqual(stage.taken(), ["a", "b", "c", "d", "e"]);
  assert.deepEqual(texts(stage), ["a"]);
  assert.equal(stage.system.inspect()[0]?.commitsPending, 2);

  store.finishAt(1);
  await settle();
  assert.deepEqual(texts(stage), ["a"], "d is on disk, b is not");
  store.finish(1);
  await settle();
  assert.deepEqual(texts(stage), ["a", "b", "c", "d", "e"]);
  assert.equal(stage.system.inspect()[0]?.commitsPending, 0);
});

test("whatever commits and whenever the disk answers, effects are a prefix in order", async () => {
  const plan = fc.record({
    saves: fc.array(fc.boolean(), { minLength: 1, maxLength: 12 }),
    answers: fc.array(fc.nat(11), { maxLength: 12 }),
  });
  await fc.assert(
    fc.asyncProperty(plan, async ({ saves, answers }) => {
      const store = createManualStore();
      const stage = setStage({ store });
      const ref = stage.spawn();
      const names = saves.map((_, i) => `t${i}`);
      saves.forEach((isSaved, i) => {
        stage.system.tell(ref, isSaved ? saved(`t${i}`) : unsaved(`t${i}`));
      });
      await settle();
      const pending = names.filter((_, i) => saves[i]);
      for (const answer of answers) {
        if (pending.length === 0) break;
        const index = answer % pending.length;
        store.finishAt(index);
        pending.splice(index, 1);
        await settle();
        const first = pending[0] === undefined ? names.length : names.indexOf(pending[0]);
        assert.deepEqual(texts(stage), names.slice(0, first));
      }
    }),
    { numRuns: 60 },
  );
});

test("a failed commit ends the actor and nothing of it, or after it, is performed", async () => {
  const store = createManualStore();
  const stage = setStage({ store });
  const ref = stage.spawn();
  const heard: unknown[] = [];
  stage.system.watch(ref, (reason, crashed) => heard.push([reason, crashed]));
  for (const name of ["a", "b"]) stage.system.tell(ref, saved(name));
  stage.system.tell(ref, unsaved("c"));
  await settle();
  store.fail();
  await settle();
  assert.deepEqual(texts(stage), []);
  const reason = "a commit failed: the journal cannot be written: the disk is full";
  assert.deepEqual(heard, [[reason, true]]);
  assert.deepEqual(stage.system.inspect(), []);
});

test("a stop waits for the commits under way and performs what they release", async () => {
  const store = createManualStore();
  const stage = setStage({ store });
  const ref = stage.spawn();
  stage.system.tell(ref, saved("a"));
  await settle();
  let stopped = false;
  const stop = stage.system.stop(ref, "enough").then(() => {
    stopped = true;
  });
  stage.system.tell(ref, unsaved("too late"));
  await settle();
  assert.equal(stopped, false);
  store.finish(1);
  await stop;
  assert.deepEqual(texts(stage), ["a"]);
});

test("a crash waits for the commits under way, so a restart reads a journal at rest", async () => {
  const store = createManualStore();
  const stage = setStage({ store });
  const ref = stage.spawn();
  const heard: boolean[] = [];
  stage.system.watch(ref, (_, crashed) => heard.push(crashed));
  stage.system.tell(ref, saved("a"));
  stage.system.tell(ref, { kind: "do", throws: "a bug" });
  await settle();
  assert.deepEqual(heard, []);
  store.finish(1);
  await settle();
  assert.deepEqual(heard, [true]);
  assert.deepEqual(texts(stage), ["a"]);
});

test("saved resolves when the turns so far are on disk and performed", async () => {
  const store = createManualStore();
  const stage = setStage({ store });
  const ref = stage.spawn();
  stage.system.tell(ref, saved("a"));
  await settle();
  const done = stage.system.saved(ref).then(() => texts(stage));
  store.finish(1);
  assert.deepEqual(await done, ["a"]);
});

test("without a journal, a turn that commits ends its actor", async () => {
  const stage = setStage();
  const ref = stage.spawn();
  assert.ok(stage.system.inspect().length === 1);
  const bare = setStage({ store: { ...createMemoryStore(), commit: async () => fail() } });
  bare.system.tell(bare.spawn(), saved("a"));
  stage.system.tell(ref, saved("a"));
  await settle();
  assert.deepEqual(texts(stage), ["a"]);
  assert.deepEqual(bare.system.inspect(), []);
  assert.deepEqual(texts(bare), []);
});

test("every effect has a token of its own, in every life", async () => {
  const disk = createMemoryDisk();
  const tokens: string[] = [];
  for (const incarnation of [1, 2]) {
    const stage = setStage({ incarnation, store: createMemoryStore({ disk }) });
    for (let life = 0; life < 2; life += 1) {
      const ref = stage.spawn();
      stage.system.tell(ref, { kind: "do", effects: [note("a"), note("b")], outbox: [note("c")] });
      stage.system.tell(ref, { kind: "do", effects: [note("d")] });
      await settle();
      await stage.system.stop(ref, "next life");
    }
    tokens.push(...stage.performed.map(({ token }) => token));
  }
  assert.equal(new Set(tokens).size, 16);
  assert.equal(tokens[0], "demo/head/scripted/one/1.1.1/0");
  assert.equal(tokens[2], "demo/head/scripted/one/1.1.1/2");
});

test("an effect in the outbox is performed again after a crash, with the same token", async () => {
  const disk = createMemoryDisk();
  const first = setStage({ store: createMemoryStore({ disk }) });
  const ref = first.spawn();
  first.system.tell(ref, {
    kind: "do",
    commit: batch("demo/head/scripted/one/job"),
    effects: [note("plain")],
    outbox: [{ kind: "slow", text: "launch" }, note("quick")],
  });
  await settle();
  assert.deepEqual(texts(first), ["plain", "launch", "quick"]);

  // The process is killed here. What had not been marked as done is done again.
  const store = createMemoryStore({ disk });
  const left = splitJournal(address("one"), await store.read("demo/head/scripted/one/"));
  assert.deepEqual(
    left.records.map(({ key }) => key),
    ["demo/head/scripted/one/job"],
  );
  const second = setStage({ store, incarnation: 2 });
  const again = second.spawn("one", { outbox: left.outbox });
  assert.deepEqual(second.performed, first.performed.slice(1));

  second.gates.get("launch")?.();
  await settle();
  second.system.tell(again, saved("later"));
  await settle();
  const rest = splitJournal(address("one"), await store.read("demo/head/scripted/one/"));
  assert.deepEqual(rest.outbox, [], "what is done left with the next commit");
  assert.equal(rest.records.length, 2);
});

test("an effect that failed stays in the outbox", async () => {
  const disk = createMemoryDisk();
  const store = createMemoryStore({ disk });
  const stage = setStage({ store });
  const ref = stage.spawn();
  stage.system.tell(ref, { kind: "do", outbox: [{ kind: "fail", error: "expected" }, note("ok")] });
  await settle();
  await stage.system.stop(ref, "enough");
  const { outbox } = splitJournal(address("one"), await store.read("demo/"));
  assert.deepEqual(
    outbox.map(({ effect }) => effect.kind),
    ["fail"],
  );
});

test("the outbox comes back in the order in which it was filled", async () => {
  const store = createMemoryStore();
  const stage = setStage({ store });
  const ref = stage.spawn();
  const names = Array.from({ length: 25 }, (_, i) => `n${i}`);
  for (const text of names) {
    stage.system.tell(ref, { kind: "do", outbox: [{ kind: "slow", text }] });
  }
  await settle();
  const { outbox } = splitJournal(address("one"), await store.read("demo/"));
  assert.deepEqual(
    outbox.map(({ effect }) => (effect as unknown as { text: string }).text),
    names,
  );
});

function fail(): never {
  throw new Error("no disk");
}
