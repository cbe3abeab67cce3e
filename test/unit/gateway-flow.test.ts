// What decides how much flows through a gateway: shares of memory, the pace, budgets of retries,
// and the tally of what was told.

import assert from "node:assert/strict";
import { test } from "node:test";
import { SkyError } from "../../model/errors.ts";
import { createMemoryClock } from "../../runtime/clock-memory.ts";
import { createMemoryRandom } from "../../runtime/random-memory.ts";
import { Admission, type AdmissionShare } from "../../transfer/gateway/admission.ts";
import { NumberSet } from "../../transfer/gateway/number-set.ts";
import type { GatewayObject, GatewayWord } from "../../transfer/gateway/orders.ts";
import { TokenBucket } from "../../transfer/gateway/pace.ts";
import { budgetMax, Retries, triesMax } from "../../transfer/gateway/retries.ts";
import { objectsToldMax, Tally } from "../../transfer/gateway/tally.ts";
import { fc } from "../support/property.ts";

const mib = 1024 ** 2;
const never = new AbortController().signal;
const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

test("a transfer that came first and fills its share leaves room for the next", async () => {
  const admission = new Admission(64 * mib);
  const greedy = admission.share();
  const held: (() => void)[] = [];
  for (let asked = 0; asked < 16; asked += 1) {
    void greedy.take(8 * mib, never).then((giveBack) => held.push(giveBack));
  }
  await settled();
  assert.equal(greedy.bytes, 32 * mib);
  const late = admission.share();
  await late.take(8 * mib, never);
  assert.equal(late.bytes, 8 * mib);
  for (const giveBack of held.splice(0)) giveBack();
  await settled();
  assert.ok(greedy.bytes >= 16 * mib, "who waits gets what was given back");
});

test("of two that always want more, each gets its weight's part", async () => {
  const admission = new Admission(16 * mib);
  const shares = [admission.share({ weight: 1 }), admission.share({ weight: 3 })];
  const served = [0, 0];
  const inside: (() => void)[] = [];
  const ask = (at: number, share: AdmissionShare): void => {
    void share.take(mib, never).then((giveBack) => {
      served[at] = (served[at] ?? 0) + 1;
      inside.push(giveBack);
    });
  };
  for (const [at, share] of shares.entries()) {
    for (let asked = 0; asked < 400; asked += 1) ask(at, share);
  }
  for (let round = 0; round < 120; round += 1) {
    await settled();
    inside.shift()?.();
  }
  const [light = 0, heavy = 0] = served;
  const told = `${heavy} of the heavy one, ${light} of the light one`;
  assert.ok(heavy * 2 > light * 3 && heavy < light * 4, told);
});

test("whatever is taken and given back: within the bound, but for one chunk each", async () => {
  const step = fc.record({ at: fc.nat(3), bytes: fc.integer({ min: 1, max: 40 }), back: fc.nat() });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const admission = new Admission(100);
      const shares = [1, 1, 2, 5].map((weight) => admission.share({ weight }));
      const held: (() => void)[] = [];
      const stop = new AbortController();
      const asked: Promise<void>[] = [];
      for (const { at, bytes, back } of steps) {
        const taking = shares[at]?.take(bytes, stop.signal);
        const taken = taking?.then((giveBack) => void held.push(giveBack));
        // Those that still wait at the end are given up.
        asked.push(taken?.catch(() => undefined) ?? Promise.resolve());
        await settled();
        assert.ok(admission.bytes <= 100 + 40 * shares.length);
        if (back % 2 === 0) held.splice(back % Math.max(1, held.length), 1)[0]?.();
      }
      while (held.length > 0) {
        held.shift()?.();
        await settled();
      }
      assert.ok(
        shares.every(({ waiting }) => waiting === 0),
        "nobody waits when nothing is held",
      );
      stop.abort(new Error("over"));
      await Promise.all(asked);
      assert.equal(admission.bytes, 0);
    }),
    { numRuns: 40 },
  );
});

test("who gave up waiting is not served, and holds nobody up", async () => {
  const admission = new Admission(20);
  const share = admission.share();
  const giveBack = await share.take(8, never);
  const stop = new AbortController();
  const given = share.take(12, stop.signal).catch((error: unknown) => String(error));
  const next = share.take(2, never);
  stop.abort(new Error("given up"));
  assert.match(String(await given), /given up/);
  giveBack();
  (await next)();
  assert.equal(admission.bytes, 0);
});

test("a window is reserved until the transfer leaves", () => {
  const admission = new Admission(100);
  const [first, second] = [admission.share(), admission.share()];
  assert.equal(first.reserve(10, 1_000), 50);
  assert.equal(second.reserve(10, 20), 20);
  assert.equal(second.reserve(40, 1_000), 40, "never less than what works at all");
  first.leave();
  second.leave();
  assert.equal(admission.bytes, 0);
});

test("a bucket lets through its rate and no more, however it is asked", () => {
  const take = fc.record({ bytes: fc.integer({ min: 1, max: 5_000 }), after: fc.nat(500) });
  fc.assert(
    fc.property(fc.array(take, { minLength: 1, maxLength: 100 }), (takes) => {
      const rate = 1_000;
      const bucket = new TokenBucket(rate, 0);
      let now = 0;
      let sum = 0;
      for (const { bytes, after } of takes) {
        now += after;
        now += bucket.take(bytes, now);
        sum += bytes;
        assert.ok(sum <= (rate * now) / 1_000 + rate * 0.25 + 1, `${sum} bytes in ${now} ms`);
      }
    }),
  );
});

test("only what may pass is tried again, a few times, and within the budget", async () => {
  const clock = createMemoryClock();
  const retries = new Retries({ clock, random: createMemoryRandom("retries") });
  const tried = async (error: unknown): Promise<number> => {
    let times = 0;
    const running = retries.run(never, async () => {
      times += 1;
      throw error;
    });
    let isOver = false;
    // It is looked at below.
    void running
      .catch(() => undefined)
      .finally(() => {
        isOver = true;
      });
    for (let turn = 0; turn < 1_000 && !isOver; turn += 1) {
      await settled();
      clock.advance(10_000);
    }
    await assert.rejects(running, error as Error);
    return times;
  };
  const passing = new SkyError("objects/failed", { object: "k", why: "503" });
  const lasting = new SkyError("objects/denied", { object: "k", why: "no" });
  assert.equal(await tried(lasting), 1);
  assert.equal(await tried(new Error("a bug")), 1);
  assert.equal(await tried(passing), triesMax);
  let all = triesMax - 1;
  for (let times = 0; times < 100; times += 1) all += (await tried(passing)) - 1;
  assert.equal(all, budgetMax);
  assert.equal(await tried(passing), 1, "the budget is used up");
});

const digest = "ab".repeat(32);
const objectOf = (object: number, targets: readonly (string | null)[] = ["x"]): GatewayObject => ({
  ...{ object, source: "s", bytes: 1, targets },
});

function tallied(destinations: readonly number[] = [0, 1]) {
  const words: GatewayWord[] = [];
  const clock = createMemoryClock();
  const tally = new Tally({ reads: true, destinations, say: (word) => words.push(word), clock });
  const kinds = (): readonly string[] => words.map(({ kind }) => kind);
  return { words, clock, tally, kinds };
}

const wrote = (object: number, destination: number) =>
  ({ ...{ object, destination, bytes: 1, digest }, proof: "none" }) as const;

test("an object is done when it is read and settled at each destination that wants it", () => {
  const { words, clock, tally, kinds } = tallied();
  tally.tell([objectOf(0, ["a", "b"]), objectOf(1, ["a", null])]);
  tally.read(0, digest);
  tally.wrote(wrote(0, 0));
  tally.wrote(wrote(0, 0));
  tally.wrote(wrote(1, 0));
  clock.advance(100);
  assert.deepEqual(kinds(), ["read", "wrote"]);
  tally.failed({ handle: "w", object: 0, destination: 1, error: new Error("no") });
  tally.read(1, digest);
  tally.end();
  assert.deepEqual(kinds().slice(2), ["credit", "failed", "read", "done"]);
  assert.equal(tally.open, 0);
  const said = words.flatMap((word) => (word.kind === "wrote" ? word.objects : []));
  assert.equal(said.length, 2, "what was said twice is said once");
});

test("one word for a destination is for all that is left to it; done comes last and once", () => {
  const { clock, tally, kinds, words } = tallied();
  tally.tell([objectOf(0, ["a", "b"]), objectOf(1, ["a", "b"])]);
  tally.failed({ handle: "w", destination: 1, error: new Error("full") });
  tally.failed({ handle: "w", object: 0, destination: 1, error: new Error("full") });
  tally.tell([objectOf(2, [null, "b"])]);
  tally.failed({ handle: "r", object: 1, error: new Error("gone") });
  tally.read(2, digest);
  tally.read(0, digest);
  tally.wrote(wrote(0, 0));
  clock.advance(100);
  tally.end();
  assert.equal(kinds().filter((kind) => kind === "failed").length, 2);
  assert.equal(kinds().at(-1), "done");
  assert.equal(kinds().filter((kind) => kind === "done").length, 1);
  const credit = words.reduce((sum, word) => sum + (word.kind === "credit" ? word.objects : 0), 0);
  assert.equal(credit, 3);
});

test("more than there is credit for, and one told twice, are refused", () => {
  const { tally } = tallied();
  const many = Array.from({ length: objectsToldMax }, (_, object) => objectOf(object));
  tally.tell(many);
  assert.throws(() => tally.tell([objectOf(objectsToldMax)]), /credit/);
  tally.drop([0]);
  assert.throws(() => tally.tell([objectOf(0)]), /told before/);
});

test("who waits for an object is told, or hears that it will not come", async () => {
  const { tally } = tallied();
  const waiting = tally.awaited(5, never);
  const lost = tally.awaited(6, never);
  tally.tell([objectOf(5)]);
  assert.equal((await waiting).object, 5);
  tally.end();
  await assert.rejects(lost, /no such object/);
  await assert.rejects(tally.awaited(7, never), /not expected/);
});

test("a set of numbers holds what was put in", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 2 ** 32 - 1 })), (numbers) => {
      const set = new NumberSet();
      for (const number of numbers) set.add(number);
      assert.ok(numbers.every((number) => set.has(number)));
      const all = new Set(numbers);
      for (const number of numbers) {
        const next = (number + 1) % 2 ** 32;
        assert.equal(set.has(next), all.has(next));
      }
    }),
  );
});
