// The control channel of a fan-out: what is said is heard, however it is split; nothing else is.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  encodeFanOutHeader,
  encodeLine,
  LineParser,
  lineBytesMax,
  parseFanOutHeader,
  parseSinkMessage,
  parseSourceMessage,
  type SinkMessage,
  type SourceMessage,
} from "../../transfer/fanout/control.ts";
import { fc } from "../support/property.ts";

const place = { host: "10.0.0.7", port: 4_000 };
const list = { digest: "ab".repeat(32), bytes: 20 };

const fromSink: readonly SinkMessage[] = [
  { type: "join", serves: place, safe: 0 },
  { type: "join", serves: null, safe: 2 ** 50 },
  { type: "progress", safe: 17, found: false },
  { type: "failed", move: 3, why: 'it said "no"\n' },
];

const fromSource: readonly SourceMessage[] = [
  { type: "welcome", list },
  { type: "follow", move: 1, parent: "source" },
  { type: "follow", move: 2, parent: null },
  { type: "follow", move: 3, parent: { ...place, peer: "demo/node-7" } },
  { type: "serve", children: ["demo/a", "demo/b"] },
  { type: "release" },
  { type: "drop", why: "ä".repeat(200) },
];

test("what is said is heard, in order, however it is split", () => {
  const bytes = Buffer.concat(fromSource.map((message) => encodeLine(message)));
  fc.assert(
    fc.property(fc.array(fc.nat(bytes.length), { maxLength: 20 }), (cuts) => {
      const parser = new LineParser(parseSourceMessage);
      const at = [0, ...cuts.sort((a, b) => a - b), bytes.length];
      const heard = at.flatMap((from, index) => parser.push(bytes.subarray(from, at[index + 1])));
      assert.deepEqual(heard, fromSource);
    }),
  );
  const parser = new LineParser(parseSinkMessage);
  assert.deepEqual(
    fromSink.flatMap((message) => parser.push(encodeLine(message))),
    fromSink,
  );
});

test("a side is heard only with what it may say", () => {
  for (const message of fromSource) {
    assert.throws(() => new LineParser(parseSinkMessage).push(encodeLine(message)), /may say/);
  }
  for (const message of fromSink) {
    assert.throws(() => new LineParser(parseSourceMessage).push(encodeLine(message)), /may say/);
  }
});

test("a field too many, too few, or of another kind is refused", () => {
  for (const message of fromSource) {
    for (const broken of breaks({ ...message })) {
      assert.equal(parseSourceMessage(broken), undefined, JSON.stringify(broken));
    }
  }
  for (const message of fromSink) {
    for (const broken of breaks({ ...message })) {
      assert.equal(parseSinkMessage(broken), undefined, JSON.stringify(broken));
    }
  }
  const wrong = [
    { type: "join", serves: { host: "", port: 1 }, safe: 0 },
    { type: "join", serves: { host: "a", port: 65_536 }, safe: 0 },
    { type: "join", serves: null, safe: -1 },
    { type: "join", serves: null, safe: 2 ** 60 },
    { type: "failed", move: 0.5, why: "" },
    { type: "failed", move: 1, why: "x".repeat(501) },
  ];
  for (const fields of wrong) assert.equal(parseSinkMessage(fields), undefined);
  const names = Array.from({ length: 17 }, () => "demo/a");
  assert.equal(parseSourceMessage({ type: "serve", children: names }), undefined);
  assert.equal(parseSourceMessage({ type: "welcome", list: { ...list, digest: "xy" } }), undefined);
});

function* breaks(fields: Record<string, unknown>): Generator<Record<string, unknown>> {
  yield { ...fields, more: 1 };
  for (const name of Object.keys(fields)) {
    const { [name]: _gone, ...rest } = fields;
    yield rest;
    yield { ...fields, [name]: [1] };
    yield { ...fields, [name]: { a: 1 } };
  }
}

test("garbage is refused, and a line that does not end is not kept", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 300 }), (bytes) => {
      const parser = new LineParser(parseSinkMessage);
      try {
        assert.deepEqual(parser.push(bytes), []);
      } catch (error) {
        assert.match(String(error), /control/);
      }
    }),
  );
  const parser = new LineParser(parseSinkMessage);
  const push = (): unknown => parser.push(Buffer.alloc(1_000, "x"));
  for (let bytes = 1_000; bytes <= lineBytesMax; bytes += 1_000) push();
  assert.throws(push, /a line of more than 8192 bytes/);
});

test("a header names a scope, or is none", () => {
  assert.equal(parseFanOutHeader(encodeFanOutHeader("a/b.c")), "a/b.c");
  for (const text of ["fanout ", "fanout a b", "chunks fetch a", "fanout", "fanout \u00e4", ""]) {
    assert.equal(parseFanOutHeader(Buffer.from(text)), undefined, text);
  }
});
