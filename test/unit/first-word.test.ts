// Who asks about a cluster of which nothing was heard yet waits for its head, and not for long.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { ClusterRecord } from "../../clouds/cluster-record.ts";
import type { HeadClient } from "../../proto/client-grpc.ts";
import { createMemoryClock } from "../../runtime/clock-memory.ts";
import { firstWords } from "../../scheduler/first-word.ts";

const never = new AbortController().signal;

interface World {
  readonly isOver: () => boolean;
  readonly asked: () => number;
  pass(ms: number): Promise<void>;
  change(): void;
}

function waiting(
  of: Partial<Pick<ClusterRecord, "status">> & {
    readonly silent?: boolean;
    readonly client?: (signal: AbortSignal) => Promise<HeadClient>;
  },
): World {
  const clock = createMemoryClock();
  let asked = 0;
  let over = false;
  const hearers = new Set<() => void>();
  const head = {
    cluster: "demo",
    view: () => undefined,
    silence: () => (of.silent ? { since: 0, why: "no route" } : undefined),
    submit: () => Promise.reject(new Error("nothing is submitted")),
    client: (signal: AbortSignal) => {
      asked += 1;
      return of.client?.(signal) ?? new Promise<HeadClient>(() => {});
    },
  };
  const options = {
    clock,
    remote: { get: (name: string) => (name === "demo" ? head : undefined) },
    fleets: {
      onChange: (_: string, hear: () => void) => {
        hearers.add(hear);
        return () => hearers.delete(hear);
      },
    },
  };
  const record = { name: "demo", status: of.status ?? "UP" } as ClusterRecord;
  void firstWords(options as never, [record, undefined], never).then(() => {
    over = true;
  });
  return {
    isOver: () => over,
    asked: () => asked,
    pass: (ms) => clock.pass(ms, () => new Promise((resolve) => setImmediate(resolve))),
    change: () => {
      for (const hear of hearers) hear();
    },
  };
}

test("nobody waits for a cluster that is not up, or whose head is known to be silent", async () => {
  for (const world of [waiting({ status: "STOPPED" }), waiting({ silent: true })]) {
    await world.pass(1);
    assert.deepEqual([world.isOver(), world.asked()], [true, 0]);
  }
});

test("the wait ends with the connection, or when it takes too long", async () => {
  const connected = waiting({ client: async () => ({}) as HeadClient });
  await connected.pass(1);
  assert.equal(connected.isOver(), true);
  const slow = waiting({
    client: (signal) =>
      new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(new Error("it takes long")));
      }),
  });
  await slow.pass(4_000);
  assert.equal(slow.isOver(), false);
  await slow.pass(2_000);
  assert.equal(slow.isOver(), true);
});

test("of a cluster that has ended the record is waited for", async () => {
  const ended = waiting({ client: () => Promise.reject(new Error("it has ended")) });
  await ended.pass(100);
  assert.equal(ended.isOver(), false);
  ended.change();
  await ended.pass(1);
  assert.equal(ended.isOver(), true);
});
