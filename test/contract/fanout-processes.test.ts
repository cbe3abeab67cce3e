// A fan-out of real processes over TLS, with stores on disk: one sink is killed on the way, one has
// a slow line, one comes late; all have the same bytes, which left the source about once.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { FanOutPart } from "../../bench/fanout-party.ts";
import { FanOutProcess, Names } from "../../bench/fanout-processes.ts";
import { until } from "../support/until.ts";

const host = "127.0.0.1";
const bytes = 16 * 1024 * 1024;
const chunkBytes = 512 * 1024;
/** A little, so that what a child has under way when it is replaced is little. */
const askedBytes = 2 * 1024 * 1024;
const names = ["demo/slow", "demo/a", "demo/b", "demo/killed", "demo/late"];

test("killed, slow and late sinks have all; the others do not wait for them", async (context) => {
  const home = mkdtempSync(join(tmpdir(), "fanout-"));
  const parties: FanOutProcess[] = [];
  try {
    const who = await Names.create([host]);
    const start = async (name: string, part: Partial<FanOutPart>): Promise<FanOutProcess> => {
      const security = await who.security(name);
      const about = { security, host, seed: 7, bytes, chunkBytes, role: "sink" } as const;
      const party = new FanOutProcess({ ...about, ...part });
      parties.push(party);
      return party;
    };
    // Windows are short, for a transfer of seconds.
    const rules = { windowMs: 800, trialWaitMs: 1_000 };
    const source = await start("demo/head", { role: "source", sinks: names, rules });
    const { port } = await source.word("listens");
    const join_ = (name: string, more: Partial<FanOutPart> = {}): Promise<FanOutProcess> => {
      const dir = join(home, name.replace("/", "-"));
      return start(name, { source: { host, port }, dir, askedBytes, ...more });
    };

    // The slow one comes first, so that it becomes the source's only child.
    const slow = await join_("demo/slow", { bytesPerSecond: 800_000 });
    await slow.word("has");
    const killed = await join_("demo/killed");
    const first = await killed.word("has");
    killed.kill();
    assert.ok(first.chunks * chunkBytes < bytes, "it was killed on the way");
    const fast = await Promise.all(["demo/a", "demo/b"].map((name) => join_(name)));
    await Promise.all(fast.map((party) => party.word("has")));
    const others = [...fast, await join_("demo/killed"), await join_("demo/late")];
    await Promise.all(others.map((party) => party.word("here")));
    assert.ok(!slow.words.some(({ type }) => type === "here"), "the slow one is still at it");
    slow.hurry();
    const over = await source.word("over");
    const ends = await Promise.all([slow, ...others].map((party) => party.word("whole")));
    for (const end of ends) assert.equal(end.digest, over.digest);
    assert.deepEqual(Object.keys(over.outcomes).sort(), [...names].sort());
    assert.ok(Object.values(over.outcomes).every((outcome) => outcome === "done"));
    const times = over.sourceBytes / bytes;
    const what = `the source gave ${times.toFixed(2)} times the bytes`;
    context.diagnostic(`${what}, in ${over.sourceMoves} moves`);
    // What a replaced child was ahead, and had under way, is on top of one.
    assert.ok(times < 1 + 0.25 * over.sourceMoves && over.sourceMoves <= 6, what);
  } finally {
    for (const party of parties) party.kill();
    await until("all have ended", async () => {
      await Promise.all(parties.map(({ ended }) => ended));
      return true;
    });
    rmSync(home, { recursive: true, force: true });
  }
});
