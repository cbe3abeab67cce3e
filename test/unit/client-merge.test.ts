// The merged view: every log's bytes, exactly, in whole lines with prefixes.
// A view is taken apart again by its prefixes and compared with what was written.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Merge } from "../../client/merge.ts";
import { linePrefix } from "../../client/prefix.ts";
import { fc } from "../support/property.ts";

interface Step {
  readonly log: number;
  readonly bytes: Uint8Array;
}

function merged(steps: readonly Step[], single = false): Buffer {
  const merge = new Merge({ single });
  const out = steps.flatMap(({ log, bytes }) =>
    merge.push({ id: String(log), prefix: () => `(${log}) ` }, bytes),
  );
  return Buffer.concat([...out, ...merge.end()]);
}

/** Each log's content as the view shows it; a line that belongs to nobody fails. */
function parted(view: Buffer): Map<number, string> {
  const logs = new Map<number, string>();
  const text = view.toString("latin1");
  for (const line of text === "" ? [] : text.slice(0, -1).split("\n")) {
    const match = /^\((\d)\) ([\s\S]*)$/.exec(line);
    assert.ok(match, JSON.stringify(line));
    const log = Number(match[1]);
    logs.set(log, `${logs.get(log) ?? ""}${match[2]}\n`);
  }
  return logs;
}

const text = (log: number, content: string): Step => ({ log, bytes: Buffer.from(content) });

test("lines are whole and in the order in which they were finished", () => {
  const view = merged([text(0, "a\nb"), text(1, "c\n"), text(0, "b\n"), text(1, "d")]);
  assert.equal(view.toString(), "(0) a\n(1) c\n(0) bb\n(1) d\n");
});

test("a single log is written at once, also without a line end", () => {
  const merge = new Merge({ single: true });
  const source = { id: "0", prefix: () => "(x) " };
  assert.equal(
    Buffer.concat([...merge.push(source, Buffer.from("10%\r"))]).toString(),
    "(x) 10%\r",
  );
  assert.equal(Buffer.concat([...merge.push(source, Buffer.from("20%\r"))]).toString(), "20%\r");
  assert.equal(Buffer.concat([...merge.end()]).toString(), "\n");
});

test("of two logs that follow each other the first one's open line is ended", () => {
  const view = merged([text(0, "setup"), text(1, "run\n")], true);
  assert.equal(view.toString(), "(0) setup\n(1) run\n");
});

test("empty chunks and no chunks write nothing", () => {
  assert.equal(merged([]).length, 0);
  assert.equal(merged([text(0, "")]).length, 0);
  assert.equal(merged([text(0, "")], true).length, 0);
});

test("a line of a mebibyte is whole even while others write", () => {
  const line = "x".repeat(1 << 20);
  const steps: Step[] = [];
  for (let at = 0; at < line.length; at += 50_000) {
    steps.push(text(0, line.slice(at, at + 50_000)), text(1, `${at}\n`));
  }
  const logs = parted(merged([...steps, text(0, "\n")]));
  assert.equal(logs.get(0), `${line}\n`);
  assert.equal(
    logs.get(1),
    steps
      .filter((s) => s.log === 1)
      .map((s) => s.bytes.toString())
      .join(""),
  );
});

test("a line that never ends does not hold the others for ever", () => {
  const merge = new Merge({ single: false });
  const endless = { id: "0", prefix: () => "(0) " };
  const other = { id: "1", prefix: () => "(1) " };
  merge.push(endless, Buffer.alloc(100_000, "x"));
  let written = 0;
  for (let round = 0; round < 200; round += 1) {
    for (const bytes of merge.push(other, Buffer.alloc(100_000, "y\n"))) written += bytes.length;
  }
  assert.ok(written > 8_000_000, String(written));
});

test("any bytes in any chunks arrive exactly", () => {
  const byte = fc.constantFrom(0x0a, 0x0d, 0xff, 0x00, 0x61, 0x28, 0x80);
  const chunk = fc.array(byte, { maxLength: 12 }).map((bytes) => Uint8Array.from(bytes));
  const step = fc.record({ log: fc.nat({ max: 2 }), bytes: chunk });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
      const logs = parted(merged(steps));
      for (const log of [0, 1, 2]) {
        const wrote = Buffer.concat(steps.filter((s) => s.log === log).map((s) => s.bytes));
        const ended = wrote.length === 0 || wrote.at(-1) === 0x0a;
        assert.equal(logs.get(log) ?? "", `${wrote.toString("latin1")}${ended ? "" : "\n"}`);
      }
    }),
    { numRuns: 500 },
  );
});

test("prefixes are SkyPilot's", () => {
  const run = { phase: "run", rank: 0, node: "head", ip: "127.1.0.1", pid: 7 } as const;
  const far = { phase: "run", rank: 1, node: "worker1", ip: "127.1.0.2", pid: 9 } as const;
  const setup = { ...far, phase: "setup" } as const;
  const many = { taskName: "train", clusterNodes: 2 };
  const one = { taskName: "train", clusterNodes: 1 };
  assert.equal(linePrefix(run, many), "(head, rank=0, pid=7) ");
  assert.equal(linePrefix(far, many), "(worker1, rank=1, pid=9, ip=127.1.0.2) ");
  assert.equal(linePrefix(setup, many), "(setup, worker1, pid=9, ip=127.1.0.2) ");
  assert.equal(linePrefix(run, one), "(train, pid=7) ");
  assert.equal(linePrefix(run, { ...one, taskName: "-" }), "(task, pid=7) ");
  assert.equal(linePrefix({ ...run, phase: "setup" }, one), "(setup, pid=7) ");
  const { pid: _unknown, ...early } = run;
  assert.equal(linePrefix(early, many), "(head, rank=0) ");
});
