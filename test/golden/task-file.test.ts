// The reference of the task file and its schema say what the validator's tables say; the examples
// in them are right; and the schema takes and refuses what the validator does.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Ajv } from "ajv";
import { parse } from "yaml";
import { configFields } from "../../client/task-config.ts";
import { dagOf, headerFields } from "../../client/task-dag.ts";
import { taskFields } from "../../client/task-fields.ts";
import type { Fields } from "../../client/task-groups.ts";
import type { TaskWorld } from "../../client/task-path.ts";
import { resourceFields } from "../../client/task-resources.ts";
import { storageFields } from "../../client/task-storage.ts";
import { problemsText } from "../../model/problem.ts";
import { readYaml } from "../../model/yaml-tree.ts";
import { taskFiles, taskSchema, writtenTaskFiles } from "../../scripts/task-file.ts";

const world: TaskWorld = { cwd: "/here", home: "/users/ann", kindOf: () => "directory" };

test("docs/task.md and docs/task.schema.json are what npm run docs:task writes", () => {
  assert.deepEqual(writtenTaskFiles(), taskFiles());
});

const validate = new Ajv({ allowUnionTypes: true }).compile(taskSchema());

/** Examples as whole files. */
const tables: readonly (readonly [string, Fields, (example: string) => string])[] = [
  ["task", taskFields, (example) => example],
  ["resources", resourceFields, (example) => `resources:\n  ${beside(example)}`],
  ["storage", storageFields, (example) => `file_mounts:\n  /x:\n    ${storageWith(example)}`],
  ["config", configFields, (example) => `config:\n  ${example}`],
  ["header", headerFields, (example) => `${headerWith(example)}\n---\nname: a\n---\nname: train\n`],
];

/** What an example needs beside itself to make sense. */
function beside(example: string): string {
  const [name] = example.split(":");
  const more: Readonly<Record<string, string>> = {
    region: "cloud: aws",
    zone: "cloud: aws",
    spot_recovery: "use_spot: true",
    accelerator_args: "accelerators: tpu-v2-8",
  };
  const extra = more[name ?? ""];
  return extra === undefined ? example : `${example}\n  ${extra}`;
}

function storageWith(example: string): string {
  if (example.startsWith("mode")) return `${example}\n    source: s3://bucket`;
  return example.startsWith("name") ? example : `${example}\n    name: a-bucket`;
}

function headerWith(example: string): string {
  if (example.startsWith("name")) return example;
  const execution = example.startsWith("execution") ? "" : "\nexecution: parallel";
  return `name: all${execution}\n${example}`;
}

const refusedFields = new Set(["service", "pool"]);

for (const [name, fields, whole] of tables) {
  test(`every example of the table of ${name} is right, for the schema too`, () => {
    for (const [field, { example }] of Object.entries(fields)) {
      const text = whole(example);
      const { documents, problems } = readYaml(text, "t.yaml");
      assert.deepEqual(problems, [], text);
      const read = dagOf({ documents: documents ?? [], flags: {}, world });
      const [first = ""] = text.split("\n---\n");
      const accepted = validate(parse(first));
      if (refusedFields.has(field)) {
        assert.ok(!read.ok && !accepted, `${field} is refused`);
        continue;
      }
      assert.ok(read.ok, `${text}\n${read.ok ? "" : problemsText(read.problems)}`);
      assert.ok(accepted, `${text}\n${JSON.stringify(validate.errors)}`);
    }
  });
}

test("every file of the page is right, for the schema too", () => {
  const page = taskFiles().get("task.md") ?? "";
  const files = [...page.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text = ""]) => text);
  assert.ok(files.some((text) => text.includes("execution: parallel")));
  for (const text of files) {
    const { documents = [], problems } = readYaml(text, "t.yaml");
    const read = dagOf({ documents, flags: {}, world });
    const all = [...problems, ...(read.ok ? [] : read.problems)];
    assert.equal(problemsText(all), "", text);
    for (const document of text.split("---\n")) {
      assert.ok(validate(parse(document)), `${document}\n${JSON.stringify(validate.errors)}`);
    }
  }
});

test("the schema takes the destinations that the validator takes, and no others", () => {
  const destinations: readonly (readonly [string, boolean])[] = [
    ...["/a", "~/a", "a/b", "./a", "~/.skyx", "a b", "$D/x", "~$D", "/a\nb"].map((path) => {
      return [path, true] as const;
    }),
    ...["/a/", "/", "~", "~/", "", "  ", "~bob/x", "~/.sky", "~/.sky/x", "a//"].map((path) => {
      return [path, false] as const;
    }),
  ];
  for (const [path, isRight] of destinations) {
    const envs = { D: "/d" };
    const text = JSON.stringify({ envs, file_mounts: { [path]: "/x" } });
    const { documents = [] } = readYaml(text, "t.yaml");
    assert.equal(dagOf({ documents, flags: {}, world }).ok, isRight, `validator: ${text}`);
    assert.equal(validate(JSON.parse(text)), isRight, `schema: ${text}`);
  }
});
