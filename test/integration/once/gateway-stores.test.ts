// Object stores as ends of a gateway: what is read and written by parts is proven, what passes is
// tried again, what does not is named at once, and no upload outlives the transfer.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { SkyError } from "../../../model/errors.ts";
import { cutRuleOf } from "../../../transfer/chunks/cut.ts";
import type { GatewayObject } from "../../../transfer/gateway/orders.ts";
import type { Branch, Leaf, Root } from "../../../transfer/gateway/program.ts";
import { storeLimits } from "../../../transfer/stores/limits.ts";
import type { OpenStore } from "../../../transfer/stores/object-store.ts";
import { createMemoryObjectStore, MemoryCloud } from "../../../transfer/stores/store-memory.ts";
import {
  makeFiles,
  program,
  read,
  receive,
  send,
  TestRound,
  write,
} from "../../support/gateway-rounds.ts";
import {
  digestsOf,
  startGateway,
  type TestGateway,
  temporaryFolder,
} from "../../support/gateways.ts";

const mib = 1024 ** 2;
const [a, b] = ["t/a", "t/b"] as const;
const sizes = [0, 1, 300_000, 6 * mib, 11 * mib + 7];
const stores: readonly OpenStore[] = [
  { bucket: { store: "s3", bucket: "from" }, credentials: {} },
  { bucket: { store: "s3", bucket: "to" }, credentials: {} },
];
const cut = cutRuleOf([storeLimits.s3]) ?? {};

const readStore = (...children: Branch[]): Root => ({
  ...{ op: "read_object_store", handle: "get", store: 0, connections: 8, children },
});
const writeStore: Leaf = {
  ...{ op: "write_object_store", handle: "put", store: 1, destination: 0, connections: 8 },
};

type Fault = (call: string, key: string) => Promise<void> | void;

class Stage {
  readonly cloud = new MemoryCloud();
  readonly calls: string[] = [];
  fault: Fault = () => {};
  readonly gateways: TestGateway[] = [];

  constructor() {
    for (const { bucket } of stores) this.cloud.add(bucket.bucket);
  }

  async start(t: TestContext, names: readonly string[]): Promise<void> {
    const folder = temporaryFolder(t);
    const openStore = async ({ bucket }: OpenStore) =>
      createMemoryObjectStore({
        ...{ bucket, cloud: this.cloud },
        before: async (call, key) => {
          this.calls.push(call);
          await this.fault(call, key);
        },
      });
    for (const name of names) {
      const change = { openStore };
      this.gateways.push(await startGateway(name, join(folder, name.replace("/", "-")), change));
    }
    t.after(async () => {
      for (const { host } of this.gateways) await host.close();
    });
  }

  get first(): TestGateway {
    const [first] = this.gateways;
    assert.ok(first);
    return first;
  }

  objects(bucket: string): ReadonlyMap<string, Uint8Array> {
    const kept = this.cloud.buckets.get(bucket)?.objects ?? new Map();
    return new Map([...kept].map(([key, { bytes }]) => [key, bytes]));
  }

  get uploads(): number {
    return this.cloud.buckets.get("to")?.uploads.size ?? 0;
  }

  /** Objects in `from`, as they are listed. */
  async fill(contents: readonly Buffer[]): Promise<readonly GatewayObject[]> {
    const [from] = stores;
    assert.ok(from);
    const store = createMemoryObjectStore({ bucket: from.bucket, cloud: this.cloud });
    const { signal } = new AbortController();
    return await Promise.all(
      contents.map(async (content, object) => {
        const attributes = { contentType: "text/x-test", metadata: { "skylet-mode": "0600" } };
        const key = `k/ä ${object}`;
        const version = await store.put(key, Uint8Array.from(content), { attributes, signal });
        const bytes = content.length;
        return { object, source: key, bytes, version, attributes, targets: [`n/${object}`] };
      }),
    );
  }

  demandCopied(contents: readonly Buffer[], nameOf: (object: number) => string): void {
    const kept = this.objects("to");
    for (const [object, content] of contents.entries()) {
      assert.ok(content.equals(kept.get(nameOf(object)) ?? Buffer.from("none")), `${object}`);
    }
  }
}

const alone = [program(a, readStore(writeStore))];

async function run(stage: Stage, t: TestContext, more: Partial<RoundSetup>): Promise<TestRound> {
  const { programs = alone, objects = [], begin = {} } = more;
  const { gateways } = stage;
  const round = new TestRound({
    ...{ t, gateways, programs },
    begin: { stores, cut, folders: [null], ...begin },
  });
  await round.begin();
  await round.tell(objects);
  return round;
}

interface RoundSetup {
  readonly programs: ConstructorParameters<typeof TestRound>[0]["programs"];
  readonly objects: readonly GatewayObject[];
  readonly begin: NonNullable<ConstructorParameters<typeof TestRound>[0]["begin"]>;
}

test("a bucket becomes another, a folder, and objects have their attributes", async (t) => {
  const stage = new Stage();
  await stage.start(t, [a]);
  const contents = sizes.map((size) => randomBytes(size));
  const objects = await stage.fill(contents);
  const round = await run(stage, t, { objects });
  await round.done();
  assert.deepEqual(round.failed, []);
  stage.demandCopied(contents, (object) => `n/${object}`);
  const read = round
    .head(a)
    .all("read")
    .flatMap((word) => word.objects);
  assert.deepEqual(digestsOf(round.wrote), digestsOf(read));
  assert.ok(round.wrote.every(({ proof }) => proof === "store"));
  const [kept] = valuesOf(stage.cloud.buckets.get("to")?.objects.values());
  assert.equal(kept?.attributes.contentType, "text/x-test");
  await round.stop("remove");
  assert.equal(stage.uploads, 0);

  const down = await run(stage, t, {
    ...{ objects, programs: [program(a, readStore(write("write", 0)))] },
    begin: { folders: ["down"] },
  });
  await down.done();
  assert.deepEqual(down.failed, []);
  for (const [object, content] of contents.entries()) {
    const path = join(stage.first.home, "down/n", `${object}`);
    assert.ok(readFileSync(path).equals(content));
    assert.equal(statSync(path).mode & 0o777, 0o600);
  }
  await down.stop("remove");
});

function valuesOf<T>(values: Iterable<T> | undefined): readonly T[] {
  return [...(values ?? [])];
}

test("files of one gateway become objects at another, with their modes and types", async (t) => {
  const stage = new Stage();
  await stage.start(t, [a, b]);
  const { objects, bytes } = await makeFiles(stage.first, sizes);
  const round = await run(stage, t, {
    objects: objects.map((object) => ({ ...object, targets: [`x/${object.object}.html`] })),
    programs: [
      program(a, read("read", send("send", b))),
      program(b, receive("in", [a], writeStore)),
    ],
  });
  await round.done();
  assert.deepEqual(round.failed, []);
  stage.demandCopied(bytes, (object) => `x/${object}.html`);
  const kept = stage.cloud.buckets.get("to")?.objects.get("x/4.html")?.attributes;
  assert.equal(kept?.metadata?.["skylet-mode"], "0640");
  assert.match(kept?.contentType ?? "", /text\/html/);
  await round.stop("remove");
  assert.equal(stage.uploads, 0);
});

test("what may pass is tried again; what may not is named and aborted at once", async (t) => {
  const stage = new Stage();
  await stage.start(t, [a]);
  const contents = [20 * mib, 20 * mib, 40, 40, 20 * mib].map((size) => randomBytes(size));
  const objects = await stage.fill(contents);
  const [fine, denied, gone, changed, late] = objects;
  assert.ok(fine && denied && gone && changed && late);
  let flaws = 0;
  stage.fault = (call, key) => {
    const fails = (call === "get" || call === "putPart") && flaws < 5;
    if (fails) {
      flaws += 1;
      throw new SkyError("objects/failed", { object: key, why: "503" });
    }
    if (call === "putPart" && key === "n/1") {
      throw new SkyError("objects/denied", { object: key, why: "no" });
    }
  };
  const round = await run(stage, t, {
    objects: [
      ...[fine, denied, { ...gone, source: "none" }, { ...changed, version: "0" }],
      { ...late, bytes: late.bytes + 1 },
    ],
  });
  await round.done();
  assert.equal(flaws, 5);
  const failed = [...round.failed].sort();
  assert.deepEqual(failed, [
    `${a} 1 0 put objects/denied`,
    `${a} 2 - get objects/no-object`,
    `${a} 3 - get objects/changed`,
    `${a} 4 - get objects/changed`,
  ]);
  assert.ok((stage.objects("to").get("n/0")?.length ?? 0) === 20 * mib);
  assert.equal(stage.uploads, 0);
  await round.stop("remove");
});

test("an upload is gone on with by the next round, or given up with the transfer", async (t) => {
  const stage = new Stage();
  await stage.start(t, [a]);
  const contents = [40 * mib].map((size) => randomBytes(size));
  const objects = await stage.fill(contents);
  const transfer = randomBytes(16).toString("hex");
  const limits = { memoryBytes: 64 * mib, diskBytes: 1 };
  const slow = { transfer, limits: { ...limits, bytesPerSecond: 24 * mib } };
  const puts = (): number => stage.calls.filter((call) => call === "putPart").length;
  const first = await run(stage, t, { objects, begin: slow });
  await first.head(a).until("parts are there", () => puts() >= 3);
  assert.equal(first.head(a).all("upload")[0]?.upload.key, "n/0");
  await first.cut();
  assert.equal(stage.uploads, 1);

  const before = puts();
  const second = await run(stage, t, { objects, begin: { transfer, limits, round: 2 } });
  await second.done();
  assert.deepEqual(second.failed, []);
  assert.equal(second.head(a).all("upload").length, 0);
  assert.ok(puts() - before < 6, "parts that were there were not put again");
  stage.demandCopied(contents, (object) => `n/${object}`);
  await second.stop("remove");

  const third = { ...slow, transfer: randomBytes(16).toString("hex") };
  const given = await run(stage, t, { objects, begin: third });
  const again = puts();
  await given.head(a).until("parts are there", () => puts() >= again + 2);
  await given.cut();
  assert.equal(stage.uploads, 1);
  const last = await run(stage, t, { begin: { ...third, round: 2 } });
  await last.stop("remove");
  assert.equal(stage.uploads, 0);
  assert.ok(!existsSync(join(stage.first.folder, "transfers", third.transfer)));
});

test("a bucket that is gone ends all that is left to it", async (t) => {
  const stage = new Stage();
  await stage.start(t, [a]);
  const objects = await stage.fill([randomBytes(10), randomBytes(20 * mib)]);
  stage.cloud.buckets.delete("to");
  const round = await run(stage, t, { objects });
  await round.done();
  assert.ok(round.failed.includes(`${a} - 0 put objects/no-bucket`), String(round.failed));
  await round.stop("remove");
});

test("what a store keeps otherwise than it was given is found where it is read back", async (t) => {
  const stage = new Stage();
  await stage.start(t, [a]);
  const contents = [40, 12 * mib, 3 * mib].map((size) => randomBytes(size));
  const objects = await stage.fill(contents);
  const rotten = new Set(["n/0", "n/1"]);
  stage.fault = (call, key) => {
    if (call === "head" && rotten.delete(key)) stage.cloud.damage("to", key);
  };
  const round = await run(stage, t, { objects, begin: { verify: "read" } });
  await round.done();
  assert.deepEqual([...round.failed].sort(), [
    `${a} 0 0 put objects/damaged`,
    `${a} 1 0 put objects/damaged`,
  ]);
  assert.ok(
    round
      .head(a)
      .all("failed")
      .every(({ error }) => error.retry),
  );
  await round.stop("remove");
  assert.equal(stage.uploads, 0);

  stage.fault = () => {};
  const again = await run(stage, t, { objects, begin: { verify: "read" } });
  await again.done();
  assert.deepEqual(again.failed, []);
  stage.demandCopied(contents, (object) => `n/${object}`);
  const down = await run(stage, t, {
    ...{ objects, programs: [program(a, readStore(write("write", 0)))] },
    begin: { folders: ["down"], verify: "read" },
  });
  await down.done();
  assert.deepEqual(down.failed, []);
});

test("an upload that somebody else has given up is begun anew by another round", async (t) => {
  const stage = new Stage();
  await stage.start(t, [a]);
  const contents = [40 * mib].map((size) => randomBytes(size));
  const objects = await stage.fill(contents);
  let puts = 0;
  stage.fault = (call) => {
    if (call !== "putPart") return;
    puts += 1;
    if (puts === 3) stage.cloud.buckets.get("to")?.uploads.clear();
  };
  const transfer = randomBytes(16).toString("hex");
  const first = await run(stage, t, { objects, begin: { transfer } });
  await first.done();
  assert.deepEqual(first.failed, [`${a} 0 0 put objects/failed`]);
  assert.ok(first.head(a).all("failed")[0]?.error.retry);
  await first.stop("keep");
  const second = await run(stage, t, { objects, begin: { transfer, round: 2 } });
  await second.done();
  assert.deepEqual(second.failed, []);
  stage.demandCopied(contents, (object) => `n/${object}`);
  await second.stop("remove");
  assert.equal(stage.uploads, 0);
});
