// The lines between a head and a gateway: what is said arrives, what may not be said is refused,
// and no error has a secret in it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isSkyError } from "../../model/errors.ts";
import type { GatewayObject, GatewayOrder, GatewayWord } from "../../transfer/gateway/orders.ts";
import {
  batches,
  encodeLine,
  lineBytesMax,
  orderParser,
  wordedError,
  wordParser,
} from "../../transfer/gateway/orders-codec.ts";
import { fc } from "../support/property.ts";

const secret = "wJalrXUtnFEMI";
const digest = "ab".repeat(32);

const begin: GatewayOrder = {
  ...{ kind: "begin", transfer: "0123456789abcdef".repeat(2), round: 1 },
  program: {
    ...{ gateway: "a/0", stripes: 1 },
    partitions: [
      {
        stripe: 0,
        root: {
          ...{ op: "read_object_store", handle: "read", store: 0, connections: 8 },
          children: [
            {
              ...{ op: "mux_and", handle: "all" },
              children: [
                { op: "send", handle: "send", to: "b/0", connections: 2, compress: true },
                { op: "write_local", handle: "write", destination: 0 },
              ],
            },
          ],
        },
      },
    ],
  },
  peers: [{ peer: "b/0", dial: true }],
  pass: { peer: "a/0", certificate: "C", key: secret, authority: "A" },
  key: Buffer.alloc(32, 7).toString("base64"),
  stores: [{ bucket: { store: "s3", bucket: "x" }, credentials: { secretAccessKey: secret } }],
  limits: { memoryBytes: 1, diskBytes: 2, bytesPerSecond: 0.5 },
  ...{ verify: "digest", folders: ["data", null] },
};

const object: GatewayObject = {
  ...{ object: 7, source: "a b?#%\u{1F600}", bytes: 3, version: '"e"', modifiedMs: 1.5 },
  attributes: { contentType: "text/plain", metadata: { a: "b" } },
  targets: ["x", null],
};

const orders: readonly GatewayOrder[] = [
  begin,
  { kind: "peer", peer: "b/0", target: { host: "127.0.0.1", port: 9 } },
  { kind: "objects", objects: [object] },
  { kind: "objects-end" },
  { kind: "stop", leave: "remove" },
];

const words: readonly GatewayWord[] = [
  { kind: "listening", target: { host: "::1", port: 1 } },
  { kind: "begun" },
  { kind: "credit", objects: 3 },
  { kind: "read", objects: [{ object: 1, digest }] },
  { kind: "wrote", objects: [{ object: 1, destination: 0, bytes: 1, digest, proof: "file" }] },
  { kind: "upload", object: 1, destination: 0, upload: { key: "k", id: "u" } },
  { kind: "failed", handle: "w", object: 1, destination: 0, error: wordedError(new Error("x")) },
  { kind: "metrics", metrics: { operators: [], memoryBytes: 0, diskBytes: 0 } },
  { kind: "done" },
];

test("what is said arrives, however the bytes are cut", () => {
  const bytes = Buffer.concat([...orders].map(encodeLine));
  const spoken = Buffer.concat([...words].map(encodeLine));
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1 }), (sizes) => {
      const parser = orderParser();
      const wordsParser = wordParser();
      assert.deepEqual(
        cut(bytes, sizes).flatMap((part) => parser.push(part)),
        orders,
      );
      assert.deepEqual(
        cut(spoken, sizes).flatMap((part) => wordsParser.push(part)),
        words,
      );
    }),
    { numRuns: 30 },
  );
});

function cut(bytes: Buffer, sizes: readonly number[]): readonly Buffer[] {
  const parts: Buffer[] = [];
  for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? 1;
    parts.push(bytes.subarray(at, at + size));
    at += size;
  }
  return parts;
}

function refusal(line: string): string {
  try {
    orderParser().push(Buffer.from(`${line}\n`));
  } catch (error) {
    assert.ok(isSkyError(error, "stream/protocol"), String(error));
    const shown = `${error.message} ${error.stack} ${String(error.cause)}`;
    assert.ok(!shown.includes(secret), shown);
    return error.message;
  }
  return "";
}

test("what may not be said is refused, and the error has nothing of it", () => {
  const changed = (change: object): string => refusal(JSON.stringify({ ...begin, ...change }));
  assert.equal(changed({}), "");
  assert.match(refusal(`{"key":"${secret}`), /no JSON/);
  assert.match(refusal(`{"kind":"${secret}"}`), /kind is unknown/);
  assert.match(refusal('{"kind":"toString"}'), /kind is unknown/);
  assert.match(changed({ [secret]: 1 }), /a field that nobody knows/);
  assert.match(changed({ transfer: secret }), /an order\.transfer is none/);
  assert.match(changed({ key: secret }), /an order\.key is none/);
  assert.match(changed({ folders: undefined }), /has no folders/);
  assert.match(changed({ verify: secret }), /verify is unknown/);
  assert.match(changed({ limits: { memoryBytes: -1, diskBytes: 0 } }), /memoryBytes is no count/);
  assert.match(changed({ stores: [{ credentials: secret }] }), /stores\[0\]/);
  assert.match(changed({ pass: { ...begin, key: secret } }), /pass/);
  const op = { op: secret, handle: "x" };
  assert.match(
    changed({ program: { gateway: "a", stripes: 1, partitions: [{ stripe: 0, root: op }] } }),
    /root\.op is unknown/,
  );
});

test("a tree that is too deep is refused, not followed", () => {
  let children: object = { op: "write_local", handle: "w", destination: 0 };
  for (let depth = 0; depth < 1_000; depth += 1) {
    children = { op: "mux_and", handle: "m", children: [children] };
  }
  const root = { op: "read_local", handle: "r", children: [children] };
  const program = { gateway: "a/0", stripes: 1, partitions: [{ stripe: 0, root }] };
  assert.match(refusal(JSON.stringify({ ...begin, program })), /deeper than 16 operators/);
});

test("a line without end is given up", () => {
  const parser = orderParser();
  const piece = Buffer.alloc(lineBytesMax / 4, 0x20);
  for (let sent = 0; sent < 4; sent += 1) assert.deepEqual(parser.push(piece), []);
  assert.throws(() => parser.push(piece), /a line of more than/);
});

test("objects go in lines that are taken, whatever their names", () => {
  const long = "x".repeat(4_000);
  const objects = Array.from({ length: 3_000 }, (_, at) => ({
    ...{ object: at, source: long, bytes: 1, targets: [long, null] },
  }));
  const lines = [...batches(objects)];
  const parser = orderParser();
  const said = lines.flatMap((some) => parser.push(encodeLine({ kind: "objects", objects: some })));
  const taken = said.flatMap((order) => (order.kind === "objects" ? order.objects : []));
  assert.equal(taken.length, objects.length);
});
