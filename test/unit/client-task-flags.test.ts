// Flags over a task, dotenv files, files of several tasks, and the text of a dry run.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parseDotenv } from "../../client/dotenv.ts";
import { planText } from "../../client/dryrun.ts";
import { dagOf } from "../../client/task-dag.ts";
import type { TaskFlags } from "../../client/task-flags.ts";
import { problemsText } from "../../model/problem.ts";
import { treeOf } from "../../model/value-tree.ts";
import { readYaml } from "../../model/yaml-tree.ts";
import { taskWorld } from "../support/task-files.ts";

function dag(text: string, flags: TaskFlags = {}) {
  const { documents = [], problems } = readYaml(text, "t.yaml");
  assert.deepEqual(problems, []);
  return dagOf({ documents, flags, world: taskWorld });
}

function only(text: string, flags: TaskFlags = {}) {
  const reading = dag(text, flags);
  assert.ok(reading.ok, reading.ok ? "" : problemsText(reading.problems));
  const [task] = reading.tasks;
  assert.ok(task);
  return task;
}

function problemsOf(text: string, flags: TaskFlags = {}): readonly string[] {
  const reading = dag(text, flags);
  return (reading.ok ? [] : reading.problems).map(({ place, what }) => {
    return `${place.kind === "text" ? `${place.line}:${place.column}` : place.path}: ${what}`;
  });
}

const choices = "resources: {cpus: 2, any_of: [{infra: aws, use_spot: yes, gpus: A}, {cpus: 8}]}";

test("a flag holds for every wish of a choice", () => {
  const flags = { infra: "local", gpus: "B:2", useSpot: false, ports: ["80,90", "100-200"] };
  const { choice } = only(choices, flags);
  for (const { wanted } of choice.wishes) {
    assert.equal(wanted.cloud, "local");
    assert.deepEqual(wanted.accelerators, { kind: "named", name: "B", count: 2 });
    assert.equal(wanted.use_spot, false);
    assert.equal(wanted.ports?.length, 3);
  }
  assert.deepEqual(
    choice.wishes.map(({ wanted }) => wanted.cpus?.amount),
    [2, 8],
  );
  const fewer = only(choices, { cpus: "16" }).choice.wishes.map(
    ({ wanted }) => wanted.cpus?.amount,
  );
  assert.deepEqual(fewer, [16, 16]);
  const none = only(choices, { gpus: "none", infra: "NONE" }).choice.wishes[0]?.wanted;
  assert.deepEqual(none, { cpus: { amount: 2, orMore: false }, use_spot: true });
});

test("a flag for one part of a place leaves the others of infra", () => {
  const text = "resources: {infra: aws/us-east-1/us-east-1a}";
  const [wish] = only(text, { zone: "us-east-1b" }).choice.wishes;
  const { cloud, region, zone } = wish?.wanted ?? {};
  assert.deepEqual([cloud, region, zone], ["aws", "us-east-1", "us-east-1b"]);
  const [local] = only(text, { cloud: "local" }).choice.wishes;
  assert.deepEqual(local?.wanted, { cloud: "local" });
  const [same] = only(text, { cloud: "AWS", zone: "us-east-1b" }).choice.wishes;
  assert.deepEqual(same?.wanted, { cloud: "aws", region: "us-east-1", zone: "us-east-1b" });
  const several = "resources: {cloud: aws, any_of: [{region: x}, {infra: gcp/y}, {cpus: 2}]}";
  for (const { wanted } of only(several, { cloud: "local" }).choice.wishes) {
    assert.deepEqual([wanted.cloud, wanted.region], ["local", undefined]);
  }
  const [elsewhere] = only("resources: {cloud: aws, region: x}", { infra: "local" }).choice.wishes;
  assert.deepEqual(elsewhere?.wanted, { cloud: "local" });
});

test("config, priority and repositories of flags", () => {
  const config = [treeOf({ grace_seconds: 1 }, "--config"), treeOf({ lease_seconds: 9 }, "x")];
  const { task } = only("config: {grace_seconds: 5}\npriority: 3", { config, priority: "none" });
  assert.deepEqual(task.config, { graceMs: 1_000, leaseMs: 9_000 });
  assert.equal(task.priority, 0);
  assert.equal(only("priority: 3", { priority: "-4" }).task.priority, -4);
  const { needs } = only("workdir: .", { gitUrl: "https://x/y.git", gitRef: "main" });
  assert.match(needs[0]?.what ?? "", /a workdir from git \(https:\/\/x\/y.git\) needs a cloud/);
  assert.deepEqual(problemsOf("run: x", { gitRef: "main" }), ["--git-ref: workdir needs url"]);
});

test("the file, then --env-file, then --env; a declared secret is filled by all", () => {
  const flags = {
    envFile: [
      { name: "A", value: "file" },
      { name: "B", value: "file" },
      { name: "S", value: "file" },
    ],
    envs: [{ name: "B", value: "flag" }],
    secretFile: [{ name: "T", value: "file" }],
    secrets: [{ name: "T", value: "flag" }],
  };
  const { task } = only("envs: {A: yaml, C: yaml}\nsecrets: {S: , T: }", flags);
  assert.deepEqual(task.envs, { A: "file", C: "yaml", B: "flag" });
  assert.deepEqual(task.secrets, { S: "file", T: "flag" });
  const missing = problemsOf("envs: {A: null, B: ~}\nsecrets: {S: }");
  assert.equal(missing.length, 3);
  assert.match(missing.join("\n"), /--env A=VALUE[\s\S]*--env B=VALUE[\s\S]*--secret S=VALUE/);
});

test("a registry's three variables go together, wherever they are", () => {
  const three = "envs: {SKYPILOT_DOCKER_USERNAME: u, SKYPILOT_DOCKER_SERVER: s}\n";
  assert.equal(problemsOf(three).length, 1);
  assert.deepEqual(problemsOf(`${three}secrets: {SKYPILOT_DOCKER_PASSWORD: p}`), []);
});

test("a problem of a flag names the flag", () => {
  const flags = { diskTier: "x", networkTier: "y", localDisk: "z", ports: ["0"], priority: "p" };
  const told = problemsOf("run: x", flags).map((text) => text.split(":")[0]);
  const wanted = ["--disk-tier", "--local-disk", "--network-tier", "--ports", "--priority"];
  assert.deepEqual(told.sort(), wanted);
});

test("a file of several tasks is a chain, with or without a header", () => {
  const chain = dag("name: all\n---\nname: a\nrun: x\n---\n\n---\nname: b\nrun: y\n");
  assert.ok(chain.ok);
  assert.deepEqual([chain.name, chain.execution], ["all", "serial"]);
  assert.deepEqual(
    chain.tasks.map(({ task }) => task.name),
    ["a", "b"],
  );
  const bare = dag("run: x\n---\nrun: y\n");
  assert.ok(bare.ok && bare.tasks.length === 2 && bare.name === undefined);
  const one = dag("---\nname: a\n---\n");
  assert.ok(one.ok && one.tasks.length === 1 && one.name === "a");
  const empty = dag("");
  assert.ok(empty.ok && empty.tasks.length === 1);
});

test("a group has a header of its own, and names for its tasks", () => {
  const header = "name: g\nexecution: parallel\nprimary_tasks: [a]\ntermination_delay: 30s\n";
  const group = dag(`${header}---\nname: a\n---\nname: b\n`);
  assert.ok(group.ok);
  assert.equal(group.execution, "parallel");
  assert.match(problemsOf(`${header}---\nname: a\n---\nname: a\n`).join(), /8:7: "a" is the name/);
  assert.match(problemsOf(`${header}---\nrun: a\n`).join(), /6:1: a task of a group should/);
  assert.match(problemsOf("execution: parallel\n---\nname: a\n").join(), /1:1: the header needs/);
  const wrong = problemsOf("name: x\n---\nrunn: a\n---\nnum_nodes: 0\n");
  assert.match(wrong.join("\n"), /^3:1: "runn"[\s\S]*5:12: num_nodes/);
});

const dotenv: readonly (readonly [text: string, values: Readonly<Record<string, string>>])[] = [
  ["A=1\nB = two words # c\n\n# x\n  export C=3", { A: "1", B: "two words", C: "3" }],
  ["A=a#b\nB=#c\nC=", { A: "a#b", B: "", C: "" }],
  [
    "A=\"x\\ny\\t\\\"q\\\"\" # c\nB='x\\ny \\'q\\' $N ${A}'",
    { A: 'x\ny\t"q"', B: "x\\ny 'q' $N ${A}" },
  ],
  ['A="two\nlines"\nB=1', { A: "two\nlines", B: "1" }],
  ['A=1\nB=${A}2\nC="${HERE}-${NOT:-d}-${NOT}"', { A: "1", B: "12", C: "here-d-" }],
  ["HERE\nA=1\r\n", { HERE: "here", A: "1" }],
  ["A=1\nA=2", { A: "2" }],
  ["", {}],
];

for (const [text, values] of dotenv) {
  test(`dotenv ${JSON.stringify(text)}`, () => {
    const reading = parseDotenv(text, ".env", { HERE: "here" });
    assert.ok(reading.ok, reading.ok ? "" : problemsText(reading.problems));
    assert.deepEqual(Object.fromEntries(reading.values.map((v) => [v.name, v.value])), values);
  });
}

const noDotenv = [
  { text: "A=1\n=2", at: ".env:2:1: this should be KEY=VALUE" },
  { text: "a b=s3cret\nB=1", at: ".env:1:1: this should be KEY=VALUE" },
  { text: 'A="open\nB=1', at: ".env:1:3: the quote of A is not closed" },
  { text: "A='x' s3cret", at: ".env:1:7: this should be a comment or the end" },
  { text: "  NOT_HERE\nB=1", at: ".env:1:3: NOT_HERE has no value here and is not set in" },
];

for (const { text, at } of noDotenv) {
  test(`dotenv ${JSON.stringify(text)} is wrong, and nothing of it is shown`, () => {
    const reading = parseDotenv(text, ".env", {});
    assert.ok(!reading.ok);
    const told = problemsText(reading.problems);
    assert.ok(told.startsWith(at), told);
    assert.ok(!told.includes("s3cret") && !told.includes("\n"), told);
  });
}

test("a dry run shows the whole plan, and why", () => {
  const text = [
    "name: t\nnum_nodes: 2\nworkdir: /w\ntimeout: 90m\npriority: 3\nmax_restarts: 2",
    "resources: {any_of: [{cloud: aws}, {cpus: 4, ports: 80}], autostop: 10}",
    "envs: {A: 1}\nsecrets: {S: x}\nconfig: {grace_seconds: 30}",
    "file_mounts: {~/d: /data, /b: s3://bucket}",
    "setup: make\nrun: |\n  a\n  b\n  c",
  ];
  const reading = only(text.join("\n"));
  const { task } = reading;
  const lines = planText({ cluster: "demo", task, reading, status: "it is UP" }).split("\n");
  assert.deepEqual(lines, [
    "Cluster demo: 2x Local(cpus=4), task t.",
    "  cluster    it is UP",
    "  resources  aws: needs a cloud (cloud)",
    "  resources  cpus=4: taken, any of these that local can do",
    "  workdir    /w -> ~/sky_workdir",
    "  files      /data -> ~/d",
    "  bucket     s3://bucket -> /b",
    "  variables  A, S (secret)",
    "  setup      make",
    "  run        a (and 2 more lines)",
    "  timeout    1h30m",
    "  priority   3",
    "  restarts   at most 2",
    "  grace      30s",
    "  autostop   after 10m idle",
    "  note       ports has no effect on the local cloud",
  ]);
  const flag = { idleSeconds: 90, down: true };
  const over = planText({ cluster: "demo", task, autostop: flag, reading, status: "x" });
  assert.match(over, /^ {2}autodown {3}after 1m30s idle$/m);
  const far = only("resources: {cloud: aws, region: r, use_spot: yes}");
  const shape = planText({ cluster: "c", task: far.task, reading: far, status: "x" }).split(
    "\n",
  )[0];
  assert.equal(shape, "Cluster c: 1x aws(r, spot), nothing to run.");
});
