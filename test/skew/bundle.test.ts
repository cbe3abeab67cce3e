// The bundle that stands for the earlier version is what it says it is, and is not today's.

import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { digestOf, digestsOf, readBundle, readManifest } from "./bundle.ts";
import { install, todayFolder } from "./editions.ts";

const entries = ["sky-main.cjs", "skyhead-main.js", "skylet-main.cjs"];

test("the kept bundle is that of its manifest", () => {
  const { files, commit } = readManifest();
  assert.match(commit, /^[0-9a-f]{40}$/);
  assert.deepEqual(digestsOf(readBundle()), files);
  for (const name of entries) assert.ok(files[name], name);
});

test("it is not today's: no program of it is", () => {
  const kept = readManifest().files;
  for (const name of entries) {
    const today = digestOf(readFileSync(join(todayFolder, name), "utf8"));
    assert.notEqual(today, kept[name], `${name} of today is that of the earlier version`);
  }
});

test("an installation has of each program the version that it is asked for", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "sky-skew-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const kept = readManifest().files;
  const { dist, replace } = install(folder, { sky: "kept", skyhead: "today", skylet: "kept" });
  const keptOf = (): readonly string[] =>
    entries.filter((name) => digestOf(readFileSync(join(dist, name), "utf8")) === kept[name]);
  assert.deepEqual(keptOf(), ["sky-main.cjs", "skylet-main.cjs"]);
  replace("skylet", "today");
  replace("skyhead", "kept");
  assert.deepEqual(keptOf(), ["sky-main.cjs", "skyhead-main.js"]);
  assert.ok(!readdirSync(dist).includes("index.js"), "the SDK is not run here");
});
