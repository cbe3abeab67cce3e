// docs/smoke.md names every smoke test, and no test that is not there.
//
// The names are read from the sources, because loading a file of smoke tests runs them.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { test } from "node:test";

const checkout = resolve(import.meta.dirname, "../..");

test("every smoke test is in docs/smoke.md, and the other way round", () => {
  const folder = join(checkout, "test/smoke");
  const sources = readdirSync(folder).filter((name) => name.endsWith(".test.ts"));
  const written = sources.flatMap((name) =>
    [...readFileSync(join(folder, name), "utf8").matchAll(/^ {4}name: "(.*)",$/gm)].map(
      ([, found = ""]) => found,
    ),
  );
  const rows = readFileSync(join(checkout, "docs/smoke.md"), "utf8").split("\n");
  const cells = rows.filter((row) => row.startsWith("| ")).map((row) => row.split(" | ")[1] ?? "");
  const told = cells.flatMap((cell) => [...cell.matchAll(/`(\w+)`/g)].map(([, name = ""]) => name));
  assert.ok(written.length >= 10, `found ${written.length} names in ${sources.length} files`);
  assert.deepEqual([...new Set(told)].sort(), written.sort());
});
