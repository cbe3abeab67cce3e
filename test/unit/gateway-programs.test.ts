// Programs of gateways: each shape that has one meaning passes; each that has none is refused, with
// the operator's name. Among them are all on which Skyplane's parser and its runtime disagreed.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isSkyError } from "../../model/errors.ts";
import type { Branch, Leaf, Program, Root, Send } from "../../transfer/gateway/program.ts";
import { validateProgram } from "../../transfer/gateway/validate.ts";
import { validateRound } from "../../transfer/gateway/validate-round.ts";
import { fc } from "../support/property.ts";

const ground = { stores: 2, destinations: 2 };

const write = (handle: string, destination: number): Leaf => ({
  op: "write_local",
  handle,
  destination,
});
const store = (handle: string, at: number, destination: number): Leaf => ({
  ...{ op: "write_object_store", handle, store: at, destination, connections: 4 },
});
const send = (handle: string, to: string, more: Partial<Send> = {}): Leaf => ({
  ...{ op: "send", handle, to, connections: 2, compress: true },
  ...more,
});
const read = (...children: Branch[]): Root => ({ op: "read_local", handle: "read", children });
const receive = (handle: string, from: readonly string[], ...children: Branch[]): Root => ({
  ...{ op: "receive", handle, from, children },
});
const and = (handle: string, ...children: Branch[]): Branch => ({
  ...{ op: "mux_and", handle, children },
});
const or = (handle: string, ...children: Branch[]): Branch => ({
  ...{ op: "mux_or", handle, children },
});
const program = (gateway: string, ...roots: Root[]): Program => ({
  ...{ gateway, stripes: 1, partitions: roots.map((root) => ({ stripe: 0, root })) },
});

function refusal(check: () => void): string {
  try {
    check();
  } catch (error) {
    assert.ok(isSkyError(error, "program/invalid"), String(error));
    return error.message;
  }
  return "";
}

const refused = (root: Root): string =>
  refusal(() => validateProgram(program("a/0", root), ground));

test("programs that have one meaning pass", () => {
  const passing: readonly Root[] = [
    read(write("w", 0)),
    read(and("all", write("w", 0), write("v", 1))),
    // A mux is not the first child, and it counts.
    read(and("all", write("w", 0), or("any", send("s", "b/0"), send("t", "c/0")))),
    read(or("any", or("inner", send("s", "b/0")), send("t", "c/0"))),
    read(or("one", write("w", 0))),
    receive("in", ["b/0"], and("all", write("w", 0), send("s", "c/0"))),
    { op: "gen_data", handle: "g", compressible: false, children: [discard("d")] },
  ];
  for (const root of passing) assert.equal(refused(root), "");
});

function discard(handle: string): Leaf {
  return { op: "discard", handle, destination: 0 };
}

const shapes: readonly (readonly [root: Root, says: RegExp])[] = [
  // Skyplane: parsed, and could not accept a chunk.
  [and("top", write("w", 0)) as unknown as Root, /top: a mux brings no data/],
  [or("top", send("s", "b/0")) as unknown as Root, /top: a mux brings no data/],
  [write("w", 0) as unknown as Root, /w: it brings no data/],
  // Skyplane: several plain children competed for chunks.
  [read(write("w", 0), write("v", 1)), /read: 2 operators are under it: put a mux/],
  [read(), /read: nothing is under it/],
  [read(and("all")), /all: nothing is under it/],
  // Each chunk would be in one place only.
  [read(or("any", write("w", 0), write("v", 1))), /w: under any, a mux_or/],
  [read(or("any", send("s", "b/0"), and("all", send("t", "c/0")))), /all: under any, a mux_or/],
  [read(and("all", read(write("w", 0)) as unknown as Branch)), /read: a root cannot be under/],
  [read(and("all", write("w", 0), write("w", 1))), /w: another operator has that handle/],
  [read(and("all", write("w", 0), write("v", 0))), /v: w goes to destination 0 already/],
  [read(and("all", send("s", "b/0"), send("t", "b/0"))), /t: s goes to b\/0 already/],
  [read(and("all", send("s", "b/0"), send("t", "c/0", { compress: false }))), /t: s says other/],
  [read(send("s", "a/0")), /s: it sends to its own gateway/],
  [read(send("s", "b/0", { connections: 0 })), /s: 0 connections of 1 to 64/],
  [read(send("s", "b/0", { connections: 65 })), /s: 65 connections/],
  [read(store("w", 2, 0)), /w: there is no store 2/],
  [read(write("w", 2)), /w: there is no destination 2/],
  [read(write("w 1", 0)), /"w 1" is no handle/],
  [receive("in", [], write("w", 0)), /in: nobody sends to it/],
  [receive("in", ["b/0", "b/0"], write("w", 0)), /in: a sender is named twice/],
  [receive("in", ["a/0"], write("w", 0)), /in: it receives from itself/],
  [receive("in", ["b/0"], send("s", "b/0")), /s: it sends back to b\/0/],
];

test("shapes that have no meaning are refused, with the operator's name", () => {
  for (const [root, says] of shapes) assert.match(refused(root), says);
});

test("trees of one program fit each other", () => {
  const two = (first: Root, second: Root, stripes = 2): Program => ({
    ...{ gateway: "a/0", stripes },
    partitions: [
      { stripe: 0, root: first },
      { stripe: 1, root: second },
    ],
  });
  const named = (handle: string, ...children: Branch[]): Root => ({ ...read(...children), handle });
  const why = (one: Program): string => refusal(() => validateProgram(one, ground));
  assert.equal(why(two(named("r", send("s", "b/0")), named("q", send("t", "c/0")))), "");
  assert.match(
    why(two(named("r", send("s", "b/0")), named("q", send("t", "c/0")), 3)),
    /r: it reads 2 of 3 stripes/,
  );
  const other: Root = { op: "gen_data", handle: "g", compressible: true, children: [discard("d")] };
  assert.match(why(two(named("r", send("s", "b/0")), other)), /g: it reads something else than r/);
  assert.match(
    why(two(receive("in", ["b/0"], write("w", 0)), receive("to", ["b/0"], store("v", 0, 0)))),
    /v: destination 0 is written otherwise by w/,
  );
  const twice = program("a/0", named("r", write("w", 0)), named("q", write("v", 0)));
  assert.match(why(twice), /q: stripe 0 comes in here twice/);
});

const one = { stores: 0, destinations: 1 };

test("programs of a round fit each other", () => {
  const why = (...programs: readonly Program[]): string =>
    refusal(() => validateRound(programs, one));
  const source = program("a/0", read(or("any", send("s", "b/0"), send("t", "c/0"))));
  const relay = (gateway: string): Program =>
    program(gateway, receive("in", ["a/0"], send("on", "d/0")));
  const sink = program("d/0", receive("in", ["b/0", "c/0"], write("w", 0)));
  assert.equal(why(source, relay("b/0"), relay("c/0"), sink), "");
  assert.match(why(source, relay("b/0"), sink), /c\/0 sends nothing of stripe 0|t: c\/0 does not/);
  assert.match(why(source, relay("b/0"), relay("b/0"), sink), /b\/0: it has two programs/);
  const both = program("a/0", read(and("all", send("s", "b/0"), send("t", "c/0"))));
  assert.match(
    why(both, relay("b/0"), relay("c/0"), sink),
    /read: destination 0 would get each chunk 2 times/,
  );
  const lost = program("c/0", receive("in", ["a/0"], discard("gone")));
  assert.match(
    why(source, relay("b/0"), lost, program("d/0", receive("in", ["b/0"], write("w", 0)))),
    /destination 0 is written by/,
  );
});

test("a circle of sends is refused", () => {
  const why = refusal(() =>
    validateRound(
      [
        program("a/0", read(send("s", "b/0"))),
        program("b/0", receive("in", ["a/0", "d/0"], send("on", "c/0"))),
        program("c/0", receive("in", ["b/0"], send("on", "d/0"))),
        program("d/0", receive("in", ["c/0"], send("back", "b/0"))),
      ],
      one,
    ),
  );
  assert.match(why, /d\/0: back: what it sends comes back to it/);
});

test("a tree of sends and writes is a plan; a destination that it does not reach is told", () => {
  // Drawn at random, a tree of gateways in which each has one sender is always a plan.
  const parents = fc.array(fc.nat(), { minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(parents, (draws) => {
      const parent = draws.map((draw, at) => draw % (at + 1));
      const name = (at: number): string => `g/${at}`;
      const childrenOf = (at: number): number[] =>
        parent.flatMap((of, child) => (of === at ? [child + 1] : []));
      const programs = [...parent.keys(), parent.length].map((at) => {
        const sends = childrenOf(at).map((child) => send(`s${child}`, name(child)));
        const leaves = at === 0 ? sends : [...sends, write("w", at - 1)];
        const tree = and("all", ...leaves);
        const from = name(parent[at - 1] ?? 0);
        return program(name(at), at === 0 ? read(tree) : receive("in", [from], tree));
      });
      validateRound(programs, { stores: 0, destinations: parent.length });
      const more = { stores: 0, destinations: parent.length + 1 };
      assert.match(
        refusal(() => validateRound(programs, more)),
        /would get no chunk/,
      );
    }),
    { numRuns: 50 },
  );
});
