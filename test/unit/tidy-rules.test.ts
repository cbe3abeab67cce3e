// The rules of `tidy` against small files that break them: a rule that finds nothing proves
// nothing.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parseSource } from "../support/sources.ts";
import * as rules from "../support/tidy-rules.ts";

const source = (path: string, code: string) => parseSource(path, code);

test("a folder may not import what stands above it, not even types", () => {
  const code = `import type { Sky } from "../client/index.ts";\n`;
  assert.deepEqual(rules.fences(source("model/job.ts", code)), [
    "model/job.ts:1: model may not import client/index.ts",
  ]);
  assert.deepEqual(rules.fences(source("bin/sky.ts", code)), []);
});

test("nothing but tests imports tests", () => {
  const code = `import { until } from "../test/support/until.ts";\n`;
  assert.equal(rules.fences(source("bench/home.ts", code)).length, 1);
});

test("a pure file that reads a clock is found; the same file as an edge is not", () => {
  const code = "export const now = (): number => Date.now();\n";
  assert.equal(rules.purity(source("scheduler/gang.ts", code)).length, 1);
  assert.equal(rules.purity(source("scheduler/gang-actor.ts", code)).length, 0);
});

for (const code of [
  "export const at = new Date();",
  "export const home = process.env['HOME'];",
  "export const wait = () => setTimeout(() => {}, 1);",
  'import { readFileSync } from "node:fs";\nexport const read = readFileSync;',
  'import { randomUUID } from "node:crypto";\nexport const id = randomUUID;',
  'import { openStore } from "./store-sqlite.ts";\nexport const open = openStore;',
]) {
  test(`impure: ${code.split("\n")[0]}`, () => {
    assert.equal(rules.purity(source("runtime/pure.ts", code)).length, 1);
  });
}

for (const code of [
  "export const at = new Date(0);",
  'export const text = "Date.now() in a string"; // and Math.random() in a comment',
  "export const pids = (all: { pid: number }[]) => all.map((process) => process.pid);",
  'import { createHash } from "node:crypto";\nexport const hash = createHash;',
  'import type { Store } from "./store-sqlite.ts";\nexport type Alias = Store;',
]) {
  test(`pure: ${code.split("\n")[0]}`, () => {
    assert.deepEqual(rules.purity(source("runtime/pure.ts", code)), []);
  });
}

test("a test draws by the doors, and those alone draw for themselves", () => {
  const at = 'export const at = "Math.random() of SKY_TEST_SEED";\n';
  assert.deepEqual(rules.draws(source("test/unit/a.test.ts", at)), []);
  for (const [code, door] of [
    ['import fc from "fast-check";\nexport const any = fc.nat();', "property"],
    ["export const half = () => Math.random() < 0.5;", "seed"],
    ['export const seed = process.env["SKY_TEST_SEED"];', "seed"],
  ] as const) {
    assert.equal(rules.draws(source("test/unit/a.test.ts", code)).length, 1, code);
    assert.deepEqual(rules.draws(source(`test/support/${door}.ts`, code)), []);
  }
});

test("files that import each other in a circle are found, types do not count", () => {
  const a = source("model/a.ts", `import { b } from "./b.ts";\nexport const a = b;\n`);
  const b = source("model/b.ts", `import { a } from "./a.ts";\nexport const b = () => a;\n`);
  const t = source("model/b.ts", `import type { a } from "./a.ts";\nexport type B = typeof a;\n`);
  assert.deepEqual(rules.circles([a, b]), ["model/a.ts -> model/b.ts -> model/a.ts"]);
  assert.deepEqual(rules.circles([a, t]), []);
});

test("an empty handler needs a sentence", () => {
  const silent = "export const f = (p: Promise<void>) => p.catch(() => {});\n";
  assert.equal(rules.swallowed(source("model/a.ts", silent)).length, 1);
  assert.deepEqual(
    rules.swallowed(source("model/a.ts", `// The caller sees it too.\n${silent}`)),
    [],
  );
  assert.equal(rules.swallowed(source("model/a.ts", "try { f(); } catch {}\n")).length, 1);
});

test("depth counts branches inside each other, and else-if as none", () => {
  const deep = "if (a) { for (;;) { while (b) { if (c) {} } } }\n";
  const flat = "if (a) {} else if (b) {} else if (c) {} else if (d) {}\n";
  assert.equal(rules.nesting(source("model/a.ts", deep)).length, 1);
  assert.deepEqual(rules.nesting(source("model/a.ts", flat)), []);
});

test("three parameters and one object of options", () => {
  const take = (list: string) => source("model/a.ts", `export function f(${list}) {}\n`);
  assert.deepEqual(rules.parameters(take("a, b, c, options = {}")), []);
  assert.deepEqual(rules.parameters(take("a, b, c, { d }")), []);
  assert.equal(rules.parameters(take("a, b, c, d")).length, 1);
});

test("line numbers are those of the file with its types", () => {
  const code = "interface A {\n  readonly b: string;\n}\n\nexport default {} as A;\n";
  assert.deepEqual(rules.defaultExports(source("model/a.ts", code)), [
    "model/a.ts:5: a default export",
  ]);
});
