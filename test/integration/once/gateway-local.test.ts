// One gateway: files of a node become files of the same node, or nothing at all, to measure.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import type { GatewayObject } from "../../../transfer/gateway/orders.ts";
import type { Program } from "../../../transfer/gateway/program.ts";
import { fileVersion } from "../../../transfer/stores/file-version.ts";
import {
  beginsOf,
  ControlledGateway,
  digestsOf,
  startGateway,
  type TestGateway,
  temporaryFolder,
} from "../../support/gateways.ts";

const name = "alone/n0";
const copying: Program = {
  ...{ gateway: name, stripes: 1 },
  partitions: [
    {
      stripe: 0,
      root: {
        ...{ op: "read_local", handle: "read" },
        children: [{ op: "write_local", handle: "write", destination: 0 }],
      },
    },
  ],
};

interface Made {
  readonly gateway: TestGateway;
  readonly objects: readonly GatewayObject[];
  readonly bytes: readonly Buffer[];
}

/** A gateway whose HOME has files of these sizes in `from`. */
async function made(folder: string, sizes: readonly number[]): Promise<Made> {
  const gateway = await startGateway(name, folder);
  const from = join(gateway.home, "from");
  mkdirSync(from, { recursive: true });
  const bytes = sizes.map((size) => randomBytes(size));
  const objects: GatewayObject[] = [];
  for (const [object, content] of bytes.entries()) {
    const path = join(from, `f ${object}`);
    writeFileSync(path, content);
    objects.push(await told(object, `from/f ${object}`, path));
  }
  return { gateway, objects, bytes };
}

async function told(object: number, source: string, path: string): Promise<GatewayObject> {
  const found = await stat(path, { bigint: true });
  return {
    ...{ object, source, bytes: Number(found.size), version: fileVersion(found) },
    ...{ modifiedMs: Number(found.mtimeMs), mode: 0o640, targets: [`a/b ${object}`] },
  };
}

function left(folder: string): readonly string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: "utf8" }).sort();
}

const mib = 1024 ** 2;

test("files of a node become files of it, proven and with their modes", async (t) => {
  const sizes = [0, 1, 5 * mib + 3, 33 * mib, 70_000];
  const { gateway, objects, bytes } = await made(temporaryFolder(t), sizes);
  const begin = await beginsOf([name], { folders: ["to/here"] });
  const head = new ControlledGateway(gateway);
  await head.say(begin(name, copying));
  await head.tell(objects);
  await head.say({ kind: "objects-end" });
  await head.until("all is done", () => head.all("done").length === 1);
  const read = digestsOf(head.all("read").flatMap((word) => word.objects));
  const wrote = head.all("wrote").flatMap((word) => word.objects);
  assert.equal(wrote.length, sizes.length);
  assert.deepEqual(digestsOf(wrote), read);
  assert.ok(
    wrote.every(({ proof, bytes: size, object }) => proof === "file" && size === sizes[object]),
  );
  for (const [object, content] of bytes.entries()) {
    const path = join(gateway.home, "to/here/a", `b ${object}`);
    assert.ok(readFileSync(path).equals(content), path);
    assert.equal(statSync(path).mode & 0o777, 0o640);
    assert.equal(Math.round(statSync(path).mtimeMs), Math.round(objects[object]?.modifiedMs ?? 0));
  }
  await head.stop("remove");
  assert.equal(left(join(gateway.home, "to")).length, 2 + sizes.length);
  assert.deepEqual(left(join(gateway.folder, "transfers")), ["locks"]);
  assert.deepEqual(gateway.host.counts(), { transfers: 0, memoryBytes: 0, diskBytes: 0 });
});

test("a destination that is a link to a folder is that folder", async (t) => {
  const { gateway, objects, bytes } = await made(temporaryFolder(t), [0, 10, 3 * mib]);
  mkdirSync(join(gateway.home, "real/inner"), { recursive: true });
  symlinkSync("real", join(gateway.home, "to"));
  symlinkSync("inner", join(gateway.home, "real/within"));
  const head = new ControlledGateway(gateway);
  const begin = await beginsOf([name], { folders: ["to"] });
  await head.say(begin(name, copying));
  const keys = ["a", "within/b", "within/c"];
  await head.tell(objects.map((one, at) => ({ ...one, targets: [keys[at] ?? ""] })));
  await head.say({ kind: "objects-end" });
  await head.until("all is done", () => head.all("done").length === 1);
  assert.deepEqual(head.all("failed"), []);
  assert.ok(readFileSync(join(gateway.home, "real/inner/b")).equals(bytes[1] ?? Buffer.of()));
  assert.ok(readFileSync(join(gateway.home, "real/inner/c")).equals(bytes[2] ?? Buffer.of()));
  await head.stop("remove");
  const names = left(join(gateway.home, "real")).filter((one) => !one.startsWith("within/"));
  assert.deepEqual(names, ["a", "inner", "inner/b", "inner/c", "within"]);
});

test("what cannot be copied is named, and takes nothing from the others", async (t) => {
  const { gateway, objects, bytes } = await made(temporaryFolder(t), [10, 20, 30, 40, 50, 60]);
  const [fine, escapes, changed, gone, link, folder] = objects;
  assert.ok(fine && escapes && changed && gone && link && folder);
  mkdirSync(join(gateway.home, "outside"));
  mkdirSync(join(gateway.home, "to"));
  symlinkSync("../outside", join(gateway.home, "to/out"));
  appendFileSync(join(gateway.home, changed.source), "more");
  const head = new ControlledGateway(gateway);
  const begin = await beginsOf([name], { folders: ["to"] });
  await head.say(begin(name, copying));
  await head.tell([
    { ...escapes, targets: ["../x"] },
    changed,
    { ...gone, source: "from/none" },
    { ...link, targets: ["out/x"] },
    { ...folder, targets: ["x/"] },
    fine,
  ]);
  await head.say({ kind: "objects-end" });
  await head.until("all is done", () => head.all("done").length === 1);
  const failed = head.all("failed").map(({ object, destination, error, handle }) => {
    assert.ok(!error.retry);
    return `${object} ${destination ?? "-"} ${handle} ${error.code}`;
  });
  assert.deepEqual(failed.sort(), [
    `${escapes.object} 0 write objects/refused`,
    `${changed.object} - read objects/changed`,
    `${gone.object} - read objects/no-object`,
    `${link.object} 0 write objects/refused`,
    `${folder.object} 0 write objects/refused`,
  ]);
  assert.ok(readFileSync(join(gateway.home, "to/a/b 0")).equals(bytes[0] ?? Buffer.of()));
  await head.stop("remove");
  assert.deepEqual(left(join(gateway.home, "outside")), []);
  assert.deepEqual(left(join(gateway.home, "to")), ["a", "a/b 0", "out"]);
});

test("a round that is cut off keeps what it has, and the next one ends it", async (t) => {
  const { gateway, objects, bytes } = await made(temporaryFolder(t), [24 * mib, 3 * mib]);
  const limits = { memoryBytes: 64 * mib, diskBytes: 1, bytesPerSecond: 16 * mib };
  const begin = await beginsOf([name], { folders: ["to"], limits });
  const first = new ControlledGateway(gateway);
  await first.say(begin(name, copying));
  await first.tell(objects.slice(0, 1));
  const partial = (): string | undefined =>
    left(join(gateway.home, "to")).find((path) => path.endsWith("-partial"));
  const movedBytes = (head: ControlledGateway): number =>
    head
      .all("metrics")
      .at(-1)
      ?.metrics.operators.find(({ handle }) => handle === "write")?.bytes ?? 0;
  await first.until("a part of it is there", () => movedBytes(first) > 4 * mib);
  await first.cut();
  await first.until("nothing runs", () => gateway.host.counts().transfers === 0);
  assert.ok(partial());
  assert.ok(left(join(gateway.folder, "transfers")).length > 1);

  const second = new ControlledGateway(gateway);
  await second.say({ ...begin(name, copying), round: 2 });
  await second.tell(objects);
  await second.say({ kind: "objects-end" });
  await second.until("all is done", () => second.all("done").length === 1);
  assert.ok(movedBytes(second) < 27 * mib, "what was there was not written again");
  assert.ok(readFileSync(join(gateway.home, "to/a/b 0")).equals(bytes[0] ?? Buffer.of()));
  await second.stop("remove");
  assert.equal(partial(), undefined);
});

test("stop and remove leaves nothing of an object that is not whole", async (t) => {
  const { gateway, objects } = await made(temporaryFolder(t), [24 * mib]);
  const limits = { memoryBytes: 64 * mib, diskBytes: 1, bytesPerSecond: 8 * mib };
  const begin = await beginsOf([name], { folders: ["to/deep"], limits });
  const first = new ControlledGateway(gateway);
  await first.say(begin(name, copying));
  await first.tell(objects);
  await first.until("it has begun", () => left(join(gateway.home, "to")).length === 3);
  await first.stop("keep");
  assert.ok(left(join(gateway.home, "to")).some((path) => path.endsWith("-partial")));
  // A head that knows only that the transfer is given up.
  const second = new ControlledGateway(gateway);
  await second.say({ ...begin(name, copying), round: 2 });
  await second.stop("remove");
  assert.deepEqual(left(join(gateway.home, "to")), []);
  assert.deepEqual(left(join(gateway.folder, "transfers")), ["locks"]);
});

test("bytes are made and discarded; a program that cannot run is refused", async (t) => {
  const gateway = await startGateway(name, temporaryFolder(t));
  const begin = await beginsOf([name], { folders: [null] });
  const measured = (children: readonly object[]): Program =>
    ({
      ...{ gateway: name, stripes: 1 },
      partitions: [
        { stripe: 0, root: { op: "gen_data", handle: "make", compressible: false, children } },
      ],
    }) as Program;
  const head = new ControlledGateway(gateway);
  await head.say(begin(name, measured([{ op: "discard", handle: "gone", destination: 0 }])));
  await head.tell([{ object: 0, source: "", bytes: 40 * mib, targets: [""] }]);
  await head.say({ kind: "objects-end" });
  await head.until("all is done", () => head.all("done").length === 1);
  assert.equal(head.all("wrote").flatMap(({ objects }) => objects).length, 1);
  await head.stop("remove");
  const wrong = new ControlledGateway(gateway);
  await wrong.say(begin(name, measured([])));
  await wrong.until("it is refused", () => wrong.over !== undefined);
  assert.match(wrong.all("failed")[0]?.error.text ?? "", /make: nothing is under it/);
});
