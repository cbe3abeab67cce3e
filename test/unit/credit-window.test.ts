// Windows grow where the round trip asks for it and memory allows it, and never beyond.
//
// A path is simulated by the millisecond: a sender that sends whatever it has credit for, a rate,
// a delay each way, and a reader. No clock runs.

import assert from "node:assert/strict";
import { test } from "node:test";
import { CreditWindow, windowInitialBytes } from "../../runtime/credit-window.ts";
import { MemoryBudget } from "../../runtime/memory-budget.ts";
import { fc } from "../support/property.ts";

const limits = { windowBytes: 1024 * 1024, windowBytesMax: 64 * 1024 * 1024 };
const frame = 64 * 1024;

interface Path {
  readonly tripMs: number;
  readonly bytesPerMs: number;
  /** What the reader takes; absent = all there is. */
  readonly readPerMs?: number;
}

/** One channel over a path. */
class Flow {
  readonly window: CreditWindow;
  readonly #path: Path;
  readonly #arriving: { readonly atMs: number; readonly bytes: number }[] = [];
  readonly #credits: { readonly atMs: number; readonly bytes: number }[] = [];
  #credit = windowInitialBytes;
  #waiting = 0;
  #allowance = 0;
  delivered = 0;
  waitingMost = 0;

  constructor(path: Path, budget: MemoryBudget) {
    this.#path = path;
    this.window = new CreditWindow(
      limits,
      budget.share(() => assert.fail("evicted")),
    );
  }

  /** One millisecond. */
  step(nowMs: number): void {
    const { tripMs, bytesPerMs, readPerMs = Number.POSITIVE_INFINITY } = this.#path;
    while ((this.#credits[0]?.atMs ?? Number.POSITIVE_INFINITY) <= nowMs) {
      this.#credit += this.#credits.shift()?.bytes ?? 0;
    }
    this.#allowance = Math.min(this.#allowance + bytesPerMs, 4 * frame + bytesPerMs);
    while (this.#allowance >= frame && this.#credit >= frame) {
      this.#allowance -= frame;
      this.#credit -= frame;
      this.#arriving.push({ atMs: nowMs + tripMs / 2, bytes: frame });
    }
    while ((this.#arriving[0]?.atMs ?? Number.POSITIVE_INFINITY) <= nowMs) {
      const { bytes } = this.#arriving.shift() ?? assert.fail();
      assert.ok(this.window.arrived(bytes), "sent within the credit");
      this.#waiting += bytes;
    }
    this.waitingMost = Math.max(this.waitingMost, this.#waiting);
    this.#read(Math.min(this.#waiting, readPerMs), nowMs);
  }

  #read(bytes: number, nowMs: number): void {
    if (bytes > 0) {
      this.window.widen();
      this.window.read(bytes);
    }
    this.#waiting -= bytes;
    this.delivered += bytes;
    if (this.#waiting === 0) this.window.waits();
    this.window.adapt(nowMs, this.#path.tripMs);
    const credit = this.window.due();
    if (credit > 0) this.#credits.push({ atMs: nowMs + this.#path.tripMs / 2, bytes: credit });
  }
}

function run(flows: readonly Flow[], ms: number, fromMs = 0): void {
  for (let nowMs = fromMs; nowMs < fromMs + ms; nowMs += 1) {
    for (const flow of flows) flow.step(nowMs);
  }
}

const gigabit = 125_000;

for (const [what, path] of [
  ["1 Gbit/s at 100 ms", { tripMs: 100, bytesPerMs: gigabit }],
  ["1 Gbit/s at 20 ms", { tripMs: 20, bytesPerMs: gigabit }],
  ["10 Gbit/s at 30 ms", { tripMs: 30, bytesPerMs: 10 * gigabit }],
  ["100 Mbit/s at 300 ms", { tripMs: 300, bytesPerMs: gigabit / 10 }],
] as const) {
  test(`credit window: ${what} fills to 95 %`, () => {
    const flow = new Flow(path, new MemoryBudget());
    run([flow], 3_000);
    const before = flow.delivered;
    run([flow], 3_000, 3_000);
    const share = (flow.delivered - before) / (3_000 * path.bytesPerMs);
    assert.ok(share > 0.95, `${share}`);
    // Twice what is under way, the doubling that overshoots, and no more.
    assert.ok(flow.window.bytes <= Math.max(1024 * 1024, 4 * path.tripMs * path.bytesPerMs));
  });
}

test("credit window: a slow reader's window does not grow, whatever the path", () => {
  const budget = new MemoryBudget();
  const flow = new Flow({ tripMs: 100, bytesPerMs: gigabit, readPerMs: 1_000 }, budget);
  run([flow], 20_000);
  assert.ok(flow.window.bytes <= limits.windowBytes);
  assert.ok(flow.waitingMost <= limits.windowBytes);
  assert.ok(budget.counts().held <= limits.windowBytes);
});

test("credit window: it grows until its reader need not wait, and no further", () => {
  const budget = new MemoryBudget();
  const flow = new Flow({ tripMs: 100, bytesPerMs: gigabit, readPerMs: 60_000 }, budget);
  run([flow], 10_000);
  const before = flow.delivered;
  run([flow], 3_000, 10_000);
  assert.ok(flow.delivered - before > 0.95 * 3_000 * 60_000, "the reader is kept busy");
  assert.ok(flow.window.bytes <= 8 * 1024 * 1024, `${flow.window.bytes}`);
});

test("credit window: a reader that becomes slow gives its window back", () => {
  const budget = new MemoryBudget();
  let readPerMs = Number.POSITIVE_INFINITY;
  const path = {
    ...{ tripMs: 100, bytesPerMs: gigabit },
    get readPerMs() {
      return readPerMs;
    },
  };
  const flow = new Flow(path, budget);
  run([flow], 3_000);
  const wide = flow.window.bytes;
  assert.ok(wide > 16 * 1024 * 1024);
  readPerMs = 10_000;
  run([flow], 30_000, 3_000);
  assert.ok(flow.window.bytes <= wide / 4, `${flow.window.bytes} of ${wide}`);
  assert.ok(budget.counts().windows <= wide / 4);
});

test("credit window: without a round trip it stays as wide as limits say", () => {
  const share = new MemoryBudget().share(() => {});
  const window = new CreditWindow(limits, share);
  window.widen();
  let credit = windowInitialBytes + window.due();
  for (let round = 0; round < 500; round += 1) {
    assert.ok(window.arrived(frame));
    credit -= frame;
    window.waits();
    window.adapt(round, undefined);
    window.read(frame);
    credit += window.due();
    assert.ok(credit <= limits.windowBytes);
  }
});

test("credit window: flows share a budget that is short, none starves, none exceeds it", () => {
  const windowsBytesMax = 16 * 1024 * 1024;
  const budget = new MemoryBudget({ windowsBytesMax });
  const path = { tripMs: 100, bytesPerMs: gigabit };
  const first = new Flow(path, budget);
  run([first], 5_000);
  const flows = [first, new Flow(path, budget), new Flow(path, budget), new Flow(path, budget)];
  for (let second = 5; second < 35; second += 1) {
    run(flows, 1_000, second * 1_000);
    assert.ok(budget.counts().windows <= windowsBytesMax);
  }
  const before = flows.map(({ delivered }) => delivered);
  run(flows, 5_000, 35_000);
  const rates = flows.map(({ delivered }, index) => delivered - (before[index] ?? 0));
  assert.ok(Math.min(...rates) > Math.max(...rates) / 3, `${rates}`);
});

test("credit window: what a peer may have under way is never more than was reserved", () => {
  const acts = fc.array(
    fc.record({
      kind: fc.constantFrom("arrive", "read", "widen", "adapt", "due"),
      bytes: fc.integer({ min: 1, max: 300_000 }),
    }),
    { maxLength: 200 },
  );
  fc.assert(
    fc.property(acts, fc.integer({ min: 0, max: 4_000_000 }), (script, windowsBytesMax) => {
      const budget = new MemoryBudget({ windowsBytesMax });
      const window = new CreditWindow(
        limits,
        budget.share(() => {}),
      );
      let credit = windowInitialBytes;
      let held = 0;
      let nowMs = 0;
      for (const { kind, bytes } of script) {
        nowMs += bytes % 50;
        if (kind === "arrive") {
          const isCovered = bytes <= credit;
          assert.equal(window.arrived(bytes), isCovered);
          if (isCovered) {
            credit -= bytes;
            held += bytes;
          }
        } else if (kind === "read") {
          const count = Math.min(held, bytes);
          held -= count;
          window.read(count);
          window.waits();
        } else if (kind === "widen") window.widen();
        else if (kind === "adapt") window.adapt(nowMs, 10);
        else credit += window.due();
        const { windows, held: counted } = budget.counts();
        assert.equal(counted, held);
        assert.ok(windows <= windowsBytesMax && credit + held <= windowInitialBytes + windows);
      }
      window.drop();
      assert.deepEqual(budget.counts(), { windows: 0, held: 0, evicted: 0 });
    }),
    { numRuns: 300 },
  );
});
