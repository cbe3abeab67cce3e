// Autostop: every short sequence of events, and the rows of the table that users know.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Instant } from "../../runtime/clock.ts";
import type { AutostopEvent, AutostopState } from "../../scheduler/autostop.ts";
import { stepAutostop } from "../../scheduler/autostop.ts";
import { verdict } from "../../scheduler/why.ts";

const at = (ms: number, bootId = "boot"): Instant => ({ wallMs: ms, monoMs: ms, bootId });
const minute = 60_000;

const alphabet: readonly AutostopEvent[] = [
  { kind: "armed", idleMs: 0, verb: "stop" },
  { kind: "armed", idleMs: minute, verb: "down" },
  { kind: "disarmed" },
  { kind: "jobs-changed", running: 0 },
  { kind: "jobs-changed", running: 2 },
  { kind: "due" },
  { kind: "opened" },
];

test("no sequence of 6 events asks for a shutdown while a job has not ended", () => {
  let checked = 0;
  const visit = (state: AutostopState, running: number, left: number): void => {
    if (left === 0) return;
    for (const event of alphabet) {
      // Once a shutdown was asked for, the cluster takes no jobs until it is opened again.
      if (state.phase === "stopping" && event.kind === "jobs-changed") continue;
      checked += 1;
      const now = event.kind === "jobs-changed" ? event.running : running;
      const outcome = stepAutostop(state, { ...event, at: at((8 - left) * minute) });
      if (outcome.taken) {
        const asked = outcome.effects.some(({ kind }) => kind === "request-shutdown");
        assert.ok(!(asked && now > 0), `asked with ${now} jobs, from ${state.phase}`);
        const { phase } = outcome.state;
        if (now > 0) assert.ok(phase === "busy" || phase === "off", `${phase} with a job`);
      }
      visit(outcome.taken ? outcome.state : state, now, left - 1);
    }
  };
  visit({ phase: "off", running: 0 }, 0, 6);
  assert.ok(checked > 50_000);
});

/** Feeds events at given moments; gives the last state, and the effects with their moments. */
function play(
  ...events: readonly (readonly [ms: number, event: AutostopEvent, bootId?: string])[]
): { readonly state: AutostopState; readonly effects: readonly string[] } {
  let state: AutostopState = { phase: "off", running: 0 };
  const effects: string[] = [];
  for (const [ms, event, bootId] of events) {
    const outcome = stepAutostop(state, { ...event, at: at(ms, bootId) });
    if (!outcome.taken) continue;
    state = outcome.state;
    for (const effect of outcome.effects) {
      effects.push("ms" in effect ? `${ms}: ${effect.kind} ${effect.ms}` : `${ms}: ${effect.kind}`);
    }
  }
  return { state, effects };
}

const arm = (idleMs: number): AutostopEvent => ({ kind: "armed", idleMs, verb: "stop" });

test("changing the setting keeps the idleness; cancelling and setting it starts anew", () => {
  const kept = play([0, arm(10_000)], [4_000, arm(5_000)]);
  assert.deepEqual(kept.effects, [
    "0: start-autostop-timer 10000",
    "4000: start-autostop-timer 1000",
  ]);
  const restarted = play([0, arm(10_000)], [4_000, { kind: "disarmed" }], [4_000, arm(5_000)]);
  assert.equal(restarted.effects.at(-1), "4000: start-autostop-timer 5000");
});

test("a job restarts the timer when it ends", () => {
  const { effects } = play(
    [0, arm(1_000)],
    [500, { kind: "jobs-changed", running: 1 }],
    [5_000, { kind: "due" }],
    [9_000, { kind: "jobs-changed", running: 0 }],
    [10_000, { kind: "due" }],
  );
  assert.deepEqual(effects.slice(-2), [
    "9000: start-autostop-timer 1000",
    "10000: request-shutdown",
  ]);
});

test("a timer that comes early waits for the rest", () => {
  const { effects } = play([0, arm(1_000)], [400, { kind: "due" }]);
  assert.equal(effects.at(-1), "400: start-autostop-timer 600");
});

test("a start of the head restarts the timer; another boot drops the setting", () => {
  const same = play([0, arm(1_000)], [900, { kind: "resumed", running: 0 }]);
  assert.equal(same.effects.at(-1), "900: start-autostop-timer 1000");
  const other = play([0, arm(1_000)], [900, { kind: "resumed", running: 0 }, "other boot"]);
  assert.equal(other.state.phase, "off");
  const midway = play([0, arm(0)], [1, { kind: "due" }], [2, { kind: "resumed", running: 0 }]);
  assert.equal(midway.effects.at(-1), "2: request-shutdown", "asked again after a crash");
});

test("the verdict says what it waits for", () => {
  const busy: AutostopState = {
    ...{ phase: "busy", idleMs: minute, verb: "stop", bootId: "boot", running: 2 },
  };
  assert.equal(verdict(busy, at(0)), "not idle: 2 jobs before the end");
  const idle: AutostopState = {
    ...{ phase: "idle", idleMs: minute, verb: "stop", bootId: "boot", since: at(1_000) },
  };
  assert.equal(verdict(idle, at(4_200)), "idle for 3.2 s of 60 s");
});
