// The builders of tasks, resources and dags: what they hold, and where their problems are.
//
// What is valid is the validator's business (client-task-file.test.ts); here it is that builders
// bring everything to it, with its place.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Dag, isSkyError, Resources, Task, type TaskSpec } from "../../client/index.ts";
import { treeOfTask } from "../../client/task-builder-os.ts";
import { taskOf } from "../../client/task-file.ts";
import { validatedTask, validatedTasks } from "../../client/task-intake-os.ts";
import { world } from "../../client/world-os.ts";
import { fc } from "../support/property.ts";

const folder = mkdtempSync(join(tmpdir(), "sky-builder-"));
after(() => rmSync(folder, { recursive: true }));

/** What a program without types may pass. */
function untyped(value: unknown): never {
  return value as never;
}

function refusal(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    assert.ok(isSkyError(error, "task/invalid"), String(error));
    return error.message;
  }
  return assert.fail("it was taken");
}

async function refusalOf(act: () => Promise<unknown>): Promise<string> {
  const outcome: unknown = await act().catch((error: unknown) => error);
  assert.ok(isSkyError(outcome, "task/invalid"), String(outcome));
  return outcome.message;
}

test("setters change the task, give it back, and null takes a field away", () => {
  const task = new Task({ name: "train", run: "a", num_nodes: 3 });
  const same = task
    .setRun("b")
    .setNumNodes(2)
    .setSetup("pip install")
    .setWorkdir(folder)
    .setPriority(5)
    .setMaxRestarts(1)
    .setName(null);
  assert.equal(same, task);
  assert.deepEqual(task.toSpec(), {
    ...{ run: "b", num_nodes: 2, setup: "pip install", workdir: folder },
    ...{ priority: 5, max_restarts: 1 },
  });
  assert.equal(task.name, undefined);
  assert.equal(task.setName("again").name, "again");
});

test("set takes the place of all, update only of the same names", () => {
  const task = new Task().setEnvs({ A: 1, B: true }).updateEnvs({ B: "two", C: 3 });
  assert.deepEqual(task.toSpec().envs, { A: "1", B: "two", C: "3" });
  assert.deepEqual(task.setEnvs(new Map([["D", "4"]])).toSpec().envs, { D: "4" });
  assert.deepEqual(
    task
      .setSecrets([["S", "x"]])
      .updateSecrets({ T: "y" })
      .toSpec().secrets,
    {
      ...{ S: "x", T: "y" },
    },
  );
  task.setFileMounts({ "~/a": "/a" }).updateFileMounts({ "~/b": "/b" });
  assert.deepEqual(task.toSpec().file_mounts, { "~/a": "/a", "~/b": "/b" });
  const twice = [
    ["A", "1"],
    ["A", "2"],
  ] as const;
  assert.equal(
    refusal(() => task.setEnvs(twice)),
    'task.envs: "A" is given twice',
  );
});

test("what was passed in may change afterwards, and what came out too", () => {
  const envs: Record<string, string> = { A: "1" };
  const task = new Task({ run: "true", envs });
  envs["A"] = "2";
  const spec = task.toSpec();
  assert.deepEqual(spec.envs, { A: "1" });
  Object.assign(spec, { run: "false" });
  assert.equal(task.toSpec().run, "true");
});

test("resources are values; a list is an order, a set is a choice", () => {
  const small = new Resources({ cpus: 1, accelerators: { V100: 1 } });
  const big = small.copy({ cpus: "8+", accelerators: { T4: 1 } });
  assert.deepEqual(small.toSpec(), { cpus: 1, accelerators: { V100: 1 } });
  assert.deepEqual(big.toSpec(), { cpus: "8+", accelerators: { T4: 1 } });
  const task = new Task().setResources(small);
  assert.deepEqual(task.toSpec().resources, small.toSpec());
  const ordered = { ordered: [small.toSpec(), { cpus: 2 }] };
  assert.deepEqual(task.setResources([small, { cpus: 2 }]).toSpec().resources, ordered);
  assert.deepEqual(Resources.ordered(small, { cpus: 2 }).toSpec(), ordered);
  const anyOf = { any_of: [small.toSpec(), big.toSpec()] };
  assert.deepEqual(task.setResources(new Set([small, big])).toSpec().resources, anyOf);
  assert.deepEqual(Resources.anyOf(small, big).toSpec(), anyOf);
});

test("a text is no task, and the refusal says what is", () => {
  for (const make of [() => new Task(untyped("echo hi")), () => validatedTask("echo hi", "task")]) {
    const said = refusal(make);
    assert.match(said, /^task: a text is no task$/m);
    assert.match(said, /help: a command is \{ run: "echo hi" \}, a file is await Task\.fromYaml/);
  }
  for (const wrong of [7, null, ["a"], undefined]) refusal(() => validatedTask(wrong, "task"));
});

test("a function is no command: its source is not run", () => {
  const run = (rank: number): string => `echo ${rank}`;
  assert.match(
    refusal(() => new Task({ run: untyped(run) })),
    /^task\.run: .*function/,
  );
  assert.match(
    refusal(() => new Task().setRun(untyped(run))),
    /^task\.run: .*function/,
  );
  assert.match(
    refusal(() => validatedTask({ run }, "task")),
    /^task\.run: .*function/,
  );
});

test("a file's problems have its lines, a setter's its field, an option's its name", async () => {
  const path = join(folder, "task.yaml");
  writeFileSync(path, "name: train\nnum_nodes: 2\nrun: |\n  true\n");
  const task = await Task.fromYaml(path);
  task.setMaxRestarts(-1);
  assert.match(
    refusal(() => task.validate()),
    /^task\.max_restarts: /,
  );
  task.setMaxRestarts(null);
  const shape = { numNodes: 0, cpus: "x" };
  const said = refusal(() => validatedTask(task, "task", { shape }));
  assert.match(said, /^options\.numNodes: /m);
  assert.match(said, /^options\.cpus: /m);

  writeFileSync(path, "name: train\nrun: echo\nnum_nodes: 0\n");
  const wrong = await refusalOf(() => Task.fromYaml(path));
  assert.match(wrong, new RegExp(`^${path}:3:12: num_nodes should be`, "m"));
});

test("options stand over the task's own, and do not mix with it", () => {
  const spec = { run: "true", resources: { cpus: 1, accelerators: { V100: 1 } } };
  const shape = { numNodes: 3, accelerators: { T4: 2 } };
  const task = validatedTask(spec, "task", { shape });
  assert.equal(task.numNodes, 3);
  assert.equal(task.resources.cpus?.amount, 1);
  assert.deepEqual(task.resources.accelerators, { name: "T4", count: 2 });
  const elsewhere = { run: "true", resources: { infra: "aws", cpus: 1 } };
  const here = validatedTask(elsewhere, "task", { shape: { cloud: "local", cpus: 2 } });
  assert.deepEqual([here.resources.cloud, here.resources.cpus?.amount], ["local", 2]);
  const far = { run: "true", resources: { infra: "aws/us-east-1" } };
  const near = validatedTask(far, "task", { shape: { cloud: "local" } });
  assert.deepEqual(near.resources, { cloud: "local" });
  const choices = { run: "true", resources: { any_of: [{ gpus: "V100" }, { gpus: "T4:1" }] } };
  const shaped = validatedTask(choices, "task", { shape: { accelerators: { A100: 2 } } });
  assert.deepEqual(shaped.resources.accelerators, { name: "A100", count: 2 });
});

test("what file mounts need does not matter where no files are brought", () => {
  const task = { run: "true", file_mounts: { "/b": "s3://bucket" } };
  const needed = (error: unknown) => isSkyError(error, "cloud/needed");
  assert.throws(() => validatedTask(task, "task"), needed);
  assert.equal(validatedTask(task, "task", { filesStay: true }).run, "true");
  const far = { ...task, resources: { cloud: "aws" } };
  assert.throws(() => validatedTask(far, "task", { filesStay: true }), needed);
});

test("variables of a file keep their text; overrides come before the check", async () => {
  const text = "run: echo\nenvs:\n  A: 010\n  B: 1.0\n  C:\n";
  assert.match(await refusalOf(() => Task.fromYamlText(text, { file: "x.yaml" })), /x\.yaml:5/);
  const task = await Task.fromYamlText(text, { envs: { C: "given" }, secrets: { S: "s" } });
  assert.deepEqual(task.toSpec().envs, { A: "010", B: "1.0", C: "given" });
  assert.deepEqual(task.toSpec().secrets, { S: "s" });
  const again = await Task.fromYamlText(await task.toYaml());
  assert.deepEqual(again.toSpec(), task.toSpec());
});

test("a file that is not there, is a folder or is no text is told by its path", async () => {
  const none = join(folder, "none.yaml");
  assert.equal(await refusalOf(() => Task.fromYaml(none)), `${none}: the file does not exist`);
  assert.match(await refusalOf(() => Task.fromYaml(folder)), /is a folder, not a file/);
  const bytes = join(folder, "bytes.yaml");
  writeFileSync(bytes, Buffer.from([0x72, 0xff, 0xfe]));
  assert.match(await refusalOf(() => Task.fromYaml(bytes)), /UTF-8/);
});

test("many tasks have all their problems told at once", () => {
  const said = refusal(() => validatedTasks([{ num_nodes: 0 }, { run: "a" }, { runn: "b" }, "c"]));
  assert.match(said, /^tasks\[0\]\.num_nodes: /m);
  assert.match(said, /^tasks\[2\]\.runn: /m);
  assert.match(said, /^tasks\[3\]: a text is no task/m);
  assert.doesNotMatch(said, /tasks\[1\]/);
});

test("a dag of one task is that task; of several, it is refused by a sentence", () => {
  const one = new Task({ run: "a" });
  assert.equal(validatedTask(new Dag().add(one), "task").run, "a");
  assert.match(
    refusal(() => validatedTask(new Dag(), "task")),
    /the dag has no task/,
  );
  const two = new Dag().chain(one, { run: "b" });
  assert.match(
    refusal(() => validatedTask(two, "task")),
    /a dag of 2 tasks is a pipeline/,
  );
});

test("a dag knows its order, and takes no circle", async () => {
  const [a, b, c] = [new Task({ name: "a" }), new Task({ name: "b" }), new Task({ name: "c" })];
  const dag = new Dag({ name: "nightly" }).chain(b, c).chain(a, b);
  assert.deepEqual(dag.tasks, [b, c, a]);
  assert.equal(dag.isChain(), true);
  assert.equal(dag.chain(a, b).edges.length, 2, "an edge is there once");
  assert.equal(
    refusal(() => dag.chain(c, a)),
    "dag: a cannot come after c, which comes after it",
  );
  assert.equal(await dag.toYaml(), "name: nightly\n---\nname: a\n---\nname: b\n---\nname: c\n");
  const fork = new Dag().chain(a, b).chain(a, c);
  assert.equal(fork.isChain(), false);
  assert.match(await refusalOf(() => fork.toYaml()), /only a chain/);
  assert.equal(new Dag().add(a, b).isChain(), false);
  assert.equal(new Dag().add(a).isChain(), true);
});

test("whatever a task holds, its YAML is the same task again", async () => {
  const line = fc.string({ unit: "binary", maxLength: 40 });
  const scalar = fc.oneof(line, fc.integer(), fc.boolean(), fc.constantFrom("010", "1.0", "~"));
  const variables = fc.dictionary(fc.stringMatching(/^[A-Z]{1,8}$/), scalar, { maxKeys: 4 });
  const script = fc.array(line, { maxLength: 4 }).map((lines) => lines.join("\n"));
  const specs = fc.record(
    { envs: variables, secrets: variables, run: script, setup: script, num_nodes: fc.nat(9) },
    { requiredKeys: [] },
  );
  const property = fc.asyncProperty(specs, async (spec) => {
    const task = new Task(spec as TaskSpec);
    const text = await new Dag().add(task).toYaml();
    const again = await Dag.fromYamlText(text).catch((error: unknown) => {
      assert.ok(isSkyError(error, "task/invalid"), String(error));
      return undefined;
    });
    const reading = taskOf(treeOfTask(task), {}, { world: world() });
    assert.equal(again !== undefined, reading.ok, "one is valid where the other is");
    if (again !== undefined) {
      assert.deepEqual(validatedTask(again, "task"), validatedTask(task, "task"));
    }
  });
  await fc.assert(property, { numRuns: 500 });
});
