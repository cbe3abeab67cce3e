// The rules of the house, executed: fences, purity, sizes, names, words, links.
//
// A rule that only people check is broken within a week. Each test collects every violation with
// its file and line and fails with the whole list. Sources are parsed (`support/sources.ts`), so
// that a word in a string or a comment is not mistaken for code. Generated code is left out.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { posix, resolve } from "node:path";
import { test } from "node:test";
import { checkout, pathsOf, type Source, sourceOf, textOf } from "./support/sources.ts";
import * as rules from "./support/tidy-rules.ts";

const sources = pathsOf([".ts", ".mjs"]).map(sourceOf);
const documents = pathsOf([".md"]);
const texts = pathsOf([".ts", ".mjs", ".sh", ".md", ".proto", ".yaml", ".yml", ".json"]);

function demand(violations: readonly string[]): void {
  if (violations.length > 0) assert.fail(`${violations.length}:\n${violations.join("\n")}`);
}

function each(rule: (source: Source) => readonly string[]): void {
  demand(sources.flatMap(rule));
}

test("a folder imports only from folders below it", () => each(rules.fences));

test("files that are not named as edges read no clock, draw nothing and touch nothing", () => {
  each(rules.purity);
});

test("tests draw from the seed of the run alone", () => each(rules.draws));

test("no two files import each other in a circle", () => demand(rules.circles(sources)));

test("lines have at most 100 columns", () => {
  demand(texts.filter(rules.hasLineLimit).flatMap((path) => rules.lines(path, textOf(path))));
});

test("files have at most 400 lines, tests 600", () => each(rules.fileSizes));

test("functions have at most 60 lines", () => each(rules.functionSizes));

test("functions take at most three parameters", () => each(rules.parameters));

test("code nests at most three deep", () => each(rules.nesting));

test("nothing is called utils, helpers, common, misc or manager", () => {
  demand(texts.filter(rules.hasBannedName));
});

test("no marker of unfinished work lands", () => {
  demand(texts.flatMap((path) => rules.markers(path, textOf(path))));
});

test("every file opens with prose", () => each(rules.prose));

test("exports have names", () => each(rules.defaultExports));

test("every catch makes a decision", () => each(rules.swallowed));

test("nothing names the machine it was written on, nor a registry", () => {
  demand(texts.flatMap((path) => rules.machinePaths(path, textOf(path))));
});

test("relative imports name a file that exists", () => {
  each(({ path, imports }) =>
    imports.flatMap(({ target, line }) => {
      const known = target === undefined || existsSync(resolve(checkout, target));
      const built = target?.startsWith("dist/") === true;
      return known || built ? [] : [`${path}:${line}: ${target} does not exist`];
    }),
  );
});

test("links in documents point to files that exist", () => {
  demand(documents.flatMap((path) => rules.links(path, textOf(path)).filter(isDead)));
});

function isDead(link: string): boolean {
  const [path = "", target = ""] = link.split(" -> ");
  return !existsSync(resolve(checkout, posix.dirname(path), target));
}
