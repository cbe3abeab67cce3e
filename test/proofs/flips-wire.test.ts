// Any single bit that flips on the wire is found, wherever it is: the connection ends, another goes
// on, and no file differs.
//
// Transfers are short and real: a source and a sink over TCP, plain and TLS, through a proxy that
// flips the bit.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { isSkyError } from "../../model/errors.ts";
import { FrameParser } from "../../runtime/frame-parser.ts";
import { encodeFrame, type Frame } from "../../runtime/framing.ts";
import { createMemoryRandom } from "../../runtime/random-memory.ts";
import { flipBit, WireFlip } from "./flips.ts";
import { type PairOptions, runPair } from "./pair.ts";
import { objectOf } from "./secret.ts";

const seed = Number(process.env["SKY_PROOFS_SEED"] ?? 7);
const rounds = Number(process.env["SKY_PROOFS_FLIPS"] ?? 18);
const dir = mkdtempSync(join(tmpdir(), "sky-flips-wire-"));
after(() => rmSync(dir, { recursive: true }));

const objects = [60_000, 1_100_000].map((bytes) => objectOf(seed, bytes));
let folders = 0;

function pair(more: Pick<PairOptions, "kind" | "change">) {
  folders += 1;
  const folder = join(dir, String(folders));
  mkdirSync(folder);
  return runPair({ folder, seed, objects, ...more });
}

for (const kind of ["plain", "tls"] as const) {
  test(`a bit that flips on the wire (${kind}) reaches no file`, async (t) => {
    t.diagnostic(`seed ${seed}, ${rounds} rounds`);
    const random = createMemoryRandom(`${seed}/wire/${kind}`);
    const clean = new WireFlip("out", Number.POSITIVE_INFINITY, 0);
    await pair({ kind, change: clean.change });
    let flipped = 0;
    let breaches = 0;
    for (let round = 0; round < rounds; round += 1) {
      const way = random.below(4) === 0 ? "out" : "back";
      const at = random.below(clean.passed[way]);
      const flip = new WireFlip(way, at, random.below(8));
      const result = await pair({ kind, change: flip.change });
      assert.ok(result.isWhole, `${kind}, ${way} at ${at}`);
      if (flip.done) flipped += 1;
      if (result.breaches > 0) breaches += 1;
    }
    t.diagnostic(`${flipped} of ${rounds} flips passed a proxy; ${breaches} were called breaches`);
    assert.ok(flipped > rounds / 2, `${clean.passed.out} and ${clean.passed.back} bytes pass`);
    if (kind === "plain") assert.ok(breaches > flipped / 2, "most are seen by frames' checksums");
  });
}

test("a frame with a flipped bit is refused, wherever the bit is", () => {
  const random = createMemoryRandom(`${seed}/frames`);
  const frames: Frame[] = [
    { type: "open", channel: 1, header: random.bytes(30) },
    { type: "data", channel: 1, parts: [random.bytes(700)], bytes: 700 },
    { type: "credit", channel: 1, bytes: 4_096 },
    { type: "end", channel: 1 },
  ];
  const bytes = Buffer.concat(frames.flatMap((frame) => encodeFrame(frame)));
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const damaged = Buffer.from(bytes);
    flipBit(damaged, bit >> 3, bit & 7);
    const parser = new FrameParser();
    const seen: Frame[] = [];
    assert.throws(
      () => parser.push(damaged, (frame) => seen.push(frame)),
      (error) => isSkyError(error, "stream/protocol"),
      `bit ${bit}`,
    );
    assert.ok(seen.length < frames.length);
  }
});
