// docs/config.md against the parser: every setting is there, and nothing else.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { configFields, parseConfig } from "../../model/config-file.ts";

const page = readFileSync(new URL("../../docs/config.md", import.meta.url), "utf8");

test("the page names every setting, once, and no other", () => {
  const rows = [...page.matchAll(/^\| `([a-z_.]+)` \|/gm)].map(([, name]) => name);
  assert.deepEqual(rows.toSorted(), configFields.toSorted());
});

test("its example is one", () => {
  const [, example = ""] = /```yaml\n([^`]*)```/.exec(page) ?? [];
  const { local, idleExitSeconds } = parseConfig("config.yaml", example);
  assert.deepEqual([local.isolation, idleExitSeconds], ["process", 600]);
});
