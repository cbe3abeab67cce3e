// The plan by which a bundle spreads: it leaves us once where hosts reach each other, two at a time
// from each, and every host ends with it or with a reason, whatever fails.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Spread, Transfer, TransferEnd } from "../../clouds/ssh/bundle-spread.ts";
import {
  afterSent,
  afterTransfer,
  nextTransfers,
  startSpread,
} from "../../clouds/ssh/bundle-spread.ts";
import { fc } from "../support/property.ts";

interface Story {
  readonly rounds: readonly (readonly Transfer[])[];
  readonly spread: Spread;
}

/** All that has begun ends before the next begins. */
function told(has: readonly boolean[], end: (transfer: Transfer) => TransferEnd): Story {
  let spread = startSpread(has);
  const rounds: (readonly Transfer[])[] = [];
  for (;;) {
    const [begun, transfers] = nextTransfers(spread);
    if (transfers.length === 0) return { rounds, spread };
    rounds.push(transfers);
    spread = transfers.reduce((now, one) => afterTransfer(now, one, end(one)), begun);
  }
}

test("to eight hosts it leaves us once and is there in three rounds", () => {
  const { rounds } = told(new Array(8).fill(false), () => "done");
  const fromUs = rounds.flat().filter(({ from }) => from === "us");
  assert.deepEqual(fromUs, [{ from: "us", to: 0 }]);
  assert.deepEqual(
    rounds.map((round) => round.length),
    [1, 2, 5],
  );
});

test("a host that has it gives it; we send nothing", () => {
  const { rounds } = told([false, true, false], () => "done");
  assert.deepEqual(rounds.flat(), [
    { from: 1, to: 0 },
    { from: 1, to: 2 },
  ]);
});

test("a host that has given all is free, whatever its receiver still does with it", () => {
  const [begun, transfers] = nextTransfers(startSpread([true, false, false, false, false]));
  assert.equal(transfers.length, 2);
  const [first] = transfers;
  assert.ok(first);
  const sent = afterSent(afterSent(begun, first), first);
  const [more, next] = nextTransfers(sent);
  assert.deepEqual(next, [{ from: 0, to: 3 }]);
  assert.deepEqual(nextTransfers(afterTransfer(more, first, "done"))[1], [{ from: 1, to: 4 }]);
});

test("hosts behind a wall get it from us, and the wall is not run against forever", () => {
  const { rounds, spread } = told(new Array(6).fill(false), ({ from }) =>
    from === "us" ? "done" : "refused",
  );
  assert.ok(spread.every(({ phase }) => phase === "has"));
  assert.equal(rounds.flat().filter(({ from }) => from === "us").length, 6);
});

test("one host that can fetch nothing does not silence those that give", () => {
  const { rounds } = told([true, false, false, false], ({ from, to }) =>
    from !== "us" && to === 1 ? "refused" : "done",
  );
  assert.equal(rounds.flat().filter(({ from }) => from === "us").length, 1);
});

test("a first host that fails is not waited for", () => {
  const { rounds, spread } = told([false, false, false], ({ to }) =>
    to === 0 ? "failed" : "done",
  );
  assert.deepEqual(
    spread.map(({ phase }) => phase),
    ["failed", "has", "has"],
  );
  assert.equal(rounds.flat().filter(({ from }) => from === "us").length, 2);
});

test("whatever fails, everybody ends, and nobody gives to more than two at a time", () => {
  const ends = fc.array(fc.constantFrom<TransferEnd>("done", "refused", "failed"), {
    minLength: 64,
    maxLength: 64,
  });
  fc.assert(
    fc.property(fc.array(fc.boolean(), { maxLength: 12 }), ends, (has, outcomes) => {
      let next = 0;
      const { rounds, spread } = told(has, () => outcomes[next++ % 64] ?? "done");
      assert.ok(spread.every(({ phase }) => phase === "has" || phase === "failed"));
      for (const round of rounds) {
        for (const { from } of round.filter((one) => one.from !== "us")) {
          assert.ok(round.filter((one) => one.from === from).length <= 2);
        }
      }
    }),
  );
});
