// The life of a transfer: every short sequence of events keeps what its table promises.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { TransferOrder } from "../../model/transfer.ts";
import type { Plan } from "../../model/transfer-plan.ts";
import { noCounts } from "../../scheduler/transfers/transfer-view.ts";
import {
  idleRoundsMax,
  stepTransfer,
  type TransferEffect,
  type TransferEvent,
  type TransferState,
  transferTable,
} from "../../transfer/job/transfer-machine.ts";
import { countCells, neverTaken } from "../sim/cells.ts";
import { fc } from "../support/property.ts";

const taken = countCells("transfer", transferTable);
const at = { wallMs: 5, monoMs: 5, bootId: "b" };
const order = { verb: "copy", user: "ann" } as TransferOrder;
const facts = { id: 1, key: "k", order, submittedAt: 1, rounds: 1, idle: 0, why: "" };
const begin: TransferState = { phase: "pending", facts };
const plan = { gbps: 1 } as Plan;

interface Seen {
  readonly state: TransferState;
  readonly effects: readonly TransferEffect[];
}

function after(events: readonly TransferEvent[], from: TransferState = begin): Seen {
  return events.reduce<Seen>(
    ({ state, effects }, event) => {
      const outcome = stepTransfer(state, { ...event, at });
      if (!outcome.taken) return { state, effects };
      return { state: outcome.state, effects: [...effects, ...outcome.effects] };
    },
    { state: from, effects: [] },
  );
}

const planned: TransferEvent = { kind: "planned", plan };
const whole = (failed = 0, mayPass = 0, round = 1): TransferEvent => {
  return { kind: "round-ended", round, end: { kind: "whole", failed, mayPass, why: "w" } };
};
const broken = (round: number, hasMoved: boolean): TransferEvent => {
  return { kind: "round-ended", round, end: { kind: "again", why: "lost", hasMoved } };
};
const cleared = (why = ""): TransferEvent => ({ kind: "cleared", why, counts: noCounts, cost: 0 });

function endOf(events: readonly TransferEvent[]) {
  const { state } = after(events);
  return state.phase === "ended" ? state.end : undefined;
}

test("one round that does it all", () => {
  assert.deepEqual(endOf([planned, whole(), cleared()]), {
    ...{ outcome: "succeeded", why: "", leave: "remove" },
  });
});

test("failures that may pass leave what another try goes on with", () => {
  assert.equal(endOf([planned, whole(2, 1), cleared()])?.leave, "keep");
  assert.equal(endOf([planned, whole(2, 0), cleared()])?.leave, "remove");
  assert.equal(endOf([planned, whole(2, 0), cleared()])?.outcome, "failed");
});

test("what cannot be cleared up makes a success a failure, and is told with a failure", () => {
  assert.deepEqual(endOf([planned, whole(), cleared("a file stays")]), {
    ...{ outcome: "failed", why: "a file stays", leave: "remove" },
  });
  assert.equal(endOf([planned, whole(1), cleared("a file stays")])?.why, "w; a file stays");
});

test("rounds that bring something go on for ever; those that bring nothing are counted", () => {
  const rounds = (hasMoved: boolean): readonly TransferEvent[] =>
    Array.from({ length: 3 * idleRoundsMax }, (_, index) => [
      broken(index + 1, hasMoved),
      { kind: "due" } as const,
    ]).flat();
  assert.equal(after([planned, ...rounds(true)]).state.phase, "moving");
  const given = after([planned, ...rounds(false)]);
  assert.equal(given.state.phase, "finishing");
  assert.equal(given.effects.filter(({ kind }) => kind === "run-round").length, idleRoundsMax - 1);
});

test("the end of a round that another has taken the place of says nothing", () => {
  const { state } = after([planned, { kind: "restarted" }, whole(0, 0, 1)]);
  assert.equal(state.phase, "moving");
});

const anyEvent: fc.Arbitrary<TransferEvent> = fc.oneof(
  fc.constant(planned),
  fc.nat(2).chain((failed) => fc.integer({ min: 1, max: 3 }).map((r) => whole(failed, failed, r))),
  fc.tuple(fc.integer({ min: 1, max: 3 }), fc.boolean()).map(([r, moved]) => broken(r, moved)),
  fc.constant<TransferEvent>({ kind: "due" }),
  fc.constant<TransferEvent>({ kind: "cancel", user: "ann" }),
  fc.constant<TransferEvent>({ kind: "restarted" }),
  fc.constant(cleared()),
);

test("whatever happens: an end stays, an outcome stays, rounds rise one by one", () => {
  fc.assert(
    fc.property(fc.array(anyEvent, { maxLength: 20 }), (events) => {
      let { state } = after([]);
      for (const event of events) {
        const outcome = stepTransfer(state, { ...event, at });
        if (!outcome.taken) continue;
        const next = outcome.state;
        assert.notEqual(state.phase, "ended");
        if (state.phase === "finishing" && next.phase !== "finishing") {
          assert.equal(next.phase, "ended");
        }
        const step = next.facts.rounds - state.facts.rounds;
        assert.ok(step === 0 || step === 1);
        const runs = outcome.effects.filter(({ kind }) => kind === "run-round");
        assert.equal(runs.length, step);
        state = next;
      }
    }),
  );
});

test("every decision was taken", () => {
  assert.deepEqual(neverTaken(taken), []);
});
