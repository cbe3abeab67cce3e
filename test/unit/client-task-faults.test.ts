// Property: a valid task in any form of YAML has no problem, and one with a single fault has that
// problem, at its line and column, and no other. The schema for editors agrees.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Ajv } from "ajv";
import { parse } from "yaml";
import { dagOf } from "../../client/task-dag.ts";
import { taskFromSpec } from "../../client/task-file.ts";
import { isSkyError } from "../../model/errors.ts";
import { problemsText } from "../../model/problem.ts";
import { readYaml } from "../../model/yaml-tree.ts";
import { taskSchema } from "../../scripts/task-file.ts";
import { fc } from "../support/property.ts";
import { faults, faulty } from "../support/task-faults.ts";
import { taskWorld, validTask } from "../support/task-files.ts";
import { written } from "../support/task-text.ts";

const form = fc.integer({ min: 0, max: 2 ** 31 - 1 });
const inSchema = new Ajv({ allowUnionTypes: true }).compile(taskSchema());

function read(text: string) {
  const { documents, problems } = readYaml(text, "t.yaml");
  if (documents === undefined || problems.length > 0) return { ok: false, problems } as const;
  return dagOf({ documents, flags: {}, world: taskWorld });
}

function asData(text: string): unknown {
  return parse(text, { merge: true, logLevel: "silent", uniqueKeys: false }) ?? null;
}

test("a valid task in any form has no problem, for the schema neither", () => {
  fc.assert(
    fc.property(validTask, form, (task, drawn) => {
      const { text } = written(task, drawn);
      const reading = read(text);
      assert.ok(reading.ok, `${text}\n${reading.ok ? "" : problemsText(reading.problems)}`);
      assert.ok(inSchema(asData(text)), `${text}\n${JSON.stringify(inSchema.errors)}`);
    }),
    { numRuns: 300 },
  );
});

for (const fault of faults) {
  test(`one fault: ${fault.name}`, () => {
    fc.assert(
      fc.property(validTask, form, (task, drawn) => {
        const { text, line, column } = written(faulty(task, fault), drawn);
        const reading = read(text);
        const problems = reading.ok ? [] : reading.problems;
        assert.equal(problems.length, 1, `${text}\n${problemsText(problems)}`);
        const [problem] = problems;
        assert.ok(problem?.place.kind === "text");
        assert.match(problem.what, fault.says);
        const at = `${problem.place.line}:${problem.place.column}`;
        assert.equal(at, `${line}:${column}`, `${text}\n${problemsText(problems)}`);
        if (fault.inSchema) assert.ok(!inSchema(asData(text)), `the schema takes\n${text}`);
      }),
      { numRuns: 40 },
    );
  });
}

test("there are at least 40 kinds of faults, each with a name of its own", () => {
  const names = new Set(faults.map(({ name }) => name));
  assert.equal(names.size, faults.length);
  assert.ok(names.size >= 40);
});

test("any text and any value are read, or refused with task/invalid or cloud/needed", () => {
  const key = fc.constantFrom(
    ...["name", "resources", "any_of", "accelerators", "file_mounts", "envs", "config", "ports"],
    ...["image_id", "autostop", "infra", "secrets", "workdir", "timeout", "run", "labels", "~/x"],
  );
  const leaf = fc.oneof(fc.string(), fc.double(), fc.boolean(), fc.constant(null), fc.bigInt());
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 5 },
      leaf,
      fc.array(tie("value"), { maxLength: 3 }),
      fc.dictionary(key, tie("value"), { maxKeys: 5 }),
    ),
  }));
  const damage = fc.record({ at: fc.nat(), more: fc.string({ maxLength: 3 }) });
  const expected = (run: () => unknown) => {
    try {
      run();
    } catch (error) {
      const known = isSkyError(error, "task/invalid") || isSkyError(error, "cloud/needed");
      assert.ok(known, String(error));
    }
  };
  fc.assert(
    fc.property(value, (spec) => expected(() => taskFromSpec(spec, "task", taskWorld))),
    { numRuns: 1_000 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      expected(() => read(Buffer.from(bytes).toString("utf8")));
    }),
    { numRuns: 500 },
  );
  fc.assert(
    fc.property(validTask, form, damage, (task, drawn, { at, more }) => {
      const { text } = written(task, drawn);
      const cut = at % (text.length + 1);
      expected(() => read(`${text.slice(0, cut)}${more}${text.slice(cut + 1)}`));
    }),
    { numRuns: 500 },
  );
});
