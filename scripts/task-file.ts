// `npm run docs:task`: writes `docs/task.md`, the reference of the task file, and
// `docs/task.schema.json`, its schema for editors.
//
// Both come from the tables of fields that the validator reads, and say nothing else.
// `test/golden/task-file.test.ts` keeps them true.

import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { configFields } from "../client/task-config.ts";
import { header, headerFields } from "../client/task-dag.ts";
import { taskFields } from "../client/task-fields.ts";
import { type Fields, fieldsOf } from "../client/task-groups.ts";
import { definitions, resourceFields } from "../client/task-resources.ts";
import { storageFields } from "../client/task-storage.ts";

const docs = join(resolve(import.meta.dirname, ".."), "docs");

/** The files by name, as they should be. */
export function taskFiles(): ReadonlyMap<string, string> {
  return new Map([
    ["task.md", pageText()],
    ["task.schema.json", `${JSON.stringify(taskSchema(), undefined, 2)}\n`],
  ]);
}

/** The files as they are; empty if there is none. */
export function writtenTaskFiles(): ReadonlyMap<string, string> {
  return new Map(
    [...taskFiles().keys()].map((name) => [name, readFileSync(join(docs, name), "utf8")]),
  );
}

/** Of one document: a task, or the header of a file of several. */
export function taskSchema(): Readonly<Record<string, unknown>> {
  return {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "A task file of Skylet",
    type: ["object", "null"],
    if: { type: "object", required: ["execution"] },
    // biome-ignore lint/suspicious/noThenProperty: the word of JSON Schema.
    then: header.schema,
    else: { anyOf: [fieldsOf({ of: "a task", fields: taskFields }).schema, { type: "null" }] },
    definitions,
  };
}

interface Part {
  readonly title: string;
  readonly text: readonly string[];
  readonly fields: Fields;
  /** Behind the table: a whole file, where the examples are none by themselves. */
  readonly whole?: readonly string[];
}

const parts: readonly Part[] = [
  {
    title: "Fields of a task",
    text: [
      "All are optional. A value of null is as good as none. In `workdir`, `file_mounts` and `volumes`,",
      "`\u0024{NAME}` and `$NAME` stand for the variables of `envs`.",
    ],
    fields: taskFields,
  },
  {
    title: "resources",
    text: [
      "One wish, or a choice: `any_of`, `ordered`, or several accelerators. A field outside of the choice",
      "holds for every item that does not say it itself; labels of both are joined.",
    ],
    fields: resourceFields,
  },
  {
    title: "A storage in file_mounts",
    text: [
      "With `name` alone a bucket is made or used; with a local `source` and a `name` it is filled; with a",
      "URI for a `source` it is one that is there. All of these need a cloud.",
    ],
    fields: storageFields,
  },
  {
    title: "config",
    text: ["Settings that are others for this task."],
    fields: configFields,
  },
  {
    title: "The header of a file of several tasks",
    text: [
      "A file may hold several documents, with `---` between them: a chain of tasks, or a group. The first",
      "document may be a header: only a `name`, or a `name` and `execution`, with the other fields beside them.",
      "`sky launch` takes a single task.",
    ],
    fields: headerFields,
    whole: [
      "name: training",
      "execution: parallel",
      "primary_tasks: [train]",
      "termination_delay: 30s",
      "---",
      "name: train",
      "run: python train.py",
      "---",
      "name: watch",
      "run: python watch.py",
    ],
  },
];

const opening = [
  "# The task file",
  "",
  "A task says what to run, on what, with which files. The file is YAML; one written for SkyPilot is taken",
  "as it is. Whatever is wrong with it is told at once, each with file, line and column (`task/invalid`, exit",
  "code 2). What is right and cannot be had on this machine's local clusters is `cloud/needed` (exit code 1);",
  "`sky launch --dryrun` shows the plan first. Fields that begin with `_` are SkyPilot's own and refused.",
  "",
  "The tables are written by `npm run docs:task` from those that the validator reads, and so is",
  "[the schema for editors](task.schema.json). With the YAML plug-in of an editor, this line at the top of a",
  "file checks it while it is written:",
  "",
  "```yaml",
  "# yaml-language-server: $schema=docs/task.schema.json",
  "```",
];

function pageText(): string {
  return `${[...opening, ...parts.flatMap(partText)].join("\n")}\n`;
}

function partText({ title, text, fields, whole }: Part): readonly string[] {
  const rows = Object.entries(fields).map(([name, { kind, about, example }]) => {
    return `| \`${name}\` | ${cell(kind.called)} | ${cell(about)} | \`${cell(example)}\` |`;
  });
  return [
    "",
    `## ${title}`,
    "",
    ...text,
    "",
    "| Field | Is | Says | Example |",
    "|---|---|---|---|",
    ...rows,
    ...(whole === undefined ? [] : ["", "In a whole file:", "", "```yaml", ...whole, "```"]),
  ];
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("\n", " ");
}

function main(): void {
  for (const [name, text] of taskFiles()) writeFileSync(join(docs, name), text);
}

if (resolve(process.argv[1] ?? "") === import.meta.filename) main();
