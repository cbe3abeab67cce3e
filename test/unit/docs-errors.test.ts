// `docs/errors.md` against the table of codes, in both directions.
//
// Each code has exactly one heading, in the table's order, and its section begins with the remedy
// that the table gives it: a reader of the page and a retry loop must not disagree.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { codes } from "../../model/errors.ts";

const page = readFileSync(new URL("../../docs/errors.md", import.meta.url), "utf8");
const sections = page.split(/^## /m).slice(1);

test("docs/errors.md has one heading for each code, in the table's order", () => {
  const headings = sections.map((section) => section.slice(0, section.indexOf("\n")));
  assert.deepEqual(headings, Object.keys(codes));
});

test("each section of docs/errors.md begins with the code's remedy and then says more", () => {
  for (const section of sections) {
    const [heading = "", , first = ""] = section.split("\n");
    const row = Object.entries(codes).find(([code]) => code === heading)?.[1];
    assert.ok(first.startsWith(`Remedy: \`${row?.remedy}\`. `), `${heading}: ${first}`);
  }
});

test("a content store that is full names the setting to raise, and so does its section", () => {
  assert.match(codes["chunks/full"].text, /raise chunks\.bytes/);
  assert.match(page.split("## chunks/full")[1]?.split("## ")[0] ?? "", /raise `chunks\.bytes`/);
});
