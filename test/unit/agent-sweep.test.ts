// Whose process is it: each evidence, and each that proves nothing.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { ProcessView, SweepTarget } from "../../agent/sweep.ts";
import { holdsOf, membersOf } from "../../agent/sweep.ts";
import { fc } from "../support/property.ts";

const target: SweepTarget = {
  token: "t-1",
  leader: { pid: 100, startTicks: 1_000 },
  spared: new Set([50, 60]),
};

function view(over: Partial<ProcessView>): ProcessView {
  return {
    pid: 200,
    parent: 1,
    session: 200,
    startTicks: 2_000,
    dead: false,
    inLeaf: false,
    marker: undefined,
    holds: undefined,
    ...over,
  };
}

function evidence(...views: readonly ProcessView[]): Record<number, string> {
  return Object.fromEntries(membersOf(views, target));
}

test("each evidence alone is enough", () => {
  assert.deepEqual(evidence(view({ inLeaf: true })), { 200: "cgroup" });
  assert.deepEqual(evidence(view({ marker: "t-1" })), { 200: "marker" });
  assert.deepEqual(evidence(view({ session: 100 })), { 200: "session" });
  assert.deepEqual(evidence(view({ holds: "open file" })), { 200: "open file" });
  assert.deepEqual(evidence(view({ holds: "working directory" })), { 200: "working directory" });
});

test("children of members are members, at any depth", () => {
  const chain = [3, 2, 1].map((n) => view({ pid: 200 + n, parent: 200 + n - 1, session: 9 }));
  assert.deepEqual(evidence(...chain, view({ marker: "t-1" })), {
    200: "marker",
    201: "child",
    202: "child",
    203: "child",
  });
});

test("others are never touched", () => {
  // Nothing that ties it to the rank, or another rank's marker.
  assert.deepEqual(evidence(view({})), {});
  assert.deepEqual(evidence(view({ marker: "t-2" })), {});
  // Older than the rank: the session or the folder was another's before.
  assert.deepEqual(evidence(view({ session: 100, startTicks: 999 })), {});
  assert.deepEqual(evidence(view({ holds: "open file", startTicks: 999 })), {});
  // Our own.
  assert.deepEqual(evidence(view({ pid: 50, marker: "t-1" })), {});
  // Dead already.
  assert.deepEqual(evidence(view({ marker: "t-1", dead: true })), {});
});

test("a session counts no more once its leader's number is another process", () => {
  const impostor = view({ pid: 100, session: 100, startTicks: 3_000 });
  assert.deepEqual(evidence(impostor, view({ session: 100 })), {});
  const leader = view({ pid: 100, session: 100, startTicks: 1_000, dead: true });
  assert.deepEqual(evidence(leader, view({ session: 100 })), { 200: "session" });
});

test("whatever the tree looks like, nobody without evidence or such an ancestor is found", () => {
  const any = fc.array(
    fc.record({
      pid: fc.integer({ min: 101, max: 120 }),
      parent: fc.integer({ min: 101, max: 120 }),
      marker: fc.constantFrom(undefined, "t-1", "t-2"),
    }),
    { maxLength: 15 },
  );
  fc.assert(
    fc.property(any, (list) => {
      const views = [
        ...new Map(list.map((each) => [each.pid, view({ ...each, session: 9 })])).values(),
      ];
      const members = membersOf(views, target);
      for (const [pid, why] of members) {
        const found = views.find((each) => each.pid === pid);
        if (why === "marker") assert.equal(found?.marker, "t-1");
        else assert.ok(members.has(found?.parent ?? 0));
      }
      for (const each of views) if (each.marker === "t-1") assert.ok(members.has(each.pid));
    }),
  );
});

test("what a process holds", () => {
  const place = { rankDir: "/r/1-1-run-0", outPath: "pipe:[41]" };
  const holds = (cwd: string, path: string, writing: boolean) =>
    holdsOf({ ...place, cwd, files: [{ path, writing }] });
  assert.equal(holds("/", "/dev/null", true), undefined);
  assert.equal(holds("/r/1-1-run-0/x", "/dev/null", true), "working directory");
  assert.equal(holds("/r/1-1-run-00", "/dev/null", true), undefined);
  assert.equal(holds("/", "pipe:[41]", false), "open file");
  assert.equal(holds("/", "pipe:[411]", true), undefined);
  assert.equal(holds("/", "/r/1-1-run-0/log", true), "open file");
  assert.equal(holds("/", "/r/1-1-run-0/log (deleted)", true), "open file");
  // Everybody holds what is no pipe: it would make the whole machine the rank's.
  for (const outPath of ["/dev/null", "", undefined]) {
    const files = [{ path: "/dev/null", writing: false }];
    assert.equal(holdsOf({ ...place, outPath, cwd: "/", files }), undefined);
  }
  // A person with `tail -f`, or our own log shipping.
  assert.equal(holds("/", "/r/1-1-run-0/log", false), undefined);
});
