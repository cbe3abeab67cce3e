// The coordinator of a fan-out: what must hold after every turn of any history, and what it decides
// in the situations that it is there for.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Coordinator, createCoordinator } from "../../transfer/fanout/coordinator.ts";
import type { FanOutEvent, Rules } from "../../transfer/fanout/rules.ts";
import { rulesDefault } from "../../transfer/fanout/rules.ts";
import { source } from "../../transfer/fanout/tree.ts";
import { fc } from "../support/property.ts";

const rules: Rules = { ...rulesDefault, totalBytes: 1_000_000, slackBytes: 4_000 };

// ---- any history

const sinkCount = 12;
const name = (index: number): string => `c/s${index}`;
const anySink = fc.nat(sinkCount - 1).map(name);

type Happening =
  | {
      readonly type: "join";
      readonly sink: string;
      readonly serves: boolean;
      readonly safe: number;
    }
  | { readonly type: "more"; readonly sink: string; readonly bytes: number }
  | { readonly type: "all" | "lost" | "fail" | "fail-late" | "leave"; readonly sink: string }
  | { readonly type: "pass"; readonly ms: number };

const happening: fc.Arbitrary<Happening> = fc.oneof(
  fc.record({
    type: fc.constant("join" as const),
    sink: anySink,
    serves: fc.boolean(),
    safe: fc.nat(rules.totalBytes),
  }),
  fc.record({ type: fc.constant("more" as const), sink: anySink, bytes: fc.nat(200_000) }),
  fc.record({
    type: fc.constantFrom("all" as const, "lost", "fail", "fail-late", "leave"),
    sink: anySink,
  }),
  fc.record({ type: fc.constant("pass" as const), ms: fc.integer({ min: 1, max: 30_000 }) }),
);

/** What the world knows: the mirror of what the coordinator was told and said. */
interface Mirror {
  readonly coordinator: Coordinator;
  readonly rules: Rules;
  readonly living: Map<string, { serves: boolean; safe: number; follows: string | undefined }>;
  readonly moves: Map<string, { readonly at: number; readonly move: number }[]>;
  readonly served: Map<string, readonly string[]>;
  finished: boolean;
}

function mirrorOf(given: Rules, expected: readonly string[] = []): Mirror {
  const coordinator = createCoordinator(given, expected);
  const maps = { living: new Map(), moves: new Map(), served: new Map() };
  return { coordinator, rules: given, ...maps, finished: false };
}

function tell(mirror: Mirror, event: FanOutEvent): void {
  for (const decision of mirror.coordinator.take(event)) {
    assert.ok(!mirror.finished, "a decision after the end");
    if (decision.type === "finished") mirror.finished = true;
    if (decision.type === "drop") mirror.living.delete(decision.sink);
    if (decision.type === "serve") mirror.served.set(decision.sink, decision.children);
    if (decision.type !== "follow") continue;
    const sink = mirror.living.get(decision.sink);
    assert.ok(sink, `${decision.sink} is told to follow and is not here`);
    sink.follows = decision.parent;
    const all = mirror.moves.get(decision.sink) ?? [];
    if (decision.parent !== undefined) all.push({ at: event.at, move: decision.move });
    mirror.moves.set(decision.sink, all);
    if (decision.parent === undefined) continue;
    const children = mirror.served.get(decision.parent) ?? [];
    assert.ok(children.includes(decision.sink), "sent to one who was not told");
  }
}

function check(mirror: Mirror, at: number): void {
  const { coordinator, living } = mirror;
  for (const [id, sink] of living) {
    if (sink.safe === mirror.rules.totalBytes) continue;
    assert.equal(coordinator.parentOf(id), sink.follows, `${id} follows whom it was told to`);
    if (sink.follows === undefined) assertWaits(mirror, id, at);
    else assertFed(mirror, id);
  }
  for (const parent of [source, ...living.keys()]) {
    const children = coordinator.childrenOf(parent);
    const { sourceChildren, lastResorts, children: usual, spareChildren } = mirror.rules;
    const most = parent === source ? sourceChildren + lastResorts : usual + spareChildren;
    assert.ok(children.size <= most);
    assert.ok(children.size === 0 || parent === source || living.get(parent)?.serves);
    assert.deepEqual([...children].sort(), [...(mirror.served.get(parent) ?? [])].sort());
  }
  for (const [id, all] of mirror.moves) {
    const lately = all.filter((move) => move.at > at - mirror.rules.movesMs);
    assert.ok(lately.length <= mirror.rules.movesMax, `${id} was moved ${lately.length} times`);
  }
}

/** By living sinks only, it hangs below one that has everything. */
function assertFed({ coordinator, living, rules: { totalBytes } }: Mirror, id: string): void {
  let top = coordinator.parentOf(id);
  for (let steps = 0; steps <= living.size; steps += 1) {
    if (top === source) return;
    assert.ok(top !== undefined && living.has(top), `${id} hangs under ${top}`);
    if (living.get(top)?.safe === totalBytes) return;
    top = coordinator.parentOf(top);
  }
  assert.fail(`${id} hangs in a cycle`);
}

/** It waits only with a reason: it was moved too often, or the source feeds all that it may. */
function assertWaits({ coordinator, moves, rules: given }: Mirror, id: string, at: number): void {
  const lately = (moves.get(id) ?? []).filter((move) => move.at > at - given.movesMs);
  const atSource = coordinator.childrenOf(source).size;
  const isFull = atSource === given.sourceChildren + given.lastResorts;
  assert.ok(lately.length >= given.movesMax || isFull, `${id} waits for nothing`);
}

function happen(mirror: Mirror, what: Happening, at: number): void {
  if (what.type === "pass") tell(mirror, { type: "tick", at });
  else if (what.type === "join") join(mirror, what, at);
  else happenTo(mirror, what, at);
}

/** A new process: it serves nobody, and nothing that was said to the one before is for it. */
function join(mirror: Mirror, what: Extract<Happening, { type: "join" }>, at: number): void {
  const { sink, serves, safe } = what;
  mirror.living.set(sink, { serves, safe, follows: undefined });
  mirror.moves.delete(sink);
  mirror.served.delete(sink);
  tell(mirror, { type: "joined", sink, serves, safe, at });
}

function happenTo(
  mirror: Mirror,
  what: Exclude<Happening, { type: "join" | "pass" }>,
  at: number,
): void {
  const { sink, type } = what;
  const known = mirror.living.get(sink);
  if (known === undefined) return;
  const move = mirror.moves.get(sink)?.at(-1)?.move ?? 0;
  if (type === "leave") {
    mirror.living.delete(sink);
    tell(mirror, { type: "left", sink, why: "it was killed", at });
  } else if (type === "fail" || type === "fail-late") {
    const of = type === "fail" ? move : move - 1;
    tell(mirror, { type: "parent-failed", sink, move: of, why: "no", at });
  } else {
    const { totalBytes } = mirror.rules;
    const wasDone = known.safe === totalBytes;
    if (type === "all") known.safe = totalBytes;
    else if (type === "lost") known.safe = Math.floor(known.safe / 2);
    else if (what.type === "more") known.safe = Math.min(totalBytes, known.safe + what.bytes);
    // Who is done forgets whom it followed; who is not any more is told anew.
    if (wasDone || known.safe === totalBytes) known.follows = undefined;
    tell(mirror, { type: "progress", sink, safe: known.safe, at });
  }
}

const pipeline: Rules = { ...rules, children: 1, lastResorts: 1 };

function live(given: Rules, happenings: readonly Happening[]): void {
  const mirror = mirrorOf(given, ["c/never"]);
  let at = 1_000;
  for (const what of happenings) {
    at += what.type === "pass" ? what.ms : 50;
    if (mirror.finished) return;
    happen(mirror, what, at);
    check(mirror, at);
  }
}

for (const [shape, given] of Object.entries({ tree: rules, pipeline })) {
  test(`nobody starves, nobody is overloaded, nothing is a cycle: ${shape}`, () => {
    fc.assert(
      fc.property(fc.array(happening, { maxLength: 120, size: "max" }), (happenings) => {
        live(given, happenings);
      }),
      { numRuns: 400 },
    );
  });
}

// ---- histories that once went wrong

const joins = (sink: string, serves = true, safe = 0): Happening => ({
  ...{ type: "join", sink: `c/${sink}`, serves, safe },
});
const gets = (sink: string, bytes = 0): Happening => ({ type: "more", sink: `c/${sink}`, bytes });
const passes = (ms: number): Happening => ({ type: "pass", ms });
const has = (type: "all" | "fail", sink: string): Happening => ({ type, sink: `c/${sink}` });

test("who is left without anybody again and again does not wait while the source has room", () => {
  live(pipeline, [
    ...[joins("s10"), joins("s0", true, 1), joins("s2", false)],
    ...[passes(3_900), passes(8_897), gets("s0"), gets("s0"), has("all", "s3")],
    ...[passes(15_302), gets("s0"), passes(26_084), gets("s0"), gets("s0"), has("all", "s3")],
    ...[joins("s1"), passes(5_317), joins("s1", false), gets("s10", 1)],
    ...[passes(20_000), joins("s7"), has("fail", "s7"), has("all", "s0")],
    ...[joins("s7", false), has("all", "s1")],
  ]);
});
