// Transfers where versions meet: what is too old for them is named, and nothing waits for it.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { type Place, place } from "../support/programs.ts";
import { install, type Mix } from "./editions.ts";

async function ground(t: TestContext, mix: Mix): Promise<Place> {
  const folder = mkdtempSync(join(tmpdir(), "sky-skew-"));
  const { dist: programs } = install(folder, mix);
  const here = place(undefined, { isolation: "process", programs });
  t.after(() => here.close().finally(() => rmSync(folder, { recursive: true, force: true })));
  const up = await here.sky(["launch", "-y", "-c", "old", "--cpus", "1"]);
  assert.equal(up.code, 0, up.stdout + up.stderr);
  return here;
}

test("an earlier node takes part in no transfer, and is named", async (t) => {
  const here = await ground(t, { sky: "today", skyhead: "today", skylet: "kept" });
  const file = here.file("a.txt", "a");
  for (const words of [
    [file, "old:a.txt"],
    ["old:a.txt", `${here.folder}/b.txt`],
  ]) {
    const { code, stdout, stderr } = await here.sky(["cp", "-y", ...words], { timeoutMs: 30_000 });
    assert.equal(code, 1, stdout);
    assert.match(stdout + stderr, /old\/head takes part in no transfer: .*older version/);
  }
});

test("an earlier head knows no transfers, and says so", async (t) => {
  const here = await ground(t, { sky: "kept", skyhead: "kept", skylet: "kept" });
  const folder = mkdtempSync(join(tmpdir(), "sky-skew-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const { dist: programs } = install(folder, { sky: "today", skyhead: "today", skylet: "today" });
  const words = ["cp", "-y", here.file("a.txt", "a"), "old:a.txt"];
  const { code, stderr } = await here.sky(words, { programs, timeoutMs: 30_000 });
  assert.equal(code, 2, stderr);
  assert.match(stderr, /older version/);
});
