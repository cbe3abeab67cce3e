// The last lines of a failed process, as a part of the explanation of its job.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Job } from "../../model/job.ts";
import type { Reason } from "../../model/reason.ts";
import { lastLinesMax, lastLinesText } from "../../scheduler/last-lines-os.ts";
import type { LogChunk } from "../../scheduler/log-store.ts";
import { tailStart } from "../../scheduler/log-store.ts";

const signal = new AbortController().signal;

function job(reason: Reason): Job {
  const record = (rank: number, node: string) => ({ rank, node, ip: "127.0.0.1" });
  return {
    ...{ id: 7, user: "ann", name: "-", status: "FAILED", phase: "ended", submittedAt: 1 },
    ...{ resources: "", numNodes: 2, attempt: 2, sweeps: [], reason },
    ranks: [record(0, "head"), record(1, "worker1")],
    setups: [record(0, "head"), record(3, "worker3")],
  };
}

/** Logs by the names of their keys; `open` ones do not end. */
function logsOf(logs: Readonly<Record<string, string>>, isOpen = false) {
  const asked: string[] = [];
  const bytesOf = (key: object) => Buffer.from(logs[Object.values(key).join("-")] ?? "");
  return {
    asked,
    tailStart: async (key: object, lines: number) => {
      asked.push(Object.values(key).join("-"));
      const bytes = bytesOf(key);
      const readAt = async (at: number, length: number) => bytes.subarray(at, at + length);
      return tailStart({ size: bytes.length, lines, readAt });
    },
    async *follow(options: { key: object; offset: number; signal: AbortSignal }) {
      const bytes = bytesOf(options.key).subarray(options.offset);
      const half = Math.ceil(bytes.length / 2);
      yield { offset: 0, bytes: bytes.subarray(0, half) } satisfies LogChunk;
      yield { offset: half, bytes: bytes.subarray(half) } satisfies LogChunk;
      if (!isOpen) return;
      await new Promise((_, reject) => {
        options.signal.addEventListener("abort", () => reject(options.signal.reason));
      });
    },
  };
}

const setupFailed: Reason = { code: "setup-failed", params: { node: "worker3", rank: "3" } };
const rankFailed: Reason = { code: "rank-failed", params: { node: "worker1", rank: "1" } };

test("the setup that failed first is shown, its last lines and no more", async () => {
  const lines = Array.from({ length: 30 }, (_, at) => `line ${at}`);
  const logs = logsOf({ "7-2-setup-3": `${lines.join("\n")}\n` });
  const text = await lastLinesText(logs, job(setupFailed), { signal });
  const shown = lines.slice(-lastLinesMax).map((line) => `\n  ${line}`);
  assert.equal(text, `\nThe last lines of the setup on worker3:${shown.join("")}`);
});

test("so is the rank that failed; a last line without its end counts", async () => {
  const logs = logsOf({ "7-2-run-1": "a\nb" });
  const text = await lastLinesText(logs, job(rankFailed), { signal });
  assert.equal(text, "\nThe last lines of rank 1 on worker1:\n  a\n  b");
});

test("nothing is said where nothing was written, nor of jobs that no process failed", async () => {
  assert.equal(await lastLinesText(logsOf({}), job(rankFailed), { signal }), "");
  const logs = logsOf({});
  const cancelled: Reason = { code: "cancelled-by-user", params: { user: "ann" } };
  assert.equal(await lastLinesText(logs, job(cancelled), { signal }), "");
  assert.deepEqual(logs.asked, [], "no log was opened");
});

test("a log that does not end is not waited for very long", async () => {
  const logs = logsOf({ "7-2-run-1": "a\n" }, true);
  const text = await lastLinesText(logs, job(rankFailed), { signal, waitMs: 20 });
  assert.match(text, /\n {2}a$/);
});

test("of a line without an end its last part is shown", async () => {
  const logs = logsOf({ "7-2-run-1": "x".repeat(1_000_000) });
  const text = await lastLinesText(logs, job(rankFailed), { signal });
  assert.ok(text.length < 20_000, `${text.length}`);
});
