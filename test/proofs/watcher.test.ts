// The watcher sees what must not be, and the plan of kills kills as often as it says.

import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { until } from "../support/until.ts";
import { killsOf } from "./plan.ts";
import { watchNames } from "./watcher.ts";

const folder = mkdtempSync(join(tmpdir(), "sky-watcher-"));
after(() => rmSync(folder, { recursive: true }));

const path = join(folder, "object");
const aside = join(folder, ".object-partial");
const may = new Map([["object", [undefined, hash("sha256", "old"), hash("sha256", "whole")]]]);

test("a name that changes hands between whole files is good", async () => {
  rmSync(path, { force: true });
  const watcher = watchNames(folder, may);
  for (const content of ["old", "whole"]) {
    writeFileSync(aside, content);
    renameSync(aside, path);
    const { looks } = watcher;
    await until("it looked again", () => watcher.looks > looks + 2);
  }
  watcher.close();
  assert.deepEqual(watcher.problems, []);
  assert.equal(watcher.changed, 1);
});

test("a part of a file under its final name is seen, and so is a name that is gone", async () => {
  writeFileSync(path, "old");
  const strict = new Map([["object", [hash("sha256", "old"), hash("sha256", "whole")]]]);
  const watcher = watchNames(folder, strict);
  writeFileSync(path, "who");
  await until("the part is seen", () => watcher.problems.length > 0);
  rmSync(path);
  await until("nothing is seen", () => watcher.problems.some((text) => /nothing/.test(text)));
  watcher.close();
});

test("a plan kills as often as it is told, in the order of progress, everybody in the end", () => {
  const roles = ["source", "relay", "sink"] as const;
  for (let seed = 0; seed < 50; seed += 1) {
    const plan = killsOf({ seed, transfer: 0, roles, chunks: 50, kills: 30 });
    const kills = plan.reduce((sum, { againMs }) => sum + (againMs === undefined ? 1 : 2), 0);
    assert.equal(kills, 30);
    assert.deepEqual(
      plan,
      [...plan].sort((a, b) => a.atSafe - b.atSafe),
    );
    assert.deepEqual(new Set(plan.map(({ victim }) => victim)), new Set(roles));
  }
});
