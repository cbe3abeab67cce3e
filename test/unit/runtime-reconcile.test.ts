// Reconciling: one look per key at a time, no ask lost, whatever the order of events.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { SkyError } from "../../model/errors.ts";
import { backoff, backoffMs } from "../../runtime/backoff.ts";
import { createMemoryClock } from "../../runtime/clock-memory.ts";
import { createMemoryLog } from "../../runtime/log-memory.ts";
import { createMemoryRandom } from "../../runtime/random-memory.ts";
import type { ReconcileOutcome } from "../../runtime/reconcile.ts";
import { reconcileQueue, reconcileStep } from "../../runtime/reconcile.ts";
import { createReconciler } from "../../runtime/reconcile-actor.ts";
import { settle } from "./runtime-stage.ts";

const policy = backoff({ initialMs: 1_000, capMs: 10_000 });
const transient = new SkyError("bus/timeout", { ms: 5, to: "x" });
const permanent = new SkyError("bus/no-such-actor", { to: "x" });

test("a backoff grows from its start to its cap and stays within its jitter", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 60 }), fc.integer(), (failures, seed) => {
      const ms = backoffMs(policy, failures, createMemoryRandom(seed));
      const nominalMs = Math.min(10_000, 1_000 * 1.6 ** (failures - 1));
      assert.ok(ms >= Math.floor(nominalMs * 0.6) && ms <= Math.ceil(nominalMs * 1.4), `${ms}`);
    }),
  );
});

/** A reconciler whose looks end when the test says so. */
function stand(looksMax = 2) {
  const clock = createMemoryClock();
  const looks: { readonly key: string; readonly end: (outcome: ReconcileOutcome) => void }[] = [];
  const stuck: string[] = [];
  const signals: AbortSignal[] = [];
  const reconciler = createReconciler({
    clock,
    random: createMemoryRandom(1),
    log: createMemoryLog(),
    looksMax,
    backoff: policy,
    look: (key, signal) => {
      signals.push(signal);
      return new Promise((end) => looks.push({ key, end }));
    },
    onStuck: (key) => stuck.push(key),
  });
  const end = async (outcome: ReconcileOutcome): Promise<void> => {
    looks.shift()?.end(outcome);
    await settle();
  };
  return { clock, looks, stuck, signals, reconciler, end };
}

test("many asks for a key are one look, and one more if they come during it", async () => {
  const { reconciler, looks, end } = stand();
  reconciler.ask("a");
  await end({ kind: "done" });
  assert.equal(reconciler.report().size, 0);
  for (let i = 0; i < 5; i += 1) reconciler.ask("a");
  assert.equal(looks.length, 1);
  await end({ kind: "done" });
  assert.equal(looks.length, 1, "what changed during a look is looked at after it");
  await end({ kind: "done" });
  assert.equal(looks.length, 0);
});

test("at most so many keys are looked at side by side, in the order of the asks", async () => {
  const { reconciler, looks, end } = stand(2);
  for (const key of ["a", "b", "c", "d"]) reconciler.ask(key);
  assert.deepEqual(
    looks.map(({ key }) => key),
    ["a", "b"],
  );
  await end({ kind: "done" });
  assert.deepEqual(
    looks.map(({ key }) => key),
    ["b", "c"],
  );
});

test("again waits as long as it says, or until somebody asks", async () => {
  const { reconciler, looks, clock, end } = stand();
  reconciler.ask("a");
  await end({ kind: "again", afterMs: 500 });
  clock.advance(499);
  assert.equal(looks.length, 0);
  clock.advance(1);
  assert.equal(looks.length, 1);
  await end({ kind: "again", afterMs: 500 });
  reconciler.ask("a");
  assert.equal(looks.length, 1);
  assert.equal(clock.waiting().count, 0);
});

test("a failure that may pass is tried again, later each time", async () => {
  const { reconciler, looks, clock, stuck, end } = stand();
  reconciler.ask("a");
  const waits: number[] = [];
  for (let i = 0; i < 6; i += 1) {
    await end({ kind: "failed", error: transient });
    waits.push(clock.waiting().nextMs ?? 0);
    clock.advanceToNext();
    assert.equal(looks.length, 1);
  }
  assert.ok((waits[5] ?? 0) > 3 * (waits[0] ?? 0), waits.join(" "));
  await end({ kind: "done" });
  assert.deepEqual(stuck, []);
});

test("any other failure, and a throw, is shown and stays until somebody asks", async () => {
  const { reconciler, looks, clock, stuck, end } = stand();
  reconciler.ask("a");
  await end({ kind: "failed", error: permanent });
  assert.deepEqual(stuck, ["a"]);
  assert.equal(reconciler.report().get("a")?.phase, "stuck");
  assert.equal(clock.waiting().count, 0);
  reconciler.ask("a");
  assert.equal(looks.length, 1);

  const thrown: unknown[] = [];
  const other = createReconciler({
    clock,
    random: createMemoryRandom(1),
    log: createMemoryLog(),
    look: async () => {
      throw new Error("a bug");
    },
    onStuck: (_, error) => thrown.push(error),
  });
  other.ask("b");
  await settle();
  assert.match(String(thrown[0]), /a bug/);
});

test("close aborts the looks under way and waits for them", async () => {
  const { reconciler, signals, looks, end } = stand();
  reconciler.ask("a");
  let closed = false;
  const closing = reconciler.close().then(() => {
    closed = true;
  });
  await settle();
  assert.deepEqual([signals[0]?.aborted, closed], [true, false]);
  await end({ kind: "done" });
  await closing;
  reconciler.ask("b");
  assert.equal(looks.length, 0);
});

type Move =
  | { readonly kind: "ask" | "drop" | "wake"; readonly key: number }
  | { readonly kind: "end"; readonly look: number; readonly outcome: ReconcileOutcome };

const key = fc.nat(3);
const outcome = fc.constantFrom<ReconcileOutcome>(
  { kind: "done" },
  { kind: "again", afterMs: 10 },
  { kind: "failed", error: transient },
  { kind: "failed", error: permanent },
);
const moves = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constantFrom("ask", "drop", "wake"), key }),
    fc.record({ kind: fc.constant("end"), look: fc.nat(9), outcome }),
  ),
  { maxLength: 60 },
) as fc.Arbitrary<readonly Move[]>;

test("never two looks at a key, never too many, and no ask is lost", () => {
  fc.assert(
    fc.property(moves, (sequence) => {
      const random = createMemoryRandom(1);
      let state = reconcileQueue({ looksMax: 2, backoff: policy });
      const looking: string[] = [];
      const timers = new Set<string>();
      /** Keys that somebody asked for and that were not looked at since. */
      const owed = new Set<string>();
      const take = (event: Parameters<typeof reconcileStep>[1]): void => {
        const [next, effects] = reconcileStep(state, event, random);
        state = next;
        for (const effect of effects) {
          if (effect.kind === "look") {
            assert.ok(!looking.includes(effect.key), `two looks at ${effect.key}`);
            looking.push(effect.key);
            owed.delete(effect.key);
          }
          if (effect.kind === "wake-after") timers.add(effect.key);
          if (effect.kind === "cancel-wake") assert.ok(timers.delete(effect.key));
        }
        assert.ok(looking.length <= 2);
        assert.equal(state.looking, looking.length);
      };
      const end = (index: number, how: ReconcileOutcome): void => {
        for (const name of looking.splice(index, 1))
          take({ kind: "looked", key: name, outcome: how });
      };
      for (const move of sequence) {
        if (move.kind === "end") {
          if (looking.length > 0) end(move.look % looking.length, move.outcome);
          continue;
        }
        const name = `k${move.key}`;
        if (move.kind === "ask") {
          owed.add(name);
          take({ kind: "asked", key: name });
        } else if (move.kind === "drop") {
          owed.delete(name);
          take({ kind: "dropped", key: name });
        } else if (timers.delete(name)) {
          take({ kind: "due", key: name });
        }
      }
      for (let round = 0; round < 50 && (looking.length > 0 || timers.size > 0); round += 1) {
        while (looking.length > 0) end(0, { kind: "done" });
        for (const name of [...timers]) {
          timers.delete(name);
          take({ kind: "due", key: name });
        }
      }
      assert.deepEqual([...owed], [], "asked for and never looked at");
    }),
    { numRuns: 500 },
  );
});
