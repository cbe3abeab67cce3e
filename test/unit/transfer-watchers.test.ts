// Watchers of a transfer: a slow one holds little, and misses no state.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { TransferEvent, TransferStatus, TransferView } from "../../model/transfer.ts";
import { noCounts } from "../../scheduler/transfers/transfer-view.ts";
import { Watchers, watcherEventsMax } from "../../scheduler/transfers/watchers.ts";

const never = new AbortController().signal;

function state(status: TransferStatus): TransferEvent {
  return { kind: "state", view: { status } as TransferView };
}

function progress(done: number): TransferEvent {
  const counts = { ...noCounts, done };
  return { kind: "progress", counts, bytesPerSecond: 1, destinations: [] };
}

const object: TransferEvent = { kind: "object", object: "a", destination: "b", bytes: 1 };

async function all(events: AsyncIterable<TransferEvent>): Promise<readonly TransferEvent[]> {
  const found: TransferEvent[] = [];
  for await (const event of events) found.push(event);
  return found;
}

test("a slow watcher hears the last progress, some objects, and how it ended", async () => {
  const watchers = new Watchers();
  const watching = watchers.watch(state("PENDING"), never);
  const first = await watching.next();
  assert.deepEqual(first.value, state("PENDING"));
  for (let at = 0; at < 3 * watcherEventsMax; at += 1) {
    watchers.tell(object);
    watchers.tell(progress(at));
  }
  watchers.tell(state("RUNNING"));
  watchers.tell(state("SUCCEEDED"));
  const rest = await all(watching);
  assert.ok(rest.length <= watcherEventsMax + 2);
  assert.deepEqual(
    rest.filter(({ kind }) => kind === "progress"),
    [progress(3 * watcherEventsMax - 1)],
  );
  assert.deepEqual(rest.at(-1), state("SUCCEEDED"));
  assert.equal(watchers.count, 0);
});

test("who leaves, or is left, is forgotten", async () => {
  const watchers = new Watchers();
  const gone = new AbortController();
  const one = all(watchers.watch(state("RUNNING"), gone.signal));
  const two = all(watchers.watch(state("RUNNING"), never));
  await Promise.resolve();
  gone.abort();
  assert.equal((await one).length, 1);
  watchers.close();
  assert.equal((await two).length, 1);
  assert.equal(watchers.count, 0);
  assert.deepEqual(await all(watchers.watch(state("FAILED"), never)), [state("FAILED")]);
});
