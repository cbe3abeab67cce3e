// The content store under `kill -9` of its writers, two at a time, at any moment: nothing that was
// acknowledged is lost, and nothing that was not done looks as if it were.
//
// `SKY_CONTENT_KILLS=1000` kills that often; `SKY_TEST_SEED` repeats a run's choices.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createMemoryRandom } from "../../runtime/random-memory.ts";
import type { ContentStore } from "../../transfer/chunks/content-store.ts";
import { openContentStore } from "../../transfer/chunks/content-store-os.ts";
import { testSeed } from "../support/seed.ts";
import { until } from "../support/until.ts";
import { auditFacts, auditFolder, Facts } from "./content-store-audit.ts";

const kills = Number(process.env["SKY_CONTENT_KILLS"] ?? 56);
const program = fileURLToPath(new URL("./content-store-writer.ts", import.meta.url));
const episodeKills = 14;
/** What was compiled once need not be again: writers start faster. */
const cache = mkdtempSync(join(tmpdir(), "sky-chunks-cache-"));
after(() => rmSync(cache, { recursive: true, force: true }));

/** Where there is a limit, what nobody pins may be gone. */
const isBounded = (name: string): boolean => name.startsWith("bounded");

interface Writer {
  readonly name: string;
  readonly process: ChildProcess;
  /** Resolves when it is gone. */
  readonly ended: Promise<unknown>;
  readonly opened: Promise<void>;
  /** The file in which it says what was acknowledged. */
  readonly said: string;
}

function startWriter(dir: string, name: string, bytesMax: number): Writer {
  const said = join(cache, `${name}.said`);
  const args = [program, dir, name, String(bytesMax), said];
  const child = spawn(process.execPath, args, {
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, NODE_COMPILE_CACHE: cache },
  });
  const opened = Promise.withResolvers<void>();
  child.stdout.on("data", () => opened.resolve());
  const ended = once(child, "close");
  void ended.then(() => opened.resolve());
  return { name, process: child, ended, opened: opened.promise, said };
}

/** What it said until it died. */
function hearAll(facts: Facts, writer: Writer): void {
  // A line that was cut short says nothing.
  for (const line of saidBy(writer).split("\n").slice(0, -1)) facts.hear(line);
}

function saidBy({ said }: Writer): string {
  return existsSync(said) ? readFileSync(said, "utf8") : "";
}

/** Two writers; one after the other is killed and replaced. Then both are, and all is looked at. */
async function episode(name: string, bytesMax: number): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "sky-chunks-"));
  const random = createMemoryRandom(`${testSeed}/${name}`);
  const facts = new Facts();
  let count = 0;
  const start = (): Writer => {
    count += 1;
    return startWriter(dir, `${name}-${count}`, bytesMax);
  };
  const writers = [start(), start()];
  const end = (): Promise<unknown> => {
    for (const writer of writers) writer.process.kill("SIGKILL");
    return Promise.all(writers.map(({ ended }) => ended));
  };
  try {
    await using(dir, bytesMax, async (store) => {
      while (count < episodeKills) {
        const [victim, other] = writers.splice(0, 2) as [Writer, Writer];
        writers.push(other, start());
        await stageOf(victim, random.unit());
        await pause(random.below(60));
        victim.process.kill("SIGKILL");
        await victim.ended;
        hearAll(facts, victim);
        await auditAndTidy(store, facts, victim.name);
      }
    });
    await end();
    await using(dir, bytesMax, async (store) => {
      for (const writer of writers) {
        hearAll(facts, writer);
        await auditAndTidy(store, facts, writer.name);
      }
    });
    auditFolder(dir, bytesMax);
    assert.ok(facts.puts.size > 0, "there was something to lose");
  } finally {
    await end();
    rmSync(dir, { recursive: true });
  }
}

/** Some die while they open the store, some as soon as they have, most in the middle of it. */
async function stageOf(writer: Writer, draw: number): Promise<void> {
  if (draw > 0.2) await writer.opened;
  if (draw > 0.4) await until("it has put something", () => /^put /m.test(saidBy(writer)));
}

async function using(
  dir: string,
  bytesMax: number,
  run: (store: ContentStore) => Promise<void>,
): Promise<void> {
  const store = await openContentStore({ dir, bytesMax, reserveBytes: 0 });
  try {
    await run(store);
  } finally {
    await store.close();
  }
}

/** Looks, and takes away what the dead one pinned, as whoever started it would. */
async function auditAndTidy(store: ContentStore, facts: Facts, dead: string): Promise<void> {
  await auditFacts(store, facts.of(dead), isBounded(dead));
  for (const name of await store.pins(`${dead}/`)) {
    await store.unpin(name);
    facts.pins.delete(name);
  }
}

describe("content store: writers killed", { concurrency: 2 }, () => {
  for (let done = 0; done < kills; done += episodeKills) {
    const name = `${(done / episodeKills) % 2 === 0 ? "bounded" : "unbounded"}-${done}`;
    test(name, { timeout: 120_000 }, async () => {
      await episode(name, isBounded(name) ? 2_500_000 : 2 ** 40);
    });
  }
});

test("content store: writers that are told to end leave nothing of their own", async () => {
  const dir = mkdtempSync(join(tmpdir(), "sky-chunks-"));
  const facts = new Facts();
  const writers = [1, 2].map((i) => startWriter(dir, `bounded-w${i}`, 2_500_000));
  await Promise.all(writers.map(({ opened }) => opened));
  for (const writer of writers) {
    await until("it has put something", () => /^put /m.test(saidBy(writer)));
  }
  for (const { process } of writers) process.stdin?.end();
  await Promise.all(writers.map(({ ended }) => ended));
  for (const { process } of writers) assert.equal(process.exitCode, 0);
  for (const writer of writers) hearAll(facts, writer);
  assert.deepEqual(readdirSync(join(dir, "incoming")), []);
  auditFolder(dir, 2_500_000);
  await using(dir, 2_500_000, (store) => auditFacts(store, facts, true));
  rmSync(dir, { recursive: true });
});
