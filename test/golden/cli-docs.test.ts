// docs/cli.md is printed from the tables of flags, and is what they say now.
// `npm run docs:cli` prints it anew.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { cliPage, cliText } from "../../scripts/cli-docs.ts";

test("the page of the command line is what the tables say", async () => {
  assert.equal(readFileSync(cliPage, "utf8"), await cliText(), "npm run docs:cli rewrites it");
});
