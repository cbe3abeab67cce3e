// Several gateways in one process, joined by real TLS connections: what is sent arrives and is
// proven, what fails is named where it failed, and nobody waits for it.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { createStreamHub } from "../../../runtime/stream-memory.ts";
import {
  and,
  makeFiles,
  or,
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
const [a, b, c, d] = ["t/a", "t/b", "t/c", "t/d"] as const;
const sizes = [0, 1, 300_000, 3 * mib + 5, 6 * mib];

async function gateways(
  t: TestContext,
  names: readonly string[],
  change: Parameters<typeof startGateway>[2] = {},
): Promise<readonly TestGateway[]> {
  const folder = temporaryFolder(t);
  const started: TestGateway[] = [];
  for (const name of names) {
    started.push(await startGateway(name, join(folder, name.replace("/", "-")), change));
  }
  t.after(async () => {
    for (const { host } of started) await host.close();
  });
  return started;
}

const at = "to";

function demandWhole(gateway: TestGateway, folder: string, bytes: readonly Buffer[]): void {
  for (const [object, content] of bytes.entries()) {
    const path = join(gateway.home, folder, `a/b ${object}`);
    assert.ok(readFileSync(path).equals(content), `${path} is another`);
  }
}

function filesIn(folder: string): readonly string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: "utf8" }).sort();
}

/** Of a gateway's own. */
function demandNothing(folder: string): void {
  const left = filesIn(join(folder, "transfers")).filter((name) => name !== "locks");
  assert.deepEqual(left, []);
}

const direct = [
  program(a, read("read", send("send", b))),
  program(b, receive("in", [a], write("write", 0))),
];

test("files go from one gateway to another, plain within TLS", async (t) => {
  const [source, sink] = await gateways(t, [a, b]);
  assert.ok(source && sink);
  const { objects, bytes } = await makeFiles(source, sizes);
  const round = new TestRound({
    ...{ t, gateways: [source, sink] },
    programs: direct,
    begin: { folders: ["to"] },
  });
  await round.begin();
  await round.tell(objects);
  await round.done();
  assert.deepEqual(round.failed, []);
  demandWhole(sink, at, bytes);
  const read = round
    .head(a)
    .all("read")
    .flatMap((word) => word.objects);
  assert.equal(read.length, sizes.length);
  assert.deepEqual(digestsOf(round.wrote), digestsOf(read));
  await round.stop("remove");
  for (const { folder } of [source, sink]) demandNothing(folder);
  assert.equal(filesIn(join(sink.home, at)).length, sizes.length + 1);
});

test("gateways of one process send to each other without a wire", async (t) => {
  const [source, sink] = await gateways(t, [a, b], { near: createStreamHub() });
  assert.ok(source && sink);
  const { objects, bytes } = await makeFiles(source, sizes);
  let onWire = 0;
  const round = new TestRound({
    ...{ t, gateways: [source, sink] },
    programs: direct,
    begin: { folders: ["to"] },
    change: (part) => {
      onWire += part.length;
    },
  });
  await round.begin();
  await round.tell(objects);
  await round.done();
  assert.deepEqual(round.failed, []);
  demandWhole(sink, at, bytes);
  await round.stop("remove");
  assert.equal(onWire, 0);
});

test("two relays share the chunks, and neither has the key", async (t) => {
  const all = await gateways(t, [a, b, c, d]);
  const [source, , , sink] = all;
  assert.ok(source && sink);
  const { objects, bytes } = await makeFiles(source, sizes);
  const key = randomBytes(32).toString("base64");
  const relay = (name: string) => program(name, receive("in", [a], send("on", d)));
  const round = new TestRound({
    ...{ t, gateways: all },
    programs: [
      program(a, read("read", or("any", send("s", b), send("t", c)))),
      ...[relay(b), relay(c)],
      program(d, receive("in", [b, c], write("write", 0))),
    ],
    begin: { folders: ["to"], key },
  });
  await round.begin();
  await round.tell(objects);
  await round.done();
  for (const name of [b, c]) {
    const count = round.head(name).all("metrics").length;
    const more = () => round.head(name).all("metrics").length > count;
    await round.head(name).until("its metrics are of now", more);
  }
  assert.deepEqual(round.failed, []);
  demandWhole(sink, at, bytes);
  const moved = [b, c].map((name) => {
    const metrics = round.head(name).all("metrics").at(-1)?.metrics;
    return metrics?.operators.find(({ handle }) => handle === "on")?.bytes ?? 0;
  });
  assert.ok(moved.reduce((sum, one) => sum + one, 0) > 9 * mib, `they have forwarded: ${moved}`);
  await round.stop("remove");
  for (const { folder } of all) demandNothing(folder);
});

test("a tree: what a gateway writes it also sends on, and the source sends it once", async (t) => {
  const all = await gateways(t, [a, b, c]);
  const [source, near, far] = all;
  assert.ok(source && near && far);
  const { objects, bytes } = await makeFiles(source, sizes, 2);
  const round = new TestRound({
    ...{ t, gateways: all },
    programs: [
      program(a, read("read", send("send", b))),
      program(b, receive("in", [a], and("both", write("write", 0), send("on", c)))),
      program(c, receive("in", [b], write("write", 1))),
    ],
    begin: { folders: ["to", "there"], key: randomBytes(32).toString("base64") },
  });
  await round.begin();
  await round.tell(objects);
  await round.done();
  assert.deepEqual(round.failed, []);
  demandWhole(near, at, bytes);
  demandWhole(far, "there", bytes);
  const total = bytes.reduce((sum, { length }) => sum + length, 0);
  const metrics = round.head(a).all("metrics").at(-1)?.metrics;
  const sent = metrics?.operators.find(({ handle }) => handle === "send")?.bytes ?? 0;
  assert.ok(sent < total * 1.1, `${sent} bytes were sent of ${total}`);
  await round.stop("remove");
});

test("one gateway writes two destinations, and measures with a third", async (t) => {
  const [source, sink] = await gateways(t, [a, b]);
  assert.ok(source && sink);
  const { objects, bytes } = await makeFiles(source, sizes, 3);
  const [skipped] = objects;
  assert.ok(skipped);
  const gone = { op: "discard", handle: "gone", destination: 2 } as const;
  const round = new TestRound({
    ...{ t, gateways: [source, sink] },
    programs: [
      program(a, read("read", send("send", b))),
      program(b, receive("in", [a], and("all", write("w", 0), write("v", 1), gone))),
    ],
    begin: { folders: ["to", "other", null] },
  });
  await round.begin();
  // One of them has the first object already.
  await round.tell([{ ...skipped, targets: ["a/b 0", null, ""] }, ...objects.slice(1)]);
  await round.done();
  assert.deepEqual(round.failed, []);
  assert.equal(round.wrote.length, 3 * objects.length - 1);
  demandWhole(sink, at, bytes);
  assert.ok(!existsSync(join(sink.home, "other/a/b 0")));
  assert.ok(readFileSync(join(sink.home, "other/a/b 4")).equals(bytes[4] ?? Buffer.of()));
  const metrics = round.head(b).all("metrics");
  const arrived = (): number | undefined =>
    metrics.at(-1)?.metrics.operators.find(({ handle }) => handle === "gone")?.objects;
  assert.ok((arrived() ?? 0) <= objects.length);
  await round.stop("remove");
});

test("stripes go different ways, and what the source has is written there too", async (t) => {
  const all = await gateways(t, [a, b, c]);
  const [source, , sink] = all;
  assert.ok(source && sink);
  const { objects, bytes } = await makeFiles(source, sizes, 2);
  const stripe = (number: number, to: string) =>
    read(`read${number}`, and(`both${number}`, write(`w${number}`, 1), send(`s${number}`, to)));
  const round = new TestRound({
    ...{ t, gateways: all },
    programs: [
      program(a, stripe(0, b), stripe(1, c)),
      {
        ...{ gateway: b, stripes: 2 },
        partitions: [{ stripe: 0, root: receive("in", [a], send("on", c)) }],
      },
      program(c, receive("in0", [b], write("v0", 0)), receive("in1", [a], write("v1", 0))),
    ],
    begin: { folders: ["to", "copy"], key: randomBytes(32).toString("base64") },
  });
  await round.begin();
  await round.tell(objects);
  await round.done();
  assert.deepEqual(round.failed, []);
  demandWhole(sink, at, bytes);
  demandWhole(source, "copy", bytes);
  await round.stop("remove");
});

test("what a destination refuses and what a source has lost is named", async (t) => {
  const [source, sink] = await gateways(t, [a, b]);
  assert.ok(source && sink);
  const { objects, bytes } = await makeFiles(source, [3 * mib, 3 * mib, 5, 3 * mib, 7]);
  const [fine, escapes, changed, gone, small] = objects;
  assert.ok(fine && escapes && changed && gone && small);
  writeFileSync(join(source.home, changed.source), "other");
  const round = new TestRound({
    ...{ t, gateways: [source, sink] },
    programs: direct,
    begin: { folders: ["to"] },
  });
  await round.begin();
  await round.tell([
    { ...escapes, targets: ["../out"] },
    changed,
    { ...gone, source: "from/none" },
    fine,
    { ...small, targets: ["deep/x/"] },
  ]);
  await round.head(a).until("the source is done", () => round.head(a).all("done").length === 1);
  // What a head does when a reader failed.
  await round.head(b).say({ kind: "forget", objects: [changed.object, gone.object] });
  await round.done();
  assert.deepEqual([...round.failed].sort(), [
    `${a} ${changed.object} - read objects/changed`,
    `${a} ${gone.object} - read objects/no-object`,
    `${b} ${escapes.object} 0 write objects/refused`,
    `${b} ${small.object} 0 write objects/refused`,
  ]);
  assert.ok(readFileSync(join(sink.home, "to/a/b 0")).equals(bytes[0] ?? Buffer.of()));
  await round.stop("remove");
  assert.deepEqual(filesIn(join(sink.home, at)), ["a", "a/b 0"]);
});

test("what one destination refuses, the others get", async (t) => {
  const all = await gateways(t, [a, b, c]);
  const [source, near, far] = all;
  assert.ok(source && near && far);
  const { objects, bytes } = await makeFiles(source, [4 * mib, 5, 300_000], 2);
  const round = new TestRound({
    ...{ t, gateways: all },
    programs: [
      program(a, read("read", and("both", send("s", b), send("t", c)))),
      program(b, receive("in", [a], write("write", 0))),
      program(c, receive("in", [a], write("write", 1))),
    ],
    begin: { folders: ["to", "there"] },
  });
  await round.begin();
  await round.tell(
    objects.map((one) => (one.object < 2 ? { ...one, targets: ["../x", `x${one.object}`] } : one)),
  );
  await round.done();
  assert.deepEqual([...round.failed].sort(), [
    `${b} 0 0 write objects/refused`,
    `${b} 1 0 write objects/refused`,
  ]);
  assert.equal(round.wrote.filter(({ destination }) => destination === 1).length, 3);
  assert.ok(readFileSync(join(far.home, "there/a/b 2")).equals(bytes[2] ?? Buffer.of()));
  await round.stop("remove");
  assert.deepEqual(filesIn(join(near.home, at)), ["a", "a/b 2"]);
});

test("a head that is killed leaves what the next round goes on with", async (t) => {
  const [source, sink] = await gateways(t, [a, b]);
  assert.ok(source && sink);
  const { objects, bytes } = await makeFiles(source, [40 * mib]);
  const limits = { memoryBytes: 64 * mib, diskBytes: 64 * mib };
  const transfer = randomBytes(16).toString("hex");
  const usual = { t, gateways: [source, sink], programs: direct };
  const first = new TestRound({
    ...usual,
    begin: { folders: ["to"], transfer, limits: { ...limits, bytesPerSecond: 20 * mib } },
  });
  await first.begin();
  await first.tell(objects);
  const written = (round: TestRound): number =>
    round
      .head(b)
      .all("metrics")
      .at(-1)
      ?.metrics.operators.find((one) => one.handle === "write")?.bytes ?? 0;
  await first.head(b).until("a part of it is there", () => written(first) > 8 * mib);
  await first.cut();
  const second = new TestRound({
    ...usual,
    begin: { folders: ["to"], transfer, limits, round: 2 },
  });
  await second.begin();
  await second.tell(objects);
  await second.done();
  demandWhole(sink, at, bytes);
  assert.ok(written(second) < 36 * mib, "what was there did not come again");
  await second.stop("remove");
  assert.equal(filesIn(join(sink.home, at)).length, 2);
});

test("connections that are cut and bytes that are changed cost time alone", async (t) => {
  const [source, sink] = await gateways(t, [a, b]);
  assert.ok(source && sink);
  const { objects, bytes } = await makeFiles(source, [12 * mib, 12 * mib, 100]);
  const round = new TestRound({
    ...{ t, gateways: [source, sink] },
    programs: direct,
    begin: {
      folders: ["to"],
      limits: { memoryBytes: 64 * mib, diskBytes: 1, bytesPerSecond: 24 * mib },
    },
  });
  await round.begin();
  await round.tell(objects);
  const arrived = (): number =>
    round
      .head(b)
      .all("metrics")
      .at(-1)
      ?.metrics.operators.find((one) => one.handle === "write")?.bytes ?? 0;
  const proxy = round.proxies.get(a);
  assert.ok(proxy);
  await round.head(b).until("something has come", () => arrived() > mib);
  proxy.corrupt();
  await round.head(b).until("more has come", () => arrived() > 8 * mib);
  assert.ok(proxy.cut() > 0);
  await round.done();
  assert.deepEqual(round.failed, []);
  demandWhole(sink, at, bytes);
  await round.stop("remove");
});

test("a destination that cannot be written to is told, and nothing waits", async (t) => {
  const [source, sink] = await gateways(t, [a, b]);
  assert.ok(source && sink);
  const { objects } = await makeFiles(source, [5 * mib, 10]);
  mkdirSync(join(sink.home, at));
  writeFileSync(join(sink.home, at, "a"), "a file where a folder should be");
  chmodSync(join(sink.home, at, "a"), 0o400);
  const round = new TestRound({
    ...{ t, gateways: [source, sink] },
    programs: direct,
    begin: { folders: ["to"] },
  });
  await round.begin();
  await round.tell(objects);
  await round.done();
  assert.deepEqual([...round.failed].sort(), [
    `${b} 0 0 write objects/refused`,
    `${b} 1 0 write objects/refused`,
  ]);
  await round.stop("remove");
  assert.deepEqual(filesIn(join(sink.home, at)), ["a"]);
});
