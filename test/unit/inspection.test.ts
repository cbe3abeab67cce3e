// What `sky debug` prints of a head's account, whole and with parts missing.

import assert from "node:assert/strict";
import { test } from "node:test";
import { inspectionText, metricsOf } from "../../client/inspection.ts";

const head = { version: "0.1.0", pid: 7, home: "/srv/ann/.sky", startedAt: 1_000 };

const actor = {
  address: { cluster: "demo", node: "skyhead", kind: "scheduler", id: "main" },
  ...{ mailboxCount: 3, turns: 21, commitsPending: 0, timers: ["reconcile"], incarnation: 2 },
};

test("an account is told as facts, actors, and nodes by cluster", () => {
  const inside = {
    process: {
      rssBytes: 104_857_600,
      cpu: { user: 400_000, system: 200_000 },
      store: { commits: 13, transactions: 12 },
      actors: [],
      lanes: { embedded: { denied: {} } },
      metricsText: "turns_total 21\n",
    },
    clusters: {
      demo: {
        record: { status: "UP" },
        logs: { channels: 1 },
        nodes: {
          head: {
            ...{ version: "0.1.0", bootId: "b1", strangers: 0 },
            ranks: [{ rank: "1-1-run-0", phase: "running" }],
          },
          worker1: { unreachable: "no reply within 1000 ms" },
        },
        actors: [actor],
      },
    },
  };
  assert.equal(
    inspectionText(head, inside, 61_000),
    [
      "skyhead 0.1.0, pid 7, up 60 s, 100 MiB, 0.6 s of CPU, 13 commits in 12 transactions",
      'lanes: {"embedded":{"denied":{}}}',
      "",
      "ACTOR  LIFE  TURNS  WAITING  UNSAVED  TIMERS",
      "",
      "demo: UP",
      "logs: channels 1",
      "head: skylet 0.1.0, boot b1, ranks: 1-1-run-0 running",
      "worker1: no reply within 1000 ms",
      "ACTOR                        LIFE  TURNS  WAITING  UNSAVED  TIMERS",
      "demo/skyhead/scheduler/main  2     21     3        0        reconcile",
    ].join("\n"),
  );
  assert.equal(metricsOf(inside), "turns_total 21\n");
});

test("what a head of another version leaves out is left out", () => {
  const text = inspectionText(head, {}, 0);
  assert.match(text, /^skyhead 0\.1\.0, pid 7, up 0 s\n/);
  assert.equal(metricsOf(undefined), "");
});
