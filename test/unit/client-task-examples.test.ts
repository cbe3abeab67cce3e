// Task files with the combinations of fields that SkyPilot's examples have, written for this test:
// every one is read, planned, and taken by the schema for editors.
//
// SKY_TEST_EXAMPLES=dir checks every task file below that folder too; services and files that are
// no tasks are left out. Paths of this machine count as there, variables without a value are given.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Ajv } from "ajv";
import { parseAllDocuments } from "yaml";
import { planText } from "../../client/dryrun.ts";
import { dagOf } from "../../client/task-dag.ts";
import type { TaskWorld } from "../../client/task-path.ts";
import { problemsText } from "../../model/problem.ts";
import { isNull, type Tree } from "../../model/value-tree.ts";
import { readYaml } from "../../model/yaml-tree.ts";
import { taskSchema } from "../../scripts/task-file.ts";
import { checkout } from "../support/sources.ts";

const own = join(checkout, "test/data/tasks");
const given = process.env["SKY_TEST_EXAMPLES"];
const inSchema = new Ajv({ allowUnionTypes: true }).compile(taskSchema());

const world: TaskWorld = {
  cwd: "/here",
  home: "/users/ann",
  kindOf: (path) => (/file$|\.[a-z]+$/.test(path) ? "file" : "directory"),
};
/** Whatever stands there: whose files they are is not known. */
const anyWorld: TaskWorld = { ...world, kindOf: () => "directory" };

function filesBelow(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => /\.ya?ml$/.test(name))
    .map((name) => join(folder, name))
    .sort();
}

function field(tree: Tree, name: string): Tree | undefined {
  return tree.kind === "map" ? tree.entries.find(({ key }) => key === name)?.value : undefined;
}

/** Variables that a flag has to give. */
function missing(documents: readonly Tree[], name: string) {
  const entries = documents.flatMap((tree) => {
    const variables = field(tree, name);
    return variables?.kind === "map" ? variables.entries : [];
  });
  return entries
    .filter(({ value }) => isNull(value))
    .map(({ key }) => ({ name: key, value: "x-1" }));
}

function read(path: string, around: TaskWorld) {
  const { documents = [], problems } = readYaml(readFileSync(path, "utf8"), path);
  assert.equal(problems.length, 0, problemsText(problems));
  const flags = { envs: missing(documents, "envs"), secrets: missing(documents, "secrets") };
  return dagOf({ documents, flags, world: around });
}

function checkFile(path: string, around: TaskWorld): void {
  const reading = read(path, around);
  assert.ok(reading.ok, reading.ok ? "" : problemsText(reading.problems));
  for (const task of reading.tasks) {
    const text = planText({ cluster: "demo", task: task.task, reading: task, status: "new" });
    assert.match(text, /^Cluster demo: \d+x /);
    for (const { what } of task.needs) assert.match(what, / needs a cloud: see `sky check`$/);
  }
  for (const document of parseAllDocuments(readFileSync(path, "utf8"), { merge: true })) {
    assert.ok(inSchema(document.toJS() ?? null), JSON.stringify(inSchema.errors));
  }
}

for (const path of filesBelow(own)) {
  test(path.slice(own.length + 1), () => checkFile(path, world));
}

test("those that need a cloud say so, and the others can be launched", () => {
  const needing = filesBelow(own).filter((path) => {
    const reading = read(path, world);
    return reading.ok && reading.tasks.some(({ needs }) => needs.length > 0);
  });
  const names = needing.map((path) => path.slice(own.length + 1).replace(".yaml", ""));
  assert.deepEqual(names, [
    ...["bench", "container", "files", "group", "images", "infra", "order", "pipeline", "placed"],
    ...["pods", "registry", "spot", "storage", "tpu", "variables"],
  ]);
});

/** No manifest of something else, no service, no settings. */
function isTask(path: string): boolean {
  const { documents = [] } = readYaml(readFileSync(path, "utf8"), path);
  const full = documents.filter((tree) => !isNull(tree));
  const has = (name: string) => full.some((tree) => field(tree, name) !== undefined);
  const others = ["apiVersion", "kind", "service", "pool"].some(has);
  return !others && ["run", "setup", "resources"].some(has);
}

for (const path of given === undefined ? [] : filesBelow(given)) {
  if (!isTask(path)) continue;
  test(`of SKY_TEST_EXAMPLES: ${path}`, () => checkFile(path, anyWorld));
}
