// The supervisor's arithmetic against a naive model that keeps a list of what runs.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { ChildSpec, SupervisorEffect, SupervisorSpec } from "../../runtime/supervisor.ts";
import { addChild, onExit, removeChild, stopAll, supervisor } from "../../runtime/supervisor.ts";
import { fc } from "../support/property.ts";

const spec = (strategy: SupervisorSpec["strategy"]): SupervisorSpec => ({
  strategy,
  restartsMax: 2,
  periodMs: 1_000,
});

const always = (id: string): ChildSpec => ({ id, restart: "always" });

function family(strategy: SupervisorSpec["strategy"], children: readonly ChildSpec[]) {
  return children.reduce((state, child) => addChild(state, child)[0], supervisor(spec(strategy)));
}

const words = (effects: readonly SupervisorEffect[]): readonly string[] =>
  effects.map((effect) =>
    effect.kind === "escalate" ? "escalate" : `${effect.kind.slice(0, -6)} ${effect.id}`,
  );

test("each strategy restarts whom it should, stopping in reverse and starting in order", () => {
  const rows = [
    ["one-for-one", ["start b"]],
    ["one-for-all", ["stop d", "stop c", "stop a", "start a", "start b", "start c", "start d"]],
    ["rest-for-one", ["stop d", "stop c", "start b", "start c", "start d"]],
  ] as const;
  for (const [strategy, expected] of rows) {
    const state = family(strategy, ["a", "b", "c", "d"].map(always));
    const [after, effects] = onExit(state, { id: "b", crashed: true, atMs: 5 });
    assert.deepEqual(words(effects), expected);
    assert.deepEqual(after.children, state.children);
  }
});

test("whether a child comes back depends on its restart and on how it ended", () => {
  const rows = [
    ["always", true, true],
    ["always", false, true],
    ["on-crash", true, true],
    ["on-crash", false, false],
    ["never", true, false],
    ["never", false, false],
  ] as const;
  for (const [restart, crashed, back] of rows) {
    const state = family("one-for-all", [{ id: "a", restart }, always("b")]);
    const [after, effects] = onExit(state, { id: "a", crashed, atMs: 5 });
    assert.equal(effects.length > 0, back, `${restart}, crashed: ${crashed}`);
    assert.equal(after.children.length, back ? 2 : 1);
  }
});

test("a child that is never restarted is stopped with its siblings and forgotten", () => {
  const state = family("one-for-all", [always("a"), { id: "b", restart: "never" }, always("c")]);
  const [after, effects] = onExit(state, { id: "a", crashed: true, atMs: 5 });
  assert.deepEqual(words(effects), ["stop c", "stop b", "start a", "start c"]);
  assert.deepEqual(
    after.children.map(({ id }) => id),
    ["a", "c"],
  );
});

test("one restart too many within the period stops all and escalates", () => {
  let state = family("one-for-one", ["a", "b"].map(always));
  let effects: readonly SupervisorEffect[] = [];
  for (const atMs of [0, 600, 1_000]) {
    [state, effects] = onExit(state, { id: "b", crashed: true, atMs });
  }
  assert.deepEqual(effects, [
    { kind: "stop-child", id: "a" },
    { kind: "escalate", reason: "b: 3 restarts within 1000 ms" },
  ]);
  assert.deepEqual(state.children, []);
});

test("restarts that are longer ago than the period are forgiven", () => {
  let state = family("one-for-one", ["a"].map(always));
  for (let atMs = 0; atMs < 100_000; atMs += 501) {
    const [next, effects] = onExit(state, { id: "a", crashed: true, atMs });
    assert.deepEqual(words(effects), ["start a"], `at ${atMs}`);
    state = next;
  }
});

test("a child that is removed is stopped for good; all are stopped in reverse", () => {
  const state = family("rest-for-one", ["a", "b", "c"].map(always));
  const [after, effects] = removeChild(state, "b");
  assert.deepEqual(words(effects), ["stop b"]);
  assert.deepEqual(words(stopAll(after)[1]), ["stop c", "stop a"]);
  assert.deepEqual(onExit(after, { id: "b", crashed: true, atMs: 1 }), [after, []]);
  assert.throws(() => addChild(state, always("a")), /child a exists/);
});

/** Plays effects on a list of what runs, and complains of what no supervisor may ask for. */
function play(running: readonly string[], effects: readonly SupervisorEffect[]): string[] {
  let now = [...running];
  for (const effect of effects) {
    if (effect.kind === "escalate") continue;
    const runs = now.includes(effect.id);
    assert.equal(runs, effect.kind === "stop-child", `${effect.kind} ${effect.id}`);
    if (runs) now = now.filter((id) => id !== effect.id);
    else now.push(effect.id);
  }
  return now;
}

/** What should run afterwards, said without looking at how. */
function expected(
  strategy: SupervisorSpec["strategy"],
  children: readonly ChildSpec[],
  exit: { readonly id: string; readonly crashed: boolean },
): readonly ChildSpec[] {
  const at = children.findIndex(({ id }) => id === exit.id);
  const { restart } = children[at] as ChildSpec;
  const comesBack = restart === "always" || (restart === "on-crash" && exit.crashed);
  const isHit = (index: number): boolean => {
    if (strategy === "one-for-one" || !comesBack) return index === at;
    return strategy === "one-for-all" || index >= at;
  };
  return children.filter((child, index) => {
    if (!isHit(index)) return true;
    return comesBack && child.restart !== "never";
  });
}

test("after any exits, exactly those run that a naive model expects", () => {
  const restart = fc.constantFrom<ChildSpec["restart"]>("always", "on-crash", "never");
  const scene = fc.record({
    strategy: fc.constantFrom<SupervisorSpec["strategy"]>(
      "one-for-one",
      "one-for-all",
      "rest-for-one",
    ),
    restarts: fc.array(restart, { minLength: 1, maxLength: 5 }),
    exits: fc.array(fc.record({ child: fc.nat(4), crashed: fc.boolean(), afterMs: fc.nat(700) }), {
      maxLength: 20,
    }),
  });
  fc.assert(
    fc.property(scene, ({ strategy, restarts, exits }) => {
      let children = restarts.map((each, index): ChildSpec => ({ id: `c${index}`, restart: each }));
      let state = family(strategy, children);
      let running: readonly string[] = children.map(({ id }) => id);
      let atMs = 0;
      let restartsAt: number[] = [];
      for (const { child, crashed, afterMs } of exits) {
        atMs += afterMs;
        const exit = { id: `c${child}`, crashed, atMs };
        if (!running.includes(exit.id)) continue;
        const spec = children.find(({ id }) => id === exit.id) as ChildSpec;
        if (spec.restart === "always" || (spec.restart === "on-crash" && crashed)) {
          restartsAt = [...restartsAt.filter((then) => then >= atMs - 1_000), atMs];
        }
        const [next, effects] = onExit(state, exit);
        running = play(
          running.filter((id) => id !== exit.id),
          effects,
        );
        state = next;
        children = restartsAt.length > 2 ? [] : [...expected(strategy, children, exit)];
        assert.deepEqual(running.toSorted(), children.map(({ id }) => id).toSorted());
        assert.deepEqual(state.children, children);
        assert.equal(
          effects.some(({ kind }) => kind === "escalate"),
          restartsAt.length > 2,
        );
        if (restartsAt.length > 2) return;
      }
    }),
    { numRuns: 500 },
  );
});
