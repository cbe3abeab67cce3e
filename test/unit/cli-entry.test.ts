// What launch and exec make of ENTRYPOINT and their flags: the task, or every problem with its
// place; and what the head finds wrong later, told at the line of the file.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { readingOf, taskFromEntry, withPlace } from "../../client/cli/entry.ts";
import type { Shell } from "../../client/cli/shell.ts";
import { isSkyError, SkyError } from "../../model/errors.ts";

function quietShell(): Shell & { readonly said: string[] } {
  const said: string[] = [];
  const nothing = () => Promise.reject(new Error("not asked for"));
  return {
    said,
    home: join(tmpdir(), "none") as never,
    interrupt: new AbortController().signal,
    say: (line) => said.push(line),
    print: (line) => said.push(line),
    ...{ progress: () => {}, write: nothing, head: nothing, confirm: nothing },
    ...{ now: () => 0, interactive: false, colours: false },
    ...{ isTerminal: false, showsProgress: false },
  };
}

function fileWith(t: TestContext, text: string): string {
  const folder = mkdtempSync(join(tmpdir(), "sky-entry-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, "t.yaml");
  writeFileSync(path, text);
  return path;
}

const nothing = { args: [], flags: {} };

test("exec leaves out what file mounts need, launch does not, a dry run tells later", async (t) => {
  const path = fileWith(t, "run: x\nfile_mounts: {/b: s3://bucket}\n");
  const needed = (error: unknown) =>
    isSkyError(error, "cloud/needed") && error.message.startsWith(`${path}:2:19: bucket`);
  await assert.rejects(taskFromEntry(quietShell(), [path], nothing), needed);
  const task = await taskFromEntry(quietShell(), [path], { ...nothing, filesStay: true });
  assert.equal(task?.run, "x");
  const dry = await taskFromEntry(quietShell(), [path], { args: [], flags: { dryrun: true } });
  assert.ok(dry);
  assert.equal(readingOf(dry)?.needs.length, 1);
  const far = fileWith(t, "run: x\nresources: {cloud: aws}\n");
  await assert.rejects(taskFromEntry(quietShell(), [far], { ...nothing, filesStay: true }), {
    message: /cloud "aws" needs a cloud/,
  });
});

test("what the head finds wrong is told at its line, or as it is for a flag", async (t) => {
  const path = fileWith(t, "num_nodes: 9\nresources:\n  any_of:\n  - cloud: aws\n  - cpus: 64\n");
  const tooBig = (why: string) => new SkyError("task/too-big", { why });
  const task = await taskFromEntry(quietShell(), [path], nothing);
  assert.ok(task);
  const placed = withPlace(tooBig("cpus 64 asked, 4 there"), task);
  assert.ok(isSkyError(placed, "task/invalid"));
  assert.ok(placed.message.startsWith(`${path}:5:11: cpus 64 asked`), placed.message);
  const nodes = withPlace(tooBig("9 nodes asked, 1 there"), task);
  assert.ok(isSkyError(nodes, "task/invalid") && nodes.message.startsWith(`${path}:1:12: 9 nodes`));
  const flagged = await taskFromEntry(quietShell(), [path], { args: [], flags: { cpus: "8" } });
  assert.ok(flagged);
  const error = tooBig("cpus 8 asked, 4 there");
  assert.equal(withPlace(error, flagged), error);
});

test("a file that is too large is an error that names the limit, never a command", async (t) => {
  const path = fileWith(t, `# ${"x".repeat(4 * 1024 * 1024)}\nrun: x\n`);
  for (const flags of [{}, { yes: true }]) {
    await assert.rejects(taskFromEntry(quietShell(), [path], { args: [], flags }), (error) => {
      return isSkyError(error, "task/invalid") && /at most 4194304 are read/.test(error.message);
    });
  }
});

test("one task is taken; of several the last one's place is told", async (t) => {
  const path = fileWith(t, "name: all\n---\nrun: x\n---\nrun: y\n");
  await assert.rejects(taskFromEntry(quietShell(), [path], nothing), {
    message: /:5:1: the file has 2 tasks: a pipeline is for `sky jobs launch`/,
  });
  const one = fileWith(t, "---\n\n---\nrun: x\n");
  assert.equal((await taskFromEntry(quietShell(), [one], nothing))?.run, "x");
});

test("files of flags are read, and their problems have their lines", async (t) => {
  const env = fileWith(t, "A=1\nB=$\n");
  const flags = {
    envFile: env,
    secretFile: env,
    config: ["grace_seconds=3", "local.isolation=process"],
  };
  const task = await taskFromEntry(quietShell(), ["true"], { args: [], flags });
  assert.deepEqual(task?.envs, { A: "1", B: "$" });
  assert.deepEqual(task?.secrets, { A: "1", B: "$" });
  assert.deepEqual(task?.config, { graceMs: 3_000, isolation: "process" });
  const wrong = fileWith(t, "A=1\nno\nB\n");
  await assert.rejects(
    taskFromEntry(quietShell(), ["true"], { args: [], flags: { envFile: wrong } }),
    {
      message: new RegExp(`^${wrong}:2:1: no has no value here.*\n${wrong}:3:1: B has no value`),
    },
  );
  const settings = fileWith(t, "- a\n");
  await assert.rejects(
    taskFromEntry(quietShell(), ["true"], { args: [], flags: { config: [settings] } }),
    /should hold settings \(name: value\), or be KEY=VALUE/,
  );
});
