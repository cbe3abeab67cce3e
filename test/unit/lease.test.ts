// The arithmetic of leases: whatever is lost or late, the head takes no lease for over while its
// node may still run what is on it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { BootClock, parseUptime } from "../../agent/boot-clock.ts";
import { baseText, leaseText, parseBase, parseLease } from "../../agent/lease-files.ts";
import { leaseEnd, leaseMsMin, leaseNotice, leaseOverMs } from "../../model/lease.ts";
import { fc } from "../support/property.ts";

/** How late the node's watchdog may be, on its own clock: a look a second, and the killing. */
const lateMs = 2_000;

/** One beat: when it was sent, what its way to the head takes, and the way of the answer. */
const beat = fc.record({
  everyMs: fc.integer({ min: 1, max: 20_000 }),
  thereMs: fc.integer({ min: 0, max: 30_000 }),
  backMs: fc.integer({ min: 0, max: 60_000 }),
  isHeard: fc.boolean(),
  isAnswered: fc.boolean(),
});

const world = fc.record({
  leaseMs: fc.integer({ min: leaseMsMin, max: 120_000 }),
  // Clocks that gain or lose up to 3 % on the true time.
  nodeRate: fc.double({ min: 0.97, max: 1.03, noNaN: true }),
  headRate: fc.double({ min: 0.97, max: 1.03, noNaN: true }),
  beats: fc.array(beat, { minLength: 1, maxLength: 30 }),
});

interface Ends {
  /** In true time: when the rank is dead, and when the head takes it for dead. */
  readonly dead: number;
  readonly over: number;
}

/** What counts at the node: the moment in which a beat was sent, or (a bug) that of the answer. */
function play(
  { leaseMs, nodeRate, headRate, beats }: typeof world extends fc.Arbitrary<infer W> ? W : never,
  counts: "sent" | "arrived",
): Ends {
  let sent = 0;
  let heard = 0;
  // The rank was let go at 0, on a word that the head counts from there too.
  let end = leaseEnd({ from: 0, leaseMs: leaseMs / nodeRate });
  const words: { readonly at: number; readonly from: number }[] = [];
  for (const { everyMs, thereMs, backMs, isHeard, isAnswered } of beats) {
    sent += everyMs;
    if (!isHeard) continue;
    const at = sent + thereMs;
    heard = Math.max(heard, at);
    if (isAnswered) words.push({ at: at + backMs, from: counts === "sent" ? sent : at + backMs });
  }
  for (const { at, from } of words.sort((a, b) => a.at - b.at)) {
    if (at <= end + lateMs / nodeRate) end = Math.max(end, from + leaseMs / nodeRate);
  }
  return { dead: end + lateMs / nodeRate, over: heard + leaseOverMs(leaseMs) / headRate };
}

test("no lease is over at the head while its node may still run what is on it", () => {
  fc.assert(
    fc.property(world, (seen) => {
      const { dead, over } = play(seen, "sent");
      assert.ok(dead <= over, `dead at ${dead}, over at ${over}`);
    }),
    { numRuns: 5_000 },
  );
});

test("counted from when the head's word arrives, it would be", () => {
  const found = fc.check(
    fc.property(world, (seen) => {
      const { dead, over } = play(seen, "arrived");
      return dead <= over;
    }),
    { numRuns: 5_000 },
  );
  assert.ok(found.failed, "the property finds the bug that it is for");
});

test("a rank is asked to go, and killed, before its lease ends", () => {
  fc.assert(
    fc.property(fc.integer({ min: leaseMsMin, max: 600_000 }), (leaseMs) => {
      const { aheadMs, graceMs } = leaseNotice(leaseMs);
      assert.ok(0 < graceMs && graceMs < aheadMs && aheadMs < leaseMs / 2);
    }),
  );
});

test("a moment is never taken for a later one, however long the machine slept", () => {
  const clock = new BootClock();
  assert.equal(clock.bootMsOf(5), undefined, "nothing was seen yet");
  clock.saw({ monoMs: 1_000, bootMs: 1_000 });
  clock.saw({ monoMs: 2_000, bootMs: 62_000 });
  assert.equal(clock.bootMsOf(1_900), 1_900, "before the sleep, as far as is known");
  assert.equal(clock.bootMsOf(2_500), 62_500);
  assert.equal(clock.bootMsOf(500), undefined, "before the first look");
  assert.equal(clock.monoMsOf(62_500), 2_500);
  assert.equal(parseUptime("1234.56 99.1\n"), 1_234_560);
  assert.equal(parseUptime(""), undefined);
});

test("what is written for the watchdog is read as it was meant, and torn lines are none", () => {
  const line = {
    ...{ bootMs: 12_340, leaseMs: 30_000, bootId: "b-1", token: "0123456789abcdef-7" },
    ...{ leader: { pid: 41, startTicks: 99 }, shim: [39, 40] as const },
  };
  for (const leaf of [undefined, "/sys/fs/cgroup/a name with spaces/x"]) {
    assert.deepEqual(parseLease(leaseText({ ...line, leaf })), { ...line, leaf });
  }
  assert.equal(parseLease(""), undefined);
  const base = baseText(56_780, "b-1");
  assert.equal(parseBase(base, "b-1"), 56_780);
  assert.equal(parseBase(base, "another boot"), undefined);
  const later = baseText(99_990, "b-1");
  for (let cut = 1; cut < later.length; cut += 1) {
    const torn = parseBase(later.slice(0, cut) + base.slice(cut), "b-1");
    assert.ok(torn === undefined || torn === 56_780 || torn === 99_990, `${torn}`);
  }
});
