// Leases as a whole agent keeps them, over a machine in memory with its watchdog.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { AgentMessage } from "../../proto/messages.ts";
import type { Heard, Stage } from "./agent-stage.ts";
import { key, openStage, prepare } from "./agent-stage.ts";

const leaseMs = 20_000;
const forEver = { do: "wait-for-ever" } as const;

function check(what: string, body: (stage: Stage) => Promise<void>): void {
  test(what, async () => {
    const stage = await openStage();
    try {
      await body(stage);
    } finally {
      await stage.close();
    }
  });
}

/** A rank that runs on a lease, counted from when it stood ready. */
async function begin(stage: Stage, steps: Parameters<typeof prepare>[0]): Promise<number> {
  stage.tell(prepare(steps, { goWhenReady: false, leaseMs }));
  await stage.pass(10);
  const from = preparedAt(stage);
  stage.tell({ kind: "go", key, leaseFrom: from });
  await stage.pass(10);
  return from;
}

function preparedAt(stage: Stage): number {
  const said = stage.heard.findLast((message) => message.kind === "rank-prepared");
  assert.ok(said?.kind === "rank-prepared" && said.askedAt !== undefined);
  return said.askedAt;
}

function exitOf(stage: Stage): Extract<Heard, { readonly kind: "rank-exited" }> | undefined {
  return stage.heard.findLast((message) => message.kind === "rank-exited");
}

function renewal(stage: Stage, over: { readonly bootId?: string } = {}): AgentMessage {
  const { bootId, monoMs } = stage.clock.now();
  return { kind: "renew-lease", bootId, leaseFrom: monoMs, ...over };
}

check("a rank is asked to go, and killed, before its lease ends", async (stage) => {
  const from = await begin(stage, [{ do: "ignore-term" }, forEver]);
  await stage.pass(13_000);
  assert.equal(stage.machine.living(), 1);
  await stage.pass(from + leaseMs - stage.clock.now().monoMs);
  assert.equal(stage.machine.living(), 0);
  assert.deepEqual(exitOf(stage)?.exit, { kind: "stopped", why: "lease-expired" });
});

check("beats ask for renewal while a lease counts, and only then", async (stage) => {
  const asks = (): boolean => stage.beats.at(-1)?.askedAt !== undefined;
  await stage.pass(2_000);
  assert.equal(asks(), false);
  await begin(stage, [{ do: "wait", ms: 5_000 }]);
  await stage.pass(2_000);
  assert.equal(asks(), true);
  await stage.pass(5_000);
  assert.equal(asks(), false);
});

check(
  "what the head confirms holds; what is of another boot or yet to come does not",
  async (stage) => {
    await begin(stage, [forEver]);
    await stage.pass(10_000);
    stage.tell(renewal(stage));
    await stage.pass(10_000);
    assert.equal(stage.machine.living(), 1);
    stage.tell(renewal(stage, { bootId: "another" }));
    const { bootId, monoMs } = stage.clock.now();
    stage.tell({ kind: "renew-lease", bootId, leaseFrom: monoMs + 60_000 });
    await stage.pass(10_000);
    assert.equal(stage.machine.living(), 0);
  },
);

check("a word to go that comes too late starts nothing: the rank asks again", async (stage) => {
  stage.tell(prepare([forEver], { goWhenReady: false, leaseMs }));
  await stage.pass(10);
  const early = preparedAt(stage);
  await stage.pass(60_000);
  stage.tell({ kind: "go", key, leaseFrom: early });
  await stage.pass(10);
  assert.equal(stage.machine.living(), 0);
  assert.ok(preparedAt(stage) > early + 59_000);
  stage.tell({ kind: "go", key, leaseFrom: preparedAt(stage) });
  await stage.pass(10);
  assert.equal(stage.machine.living(), 1);
});

check("without an agent the watchdog ends it, and the next agent says so", async (stage) => {
  await begin(stage, [forEver]);
  stage.machine.crash();
  await stage.pass(leaseMs + 2_000);
  assert.equal(stage.machine.living(), 0);
  await stage.restart();
  await stage.pass(3_000);
  assert.deepEqual(exitOf(stage)?.exit, { kind: "stopped", why: "lease-expired" });
});

check("the next agent goes on with a lease where it was", async (stage) => {
  const from = await begin(stage, [forEver]);
  await stage.pass(5_000);
  await stage.restart();
  await stage.pass(2_000);
  assert.ok(stage.beats.at(-1)?.askedAt !== undefined);
  assert.equal(stage.machine.living(), 1);
  await stage.pass(from + leaseMs - stage.clock.now().monoMs);
  assert.equal(stage.machine.living(), 0);
});
