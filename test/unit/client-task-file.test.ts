// Task files: what is valid comes out typed, and every problem points at its place.
// The machine is a function: nothing here touches a disk.

import assert from "node:assert/strict";
import { test } from "node:test";
import { dagOf } from "../../client/task-dag.ts";
import { taskFromSpec } from "../../client/task-file.ts";
import type { TaskFlags } from "../../client/task-flags.ts";
import type { TaskWorld } from "../../client/task-path.ts";
import { absolutePath } from "../../client/task-path.ts";
import { isSkyError } from "../../model/errors.ts";
import type { Problem } from "../../model/problem.ts";
import { problemsText } from "../../model/problem.ts";
import type { Task } from "../../model/task.ts";
import { readYaml } from "../../model/yaml-tree.ts";
import { fc } from "../support/property.ts";

const world: TaskWorld = {
  cwd: "/here",
  home: "/users/ann",
  kindOf: (path) => {
    if (path.endsWith("/file")) return "file";
    return path.includes("nowhere") ? "missing" : "directory";
  },
};

function reading(text: string, flags: TaskFlags = {}) {
  const { documents, problems } = readYaml(text, "t.yaml");
  if (documents === undefined) return { task: undefined, problems, notes: [], needs: [] };
  const read = dagOf({ documents, flags, world });
  const [first] = read.ok ? read.tasks : [];
  return {
    task: first?.task,
    problems: [...problems, ...(read.ok ? [] : read.problems)],
    notes: first?.notes ?? [],
    needs: first?.needs ?? [],
  };
}

function taskIn(text: string, flags: TaskFlags = {}): Task {
  const { task, problems } = reading(text, flags);
  assert.ok(task !== undefined && problems.length === 0, problemsText(problems));
  return task;
}

function placeOf({ place }: Problem): string {
  return place.kind === "text" ? `${place.line}:${place.column}` : place.path;
}

test("an empty file is a task with defaults", () => {
  const nothing = { resources: {}, envs: {}, secrets: {}, priority: 0, maxRestarts: 0 };
  assert.deepEqual(taskIn(""), { numNodes: 1, ...nothing });
  assert.deepEqual(taskIn("# only a comment\n"), { numNodes: 1, ...nothing });
  assert.deepEqual(taskIn("resources:\nenvs:\n"), { numNodes: 1, ...nothing });
});

test("a whole task comes out typed", () => {
  const text = [
    "name: train.v1",
    "workdir: ~/code",
    "num_nodes: 4",
    "resources: {cloud: Local, cpus: 4+, memory: 16, accelerators: v100:0.5, use_spot: no}",
    "envs: {A: 1, B: x y}",
    "secrets: {TOKEN: s3cret}",
    "setup: pip install .",
    "run: |\n  echo hello\n  exit 0",
    "priority: -3",
    "max_restarts: 2",
    "file_mounts: {}",
  ];
  assert.deepEqual(taskIn(text.join("\n")), {
    name: "train.v1",
    workdir: "/users/ann/code",
    numNodes: 4,
    resources: {
      cloud: "local",
      cpus: { amount: 4, orMore: true },
      memoryGb: { amount: 16, orMore: false },
      accelerators: { name: "V100", count: 0.5 },
    },
    envs: { A: "1", B: "x y" },
    secrets: { TOKEN: "s3cret" },
    setup: "pip install .",
    run: "echo hello\nexit 0\n",
    priority: -3,
    maxRestarts: 2,
  });
});

test("a variable's value arrives as it was written", () => {
  const text = 'envs:\n  A: 010\n  B: 1.0\n  C: yes\n  D: 0x1F\n  E: "1e3 "\n  F: 1e3\n  G: ~ x\n';
  const envs = { A: "010", B: "1.0", C: "yes", D: "0x1F", E: "1e3 ", F: "1e3", G: "~ x" };
  assert.deepEqual(taskIn(text).envs, envs);
  const hard = "a 'b' \"c\" $d\n\\ é \u2603\n";
  assert.equal(taskIn(`envs: {H: ${JSON.stringify(hard)}}`).envs["H"], hard);
});

test("an alias without an anchor before it is a problem, wherever it stands", () => {
  const says = 'there is no anchor "common" before this';
  const cases = [
    ["run: *common", "1:6", says],
    ["envs: {A: *common}", "1:11", says],
    ["envs:\n  <<: *common\n  A: b", "2:7", says],
    ["file_mounts:\n  *common : x", "2:3", says],
    ["num_nodes: *common", "1:12", says],
    ["resources:\n  ports: [80, *common]", "2:15", says],
    ["*common", "1:1", says],
    ["setup: *common\nrun: &common x", "1:8", says],
    ["setup: &comon x\nrun: *common", "2:6", `${says}. Did you mean 'comon'?`],
    // An anchor is its document's.
    ["run: &common x\n---\nrun: *common", "3:6", says],
  ] as const;
  for (const [text, at, what] of cases) {
    const [first] = reading(text).problems;
    assert.equal(first && `${placeOf(first)} ${first.what}`, `${at} ${what}`, text);
  }
});

test("a number alone is no accelerator of a flag either", () => {
  const [problem] = reading("run: x", { gpus: "4" }).problems;
  assert.equal(
    problem && problemsText([problem]),
    '--gpus: "4" is a number alone: write it with a name, as in V100:4',
  );
  const other = taskIn("run: x", { gpus: "3080Ti:2" });
  assert.deepEqual(other.resources.accelerators, { name: "3080Ti", count: 2 });
});

test("an empty workdir is none, and that is noted", () => {
  for (const text of ['workdir: ""', 'envs: {D: ""}\nworkdir: $D']) {
    const { task, notes } = reading(text);
    assert.ok(task !== undefined && task.workdir === undefined, text);
    assert.match(problemsText(notes), /an empty workdir is none/);
  }
  assert.equal(taskIn("workdir: .", { workdir: "" }).workdir, undefined);
  assert.equal(taskIn("workdir: .").workdir, "/here");
});

test("what cannot be merged is a problem", () => {
  for (const [text, at] of [
    ["envs:\n  <<: five", "2:7"],
    ["envs:\n  <<: [{A: b}, 5]", "2:16"],
    ["envs: {<<: [[{A: b}]]}", "1:13"],
  ]) {
    const { problems } = reading(text ?? "");
    assert.equal(problems[0] && placeOf(problems[0]), at);
    assert.match(problemsText(problems), /<< merges a mapping or a list of mappings, not/);
  }
});

test("merge keys and aliases work", () => {
  const text = "envs: &e {A: 1, B: 2}\nsecrets:\n  <<: *e\n  B: 3\nrun: 'true'\n";
  assert.deepEqual(taskIn(text).secrets, { A: "1", B: "3" });
});

const wrong = [
  { text: "num_nodes: 0", at: "1:12", says: /num_nodes should be a positive int, not 0/ },
  { text: "num_nodes: -1", at: "1:12", says: /num_nodes should be a positive int, not -1/ },
  { text: "num_nodes: 2.2", at: "1:12", says: /num_nodes should be a positive int, not 2.2/ },
  { text: "num_nodes: 1.0", at: "1:12", says: /num_nodes should be a positive int, not 1.0/ },
  { text: "num_nodes: two", at: "1:12", says: /num_nodes should be a positive int, not "two"/ },
  { text: "num_nodes: '2'", at: "1:12", says: /positive int/ },
  { text: "num_nodes: true", at: "1:12", says: /positive int, not true/ },
  { text: "num_nodes: [1]", at: "1:12", says: /positive int, not a list/ },
  { text: "numnodes: 2", at: "1:1", says: /"numnodes" is no field.*'num_nodes'/ },
  { text: "qqqqqq: 2", at: "1:1", says: /"qqqqqq" is no field of a task; its fields are name/ },
  { text: "run: [a]", at: "1:6", says: /run should be a string, not a list/ },
  { text: "run:\n  a: b", at: "2:3", says: /run should be a string, not a mapping/ },
  { text: "setup: 5", at: "1:8", says: /setup should be a string, not 5/ },
  { text: "name: Bad Name", at: "1:7", says: /name should be made of/ },
  { text: "name: a---b", at: "1:7", says: /name should be made of/ },
  { text: "workdir: nowhere", at: "1:10", says: /"nowhere" \(\/here\/nowhere\) does not exist/ },
  { text: "workdir: /a/file", at: "1:10", says: /"\/a\/file" is not a directory/ },
  { text: "workdir: {ref: x}", at: "1:10", says: /workdir needs url/ },
  { text: "run: !!python/none x", at: "1:6", says: /not valid YAML: Unresolved tag/ },
  { text: "envs: [A]", at: "1:7", says: /envs should be a mapping/ },
  { text: "envs: {1A: x}", at: "1:8", says: /"1A" is no name of a variable/ },
  { text: "envs: {a-b: x}", at: "1:8", says: /"a-b" is no name of a variable/ },
  { text: "envs: {A: }", at: "1:11", says: /A has no value/ },
  { text: "envs: {A: [x]}", at: "1:11", says: /A should be a string, not a list/ },
  {
    text: "file_mounts: {/a: nowhere}",
    at: "1:19",
    says: /"nowhere" \(\/here\/nowhere\) does not/,
  },
  { text: "priority: high", at: "1:11", says: /priority should be an int/ },
  { text: "max_restarts: -1", at: "1:15", says: /at least 0/ },
  { text: "max_restarts: 5000000000", at: "1:15", says: /at most 2147483647/ },
  { text: "priority: 3000000000", at: "1:11", says: /to 2147483647/ },
  { text: "config: {grace_seconds: 4000}", at: "1:25", says: /from 0 to 3600/ },
  { text: "resources: 5", at: "1:12", says: /resources should be a mapping, not 5/ },
  { text: "resources: {cpu: 4}", at: "1:13", says: /"cpu" is no field of resources.*'cpus'/ },
  { text: "resources: {cpus: 0}", at: "1:19", says: /cpus should be a positive number/ },
  { text: "resources: {cpus: 4-}", at: "1:19", says: /cpus should be a positive number/ },
  { text: "resources: {memory: much}", at: "1:21", says: /memory should be .* GB/ },
  { text: "resources: {cloud: mars}", at: "1:20", says: /there is no cloud "mars"/ },
  { text: "resources: {infra: gcq/x}", at: "1:20", says: /no cloud "gcq".*'gcp'/ },
  {
    text: "resources: {region: us}",
    at: "1:21",
    says: /Cloud must be specified when region\/zone/,
  },
  { text: "resources: {cloud: local, use_spot: yes}", at: "1:37", says: /no spot machines/ },
  { text: "resources: {use_spot: 7}", at: "1:23", says: /true or false, not 7/ },
  { text: "resources: {accelerators: 5}", at: "1:27", says: /a name such as V100/ },
  { text: "resources: {accelerators: 'V100:x'}", at: "1:27", says: /"V100:x"/ },
  { text: "resources: {accelerators: 'V100:0'}", at: "1:27", says: /positive number/ },
  {
    text: "resources: {accelerators: 'V100:1.5'}",
    at: "1:27",
    says: /whole number above 1.*V100:2/,
  },
  { text: "resources: {accelerators: '4'}", at: "1:27", says: /"4" is a number alone.*V100:4/ },
  { text: "resources: {accelerators: '4:1'}", at: "1:27", says: /"4" is a number alone/ },
  { text: "resources: {accelerators: {4: 1}}", at: "1:31", says: /"4" is a number alone/ },
  { text: "resources: {accelerators: {4: }}", at: "1:28", says: /"4" is a number alone/ },
  { text: "resources: {accelerators: ['0.5']}", at: "1:28", says: /"0.5" is a number alone/ },
  { text: "resources: {accelerators: {V100: x}}", at: "1:34", says: /"V100:x"/ },
  { text: "run: a\nrun: b", at: "2:1", says: /"run" is given twice, first on line 1/ },
  { text: "- a", at: "1:1", says: /a task should be a mapping, not a list/ },
];

for (const { text, at, says } of wrong) {
  test(`${JSON.stringify(text)} has one problem, at ${at}`, () => {
    const { problems } = reading(text);
    assert.equal(problems.length, 1, problemsText(problems));
    const [problem] = problems;
    assert.ok(problem);
    assert.match(problem.what, says);
    assert.equal(placeOf(problem), at);
  });
}

test("all problems are told at once, each in its place", () => {
  const { problems } = reading("num_nodes: -1\nresorces: {}\nrun: 5\n");
  assert.deepEqual(problems.map(placeOf), ["1:12", "2:1", "3:6"]);
});

test("text that is no YAML has its place too", () => {
  const { task, problems } = reading("name: x\nrun: [a, b\nsetup: c\n");
  assert.equal(task, undefined);
  assert.ok(problems.length > 0);
  for (const problem of problems) assert.match(problem.what, /not valid YAML/);
});

test("what has no effect here is noted, not refused", () => {
  const { task, notes } = reading("resources: {disk_size: 100, ports: 80}\ninputs: {a: 1}\n");
  assert.ok(task !== undefined);
  assert.equal(notes.length, 3);
});

test("flags stand in the place of fields; none takes a field away", () => {
  const text = "num_nodes: 0\nresources: {cpus: 4, accelerators: V100}\nenvs: {A: 1, B: 2}\n";
  const envs = [
    { name: "B", value: "b=c" },
    { name: "C", value: "" },
  ];
  const task = taskIn(text, { numNodes: "3", gpus: "none", memory: "8+", envs });
  assert.equal(task.numNodes, 3);
  const memoryGb = { amount: 8, orMore: true };
  assert.deepEqual(task.resources, { cpus: { amount: 4, orMore: false }, memoryGb });
  assert.deepEqual(task.envs, { A: "1", B: "b=c", C: "" });
});

test("a problem of a flag names the flag", () => {
  const flags: TaskFlags = {
    ...{ numNodes: "0", cpus: "x", gpus: "V100:x", workdir: "nowhere", cloud: "aw" },
    envs: [{ name: "1A", value: "x" }],
  };
  const { problems } = reading("run: 'true'\n", flags);
  const places = problems.map(placeOf).sort();
  assert.deepEqual(places, ["--cloud", "--cpus", "--env", "--gpus", "--num-nodes", "--workdir"]);
});

test("an object of a program has the same rules, with the path as the place", () => {
  const spec = { num_nodes: 2, envs: { A: 1.5 }, resources: { accelerators: { a100: 2 } } };
  const task = taskFromSpec(spec, "task", world);
  assert.deepEqual(task.envs, { A: "1.5" });
  assert.deepEqual(task.resources.accelerators, { name: "A100", count: 2 });
  const wrongSpec = { num_nodes: 0, resources: { cpus: -1 }, runn: "x" };
  assert.throws(
    () => taskFromSpec(wrongSpec, "tasks[3]", world),
    (error: unknown) => {
      assert.ok(isSkyError(error, "task/invalid"));
      assert.match(error.message, /^tasks\[3\]\.num_nodes: num_nodes should be a positive int/m);
      assert.match(error.message, /^tasks\[3\]\.resources\.cpus: /m);
      assert.match(
        error.message,
        /^tasks\[3\]\.runn: "runn" is no field of a task\. Did you mean/m,
      );
      return true;
    },
  );
});

test("a caret stands under what is wrong, in long lines and after tabs too", () => {
  const long = `envs: {A: "${"x".repeat(300)}", 1B: "y"}`;
  const { problems } = reading(long);
  const [, source = "", caret = ""] = problemsText(problems).split("\n");
  assert.equal(source.slice(caret.indexOf("^"), caret.indexOf("^") + 2), "1B");
  assert.ok(source.length < 120);
});

test("no value makes the validator throw, and every place lies in the text", () => {
  const leaf = fc.oneof(fc.string(), fc.integer(), fc.double(), fc.boolean(), fc.constant(null));
  const key = fc.constantFrom(
    "name",
    "num_nodes",
    "resources",
    "cpus",
    "envs",
    "run",
    "accelerators",
  );
  const { node } = fc.letrec((tie) => ({
    node: fc.oneof(
      { maxDepth: 4 },
      leaf,
      fc.array(tie("node"), { maxLength: 3 }),
      fc.dictionary(key, tie("node"), { maxKeys: 5 }),
    ),
  }));
  fc.assert(
    fc.property(node, (value) => {
      const text = JSON.stringify(value, undefined, 1) ?? "";
      const lines = text.split("\n");
      for (const { place } of reading(text).problems) {
        assert.ok(place.kind === "text" && place.line <= lines.length, JSON.stringify(place));
        assert.equal(place.lineText, lines[place.line - 1]);
        assert.ok(place.column <= place.lineText.length + 1);
      }
    }),
    { numRuns: 300 },
  );
});

test("any text is read without a throw", () => {
  const piece = fc.constantFrom("a", ":", " ", "\n", "-", "[", "{", "}", '"', "&", "*", "<<", "\t");
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
      const text = pieces.join("");
      reading(text);
    }),
    { numRuns: 500 },
  );
});

test("paths start where the command runs", () => {
  const cases = [
    ["a/b", "/here/a/b"],
    ["./a/../b/", "/here/b"],
    ["~", "/users/ann"],
    ["~/x", "/users/ann/x"],
    ["~x", "/here/~x"],
    ["/a//b/.", "/a/b"],
    ["../..", "/"],
  ];
  for (const [text = "", wanted] of cases) assert.equal(absolutePath(text, world), wanted);
});
