// A supervisor over living actors: who runs afterwards, in which order they came and went.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Ref } from "../../model/address.ts";
import { type Supervisor, supervise } from "../../runtime/supervise-actor.ts";
import type { SupervisorSpec } from "../../runtime/supervisor.ts";
import type { Line, Stage } from "./runtime-stage.ts";
import { address, batch, createManualStore, setStage, settle } from "./runtime-stage.ts";

interface Family {
  readonly stage: Stage;
  readonly supervisor: Supervisor;
  /** Starts and ends, in order. */
  readonly story: string[];
  readonly escalations: string[];
  /** Children whose next start throws. */
  readonly failing: Set<string>;
  add(id: string, options?: { readonly restart?: "always" | "on-crash" | "never" }): Promise<void>;
  crash(id: string): Promise<void>;
}

function family(strategy: SupervisorSpec["strategy"], stage: Stage = setStage()): Family {
  const story: string[] = [];
  const escalations: string[] = [];
  const failing = new Set<string>();
  const supervisor = supervise({
    ...{ strategy, restartsMax: 3, periodMs: 60_000 },
    system: stage.system,
    clock: stage.clock,
    log: stage.log,
    onEscalate: (reason) => escalations.push(reason),
  });
  const start = (id: string): Ref<Line> => {
    if (failing.delete(id)) {
      story.push(`${id} fails`);
      throw new Error("no journal");
    }
    const ref = stage.spawn(id);
    story.push(`${id} up`);
    stage.system.watch(ref, () => story.push(`${id} down`));
    return ref;
  };
  return {
    ...{ stage, supervisor, story, escalations, failing },
    add: (id, { restart = "always" } = {}) =>
      supervisor.add({ id, restart, start: () => start(id) }),
    crash: async (id) => {
      stage.system.tell(address(id) as Ref<Line>, { kind: "do", throws: "a bug" });
      await settle();
      await supervisor.settled();
    },
  };
}

const running = ({ stage }: Family): readonly string[] =>
  stage.system
    .inspect()
    .map((report) => report.address.id)
    .toSorted();

test("a child that crashes is started again, with those that lean on it", async () => {
  const { add, crash, story, ...rest } = family("rest-for-one");
  for (const id of ["a", "b", "c"]) await add(id);
  await crash("b");
  assert.deepEqual(story.slice(3), ["b down", "c down", "b up", "c up"]);
  assert.deepEqual(running({ add, crash, story, ...rest }), ["a", "b", "c"]);
});

test("too many crashes stop all children, the last first, and escalate once", async () => {
  const all = family("one-for-one");
  for (const id of ["a", "b", "c"]) await all.add(id);
  for (let i = 0; i < 4; i += 1) await all.crash("b");
  assert.deepEqual(all.story.slice(-3), ["b down", "c down", "a down"]);
  assert.deepEqual(running(all), []);
  assert.deepEqual(all.escalations, ["b: 4 restarts within 60000 ms"]);
  await assert.rejects(all.add("d"), /closed supervisor/);
});

test("a crash now and then is no reason to give up", async () => {
  const all = family("one-for-one");
  await all.add("a");
  for (let i = 0; i < 10; i += 1) {
    await all.crash("a");
    all.stage.clock.advance(30_000);
  }
  assert.deepEqual(running(all), ["a"]);
  assert.deepEqual(all.escalations, []);
});

test("siblings that crash together are each restarted once", async () => {
  const all = family("one-for-all");
  for (const id of ["a", "b"]) await all.add(id);
  for (const id of ["a", "b"]) {
    all.stage.system.tell(address(id) as Ref<Line>, { kind: "do", throws: "a bug" });
  }
  await settle();
  await all.supervisor.settled();
  assert.deepEqual(running(all), ["a", "b"]);
  assert.equal(all.story.filter((line) => line.endsWith("up")).length, 4);
});

test("a restart that fails to start is a crash of its own and is tried again", async () => {
  const all = family("rest-for-one");
  for (const id of ["a", "b", "c"]) await all.add(id);
  all.failing.add("b");
  await all.crash("a");
  await all.supervisor.settled();
  const story = ["a down", "c down", "b down", "a up", "b fails", "b up", "c up"];
  assert.deepEqual(all.story.slice(3), story);
  assert.deepEqual(all.escalations, []);
});

test("a child that cannot start at first is refused and forgotten", async () => {
  const all = family("one-for-all");
  await all.add("a");
  all.failing.add("b");
  await assert.rejects(all.add("b"), /no journal/);
  assert.deepEqual(all.supervisor.children(), ["a"]);
  assert.deepEqual(running(all), ["a"]);
});

test("add waits until the child's first turn is on disk", async () => {
  const store = createManualStore();
  const stage = setStage({ store });
  const { supervisor } = family("one-for-one", stage);
  const actor = {
    ...stage.scripted,
    start: () => ({ state: [], effects: [], commit: batch("demo/head/scripted/a/first") }),
  };
  let up = false;
  const added = supervisor
    .add({ id: "a", restart: "always", start: () => stage.system.spawn(actor, "a", undefined) })
    .then(() => {
      up = true;
    });
  await settle();
  assert.equal(up, false);
  store.finish(1);
  await added;
  assert.equal(up, true);
});

test("remove ends one child for good; close ends the rest in reverse", async () => {
  const all = family("one-for-one");
  for (const id of ["a", "b", "c"]) await all.add(id);
  await all.supervisor.remove("b");
  await all.supervisor.close("the end");
  assert.deepEqual(all.story.slice(3), ["b down", "c down", "a down"]);
  assert.deepEqual(all.escalations, []);
});
