// What was packed before is not read again: as long as it looks the same, and its chunks are there.

import assert from "node:assert/strict";
import {
  chmodSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { Task } from "../../model/task.ts";
import { createMemoryLog } from "../../runtime/log-memory.ts";
import type { SourceMemory } from "../../scheduler/source-memory.ts";
import { createSourceMemory } from "../../scheduler/source-memory.ts";
import { openSourceMemory } from "../../scheduler/source-memory-os.ts";
import { openWorkdirs } from "../../scheduler/workdirs-os.ts";
import {
  createMemoryContentStore,
  MemoryContentDisk,
} from "../../transfer/chunks/content-store-memory.ts";
import { ContentCutter } from "../../transfer/chunks/cut-content.ts";
import { createInlineWork } from "../../transfer/chunks/work-inline.ts";
import type { TreeReading } from "../../transfer/tree/reading.ts";
import { createInlineReading } from "../../transfer/tree/reading-inline-os.ts";
import { tickMs } from "../../transfer/tree/stamp.ts";
import { shownBoard } from "../support/board.ts";
import { noise } from "../support/noise.ts";
import { fc } from "../support/property.ts";
import { type SownEntries, sow } from "../support/trees.ts";
import { until } from "../support/until.ts";

const mib = 1024 * 1024;
const plain: Task = {
  ...{ numNodes: 1, resources: {}, envs: {}, secrets: {}, priority: 0, maxRestarts: 0 },
};

/** What was read of the last tree, region by region, in bytes. */
interface Seen {
  kind: string;
  description: number;
  small: number;
  large: number;
  reused: number;
}

function watched(): { readonly reading: TreeReading; readonly seen: () => Seen } {
  const inner = createInlineReading({ newCutter: () => new ContentCutter() });
  const none = { kind: "", description: 0, small: 0, large: 0, reused: 0 };
  let seen: Seen = { ...none };
  const reading: TreeReading = {
    close: () => inner.close(),
    read: async (request, sink, signal) => {
      seen = { ...none };
      const counting = {
        chunk: (region: "description" | "small" | "large", bytes: Uint8Array) => {
          seen[region] += bytes.length;
          return sink.chunk(region, bytes);
        },
        reuse: (file: string) => {
          seen.reused += 1;
          sink.reuse(file);
        },
        takeBack: (chunks: number) => sink.takeBack(chunks),
      };
      const outcome = await inner.read(request, counting, signal);
      seen.kind = outcome.kind;
      return outcome;
    },
  };
  return { reading, seen: () => seen };
}

async function stage(context: TestContext, memory: SourceMemory = createSourceMemory()) {
  const root = mkdtempSync(join(tmpdir(), "sky-memory-"));
  context.after(() => rmSync(root, { recursive: true, force: true }));
  const disk = new MemoryContentDisk();
  const { reading, seen } = watched();
  const open = (remembered: SourceMemory) =>
    openWorkdirs({
      ...{ cluster: "demo", dir: `${root}/copies`, board: shownBoard(), log: createMemoryLog() },
      chunks: createMemoryContentStore({ disk }),
      work: createInlineWork(),
      ...{ reading, memory: remembered, recorded: async () => new Map() },
    });
  const workdirs = await open(memory);
  const task = { ...plain, workdir: `${root}/user` };
  const digestBy = async (by: typeof workdirs): Promise<string> => {
    const snapshots = await by.snapshot([task]);
    await by.assign(snapshots, []);
    return snapshots[0]?.workdir?.tree.digest ?? "";
  };
  return {
    ...{ root, disk, seen, open, digestBy },
    digest: () => digestBy(workdirs),
    /** By somebody who remembers nothing. */
    anew: async () => digestBy(await open(createSourceMemory())),
  };
}

function files(): SownEntries {
  return [
    ["one", { kind: "file", content: "1" }],
    ["large", { kind: "file", content: noise(7, 5 * mib) }],
    ["in", { kind: "folder", entries: [["two", { kind: "file", content: "22" }]] }],
    ["link", { kind: "link", target: "in/two" }],
  ];
}

test("what looks the same is not read again, whoever submits it", async (context) => {
  const memory = createSourceMemory();
  const here = await stage(context, memory);
  sow(`${here.root}/user`, files());
  const first = await here.digest();
  assert.equal(here.seen().kind, "read");
  const count = here.disk.chunks.size;
  assert.equal(await here.digest(), first);
  assert.equal(here.seen().kind, "same");
  const { description, small, large, reused } = here.seen();
  assert.deepEqual([description, small, large, reused], [0, 0, 0, 0]);
  assert.equal(await here.digestBy(await here.open(memory)), first);
  assert.equal(here.seen().kind, "same");
  assert.equal(here.disk.chunks.size, count);
});

test("any change shows, also one that keeps size and times", async (context) => {
  const here = await stage(context);
  const user = `${here.root}/user`;
  sow(user, files());
  const digests = new Set([await here.digest()]);
  const { mtimeNs, ino } = statSync(`${user}/in/two`, { bigint: true });
  const changes: readonly (() => void)[] = [
    () => {
      writeFileSync(`${user}/in/two`, "23");
      // As it was sown.
      utimesSync(`${user}/in/two`, 1_600_000_000, 1_600_000_000.123456);
      const after = statSync(`${user}/in/two`, { bigint: true });
      assert.deepEqual([after.mtimeNs, after.ino], [mtimeNs, ino]);
    },
    () => chmodSync(`${user}/one`, 0o600),
    () => utimesSync(`${user}/one`, 1, 1),
    () => renameSync(`${user}/one`, `${user}/other`),
    () => writeFileSync(`${user}/.gitignore`, "other\n"),
    () => {
      rmSync(`${user}/link`);
      symlinkSync("in/twö", `${user}/link`);
    },
    () => chmodSync(`${user}/in`, 0o700),
  ];
  for (const [index, change] of changes.entries()) {
    change();
    // What is so young is read again in any case.
    const changedAt = Date.now();
    await until("it is older", () => Date.now() - changedAt > 2 * tickMs);
    const digest = await here.digest();
    assert.equal(digest, await here.anew());
    digests.add(digest);
    assert.equal(digests.size, index + 2, `change ${index}`);
  }
});

test("beside a changed file, a large one that did not change is not read", async (context) => {
  const here = await stage(context);
  const user = `${here.root}/user`;
  sow(user, files());
  sow(user, [["zz-large", { kind: "file", content: noise(8, 3 * mib) }]]);
  await here.digest();
  const before = new Set(here.disk.chunks.keys());
  writeFileSync(`${user}/one`, "changed");
  const digest = await here.digest();
  const { kind, large, reused } = here.seen();
  assert.deepEqual([kind, large, reused], ["read", 0, 2]);
  assert.equal(digest, await here.anew());
  // The small files, the description, the root and the manifest; another digest, so all are new.
  const fresh = [...here.disk.chunks.keys()].filter((one) => !before.has(one));
  assert.ok(fresh.length >= 3 && fresh.length <= 4, `${fresh.length}`);

  appendTo(`${user}/large`);
  assert.equal(await here.digest(), await here.anew());
  writeFileSync(`${user}/one`, "again");
  await here.digest();
  assert.equal(here.seen().reused, 2);
});

function appendTo(path: string): void {
  writeFileSync(path, Buffer.concat([readFileSync(path), Buffer.from("more")]));
}

test("what is missing in the store is read and stored again", async (context) => {
  const here = await stage(context);
  sow(`${here.root}/user`, files());
  const digest = await here.digest();
  const chunks = new Map(here.disk.chunks);
  for (const lacking of chunks.keys()) {
    here.disk.chunks.delete(lacking);
    assert.equal(await here.digest(), digest);
    assert.equal(here.seen().kind, "read");
    assert.deepEqual([...here.disk.chunks.keys()].sort(), [...chunks.keys()].sort());
    assert.equal(await here.digest(), digest);
    assert.equal(here.seen().kind, "same");
  }
});

test("a later head knows what an earlier one packed; a damaged file is none", async (context) => {
  const log = createMemoryLog();
  const dir = mkdtempSync(join(tmpdir(), "sky-memory-file-"));
  context.after(() => rmSync(dir, { recursive: true, force: true }));
  const path = `${dir}/head/sources.json`;
  const first = openSourceMemory({ path, log });
  const here = await stage(context, first);
  sow(`${here.root}/user`, files());
  const digest = await here.digest();
  await first.close();
  assert.equal(statSync(path).mode & 0o777, 0o600);
  const kindBy = async (): Promise<string> => {
    const memory = openSourceMemory({ path, log });
    assert.equal(await here.digestBy(await here.open(memory)), digest);
    await memory.close();
    return here.seen().kind;
  };
  assert.equal(await kindBy(), "same");
  const whole = readFileSync(path, "utf8");
  const damages = [
    ...["", whole.slice(0, -3), "[]", whole.replace('"version":1', '"version":2')],
    whole.replace('"from":', '"from":-'),
  ];
  for (const damage of damages) {
    writeFileSync(path, damage);
    assert.equal(await kindBy(), "read", damage.slice(0, 60));
    assert.equal(await kindBy(), "same");
  }
});

const name = fc.constantFrom("a", "b", "c", "d/a", "d/b");
const change = fc.oneof(
  fc.record({ kind: fc.constant("write" as const), name, text: fc.constantFrom("1", "2", "33") }),
  fc.record({ kind: fc.constant("keep-time" as const), name, text: fc.constantFrom("1", "2") }),
  fc.record({ kind: fc.constant("remove" as const), name }),
  fc.record({ kind: fc.constant("move" as const), name, to: name }),
  fc.record({ kind: fc.constant("large" as const), name, seed: fc.nat(3) }),
  fc.record({ kind: fc.constant("submit" as const) }),
);

test("a property: who remembers packs the same tree as who does not", async (context) => {
  const here = await stage(context);
  let count = 0;
  const act = (user: string, one: typeof change extends fc.Arbitrary<infer C> ? C : never) => {
    if (one.kind === "submit") return;
    const path = `${user}/${one.name}`;
    const found = statSync(path, { throwIfNoEntry: false });
    if (one.kind === "write" || one.kind === "keep-time") writeFileSync(path, one.text);
    if (one.kind === "keep-time" && found) utimesSync(path, found.atime, found.mtime);
    if (one.kind === "large") writeFileSync(path, noise(one.seed, mib + one.seed));
    if (one.kind === "remove") rmSync(path, { force: true });
    if (one.kind === "move" && found) renameSync(path, `${user}/${one.to}`);
  };
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 2, maxLength: 8 }), async (changes) => {
      count += 1;
      const user = `${here.root}/user`;
      rmSync(user, { recursive: true, force: true });
      sow(user, [["d", { kind: "folder", entries: [] }]]);
      for (const one of changes) {
        act(user, one);
        assert.equal(await here.digest(), await here.anew());
      }
    }),
    { numRuns: 25 },
  );
  assert.ok(count >= 25);
});
