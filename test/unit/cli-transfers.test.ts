// cp, sync and transfers as commands: when they ask, what they start, and what Ctrl-C leaves.

import assert from "node:assert/strict";
import { test } from "node:test";
import { WrongUse } from "../../client/cli/exit-codes.ts";
import type { Head } from "../../client/head.ts";
import { SkyError } from "../../model/errors.ts";
import type { TransferEvent, TransferPreview } from "../../model/transfer.ts";
import { planOf, viewOf } from "../support/scripted-transfers.ts";
import { commandLine, stage } from "./cli-stage.ts";

const preview: TransferPreview = {
  plan: planOf(),
  ...{ objects: 2, bytes: 3_000, isPart: false, sample: [], deletes: 0, failed: 0, notes: [] },
};
const ended: TransferEvent = { kind: "state", view: viewOf({ status: "SUCCEEDED" }) };

/** A head that notes what is started; `over` is what of it a test is about. */
function headOf(over: Partial<Head>) {
  const started: number[] = [];
  const head: Partial<Head> = {
    previewTransfer: async () => preview,
    startTransfer: async () => started.push(7) && 7,
    watchTransfer: async function* () {
      yield ended;
    },
    ...over,
  };
  return { head, started };
}

test("Ctrl-C stops looking, says how to come back, and cancels nothing", async () => {
  const interrupt = new AbortController();
  const { head, started } = headOf({
    watchTransfer: async function* (_, signal) {
      yield { kind: "state", view: viewOf() };
      interrupt.abort();
      signal.throwIfAborted();
    },
  });
  const on = stage({ head, interrupt: interrupt.signal });
  assert.equal(await commandLine(on.shell, ["cp", "a", "s3://b", "-o", "text"]), 130);
  assert.deepEqual(started, [7]);
  const hints = on.said.join("\n");
  assert.match(hints, /Transfer 7 runs on\..*sky transfers 7 --follow.*sky transfers cancel 7/s);
});

test("who presses Ctrl-C while it is recorded is told that it may run", async () => {
  const interrupt = new AbortController();
  const { head } = headOf({
    startTransfer: async () => {
      interrupt.abort();
      throw new SkyError("core/cancelled", { what: "start" });
    },
  });
  const on = stage({ head, interrupt: interrupt.signal });
  await assert.rejects(commandLine(on.shell, ["cp", "a", "s3://b"]), /core\/cancelled|start/);
  assert.match(on.said.join("\n"), /If it was recorded, it runs on: see `sky transfers`/);
});

test("a sync that would delete needs a yes; one that deletes nothing does not", async () => {
  const deleting = headOf({ previewTransfer: async () => ({ ...preview, deletes: 3 }) });
  const words = ["sync", "a", "s3://b", "--delete"];
  const alone = stage({ head: deleting.head });
  await assert.rejects(commandLine(alone.shell, words), WrongUse);
  assert.deepEqual(deleting.started, []);
  assert.equal(await commandLine(alone.shell, [...words, "-y"]), 0);
  const harmless = headOf({});
  assert.equal(await commandLine(stage({ head: harmless.head }).shell, words), 0);
  // Where only a part was listed nobody knows.
  const part = headOf({ previewTransfer: async () => ({ ...preview, isPart: true }) });
  await assert.rejects(commandLine(stage({ head: part.head }).shell, words), WrongUse);
  assert.deepEqual([deleting.started, harmless.started, part.started], [[7], [7], []]);
});

test("where there is nothing to do nothing is started", async () => {
  const { head, started } = headOf({ previewTransfer: async () => ({ ...preview, objects: 0 }) });
  const on = stage({ head });
  assert.equal(await commandLine(on.shell, ["sync", "a", "s3://b", "-o", "text"]), 0);
  assert.deepEqual(on.printed, ["Nothing to do: the destination has everything."]);
  assert.deepEqual(started, []);
});

test("what is known to fail is not nothing: the transfer is run, and says so", async () => {
  const hopeless = { ...preview, objects: 0, failed: 1, notes: ["1 cannot be copied: a link"] };
  const { head, started } = headOf({
    previewTransfer: async () => hopeless,
    watchTransfer: async function* () {
      yield { kind: "state", view: viewOf({ status: "FAILED", why: "1 did not arrive" }) };
    },
  });
  assert.equal(await commandLine(stage({ head }).shell, ["cp", "a", "s3://b"]), 1);
  assert.deepEqual(started, [7]);
});

test("-d prints the number and looks no further; --resume asks for no paths", async () => {
  const asked: number[] = [];
  const { head } = headOf({
    watchTransfer: () => assert.fail("nobody looks"),
    resumeTransfer: async ({ transfer }) => asked.push(transfer) && 8,
  });
  const on = stage({ head });
  assert.equal(await commandLine(on.shell, ["cp", "a", "s3://b", "-d", "-o", "text"]), 0);
  assert.equal(await commandLine(on.shell, ["cp", "--resume", "7", "-d"]), 0);
  assert.equal(on.printed[0], "Transfer 7 started.");
  assert.equal(on.printed[1], '{"kind":"started","transfer":8}');
  assert.deepEqual(asked, [7]);
});

test("one that nobody knows is found before any is cancelled", async () => {
  const cancelled: number[] = [];
  const { head } = headOf({
    getTransfer: async (id) => {
      if (id === 9) throw new SkyError("transfer/not-found", { id });
      return viewOf({ id });
    },
    cancelTransfer: async ({ transfer }) => void cancelled.push(transfer),
    watchTransfer: async function* (id) {
      yield { kind: "state", view: viewOf({ id, status: "CANCELLED" }) };
    },
  });
  const on = stage({ head });
  await assert.rejects(commandLine(on.shell, ["transfers", "cancel", "7", "9"]), /9 not found/);
  assert.deepEqual(cancelled, []);
  assert.equal(await commandLine(on.shell, ["transfers", "cancel", "7", "7"]), 0);
  assert.deepEqual([cancelled, on.printed], [[7], ["Transfer 7 cancelled."]]);
});

test("progress without a change is a line every five seconds at most", async () => {
  const { counts } = viewOf();
  const still = { kind: "progress", counts, bytesPerSecond: 0, destinations: [] } as const;
  const moved = { ...still, counts: { ...counts, doneBytes: 1 } };
  let now = 10_000;
  const { head } = headOf({
    watchTransfer: async function* () {
      for (const event of [still, still, moved, moved]) yield event;
      now += 5_000;
      yield { ...moved, bytesPerSecond: 7 };
      yield ended;
    },
  });
  const on = stage({ head });
  const shell = { ...on.shell, now: () => now };
  assert.equal(await commandLine(shell, ["cp", "a", "s3://b"]), 0);
  const lines = on.printed.map((line) => JSON.parse(line) as TransferEvent);
  const progress = lines.filter(({ kind }) => kind === "progress");
  assert.deepEqual(progress, [still, moved, { ...moved, bytesPerSecond: 7 }]);
});

test("one that failed is cancelled, too: the head gives up what it had left", async () => {
  const cancelled: number[] = [];
  const view = viewOf({ status: "FAILED", why: "1 did not arrive" });
  const { head } = headOf({
    getTransfer: async () => view,
    cancelTransfer: async ({ transfer }) => void cancelled.push(transfer),
    watchTransfer: async function* () {
      yield { kind: "state", view };
    },
  });
  const on = stage({ head });
  assert.equal(await commandLine(on.shell, ["transfers", "cancel", "7"]), 0);
  const said = "Transfer 7 had FAILED already; what it kept for a --resume is given up.";
  assert.deepEqual([cancelled, on.printed], [[7], [said]]);
});

test("failures are said once, and no more than twenty of them", async () => {
  const failures = Array.from({ length: 25 }, (_, index) => ({
    ...{ object: `/data/${index}`, destination: "s3://b/x", why: "denied" },
  }));
  const view = viewOf({ status: "FAILED", failures, why: "denied" });
  const { head } = headOf({
    watchTransfer: async function* () {
      for (const failure of failures.slice(0, 3)) yield { kind: "object-failed", failure };
      yield { kind: "state", view: { ...view, counts: { ...view.counts, failed: 25 } } };
    },
  });
  const on = stage({ head });
  assert.equal(await commandLine(on.shell, ["cp", "a", "s3://b", "-o", "text"]), 1);
  const said = on.said.filter((line) => line.startsWith("Failed:"));
  assert.equal(said.length, 20);
  assert.equal(new Set(said).size, 20);
  assert.match(on.said.join("\n"), /sky transfers 7 --failures.*sky cp --resume 7/s);
});
