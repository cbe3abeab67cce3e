// Resources, files and choices of a task: what comes out typed, what needs a cloud and where that
// is told, and what flags do to all of it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { localSkills } from "../../client/task-clouds.ts";
import { dagOf } from "../../client/task-dag.ts";
import type { ReadTask } from "../../client/task-file.ts";
import type { TaskFlags } from "../../client/task-flags.ts";
import type { Problem } from "../../model/problem.ts";
import { problemsText } from "../../model/problem.ts";
import { treeOf } from "../../model/value-tree.ts";
import { readYaml } from "../../model/yaml-tree.ts";
import { taskWorld } from "../support/task-files.ts";

function read(text: string, flags: TaskFlags = {}): ReadTask {
  const { documents = [], problems } = readYaml(text, "t.yaml");
  const reading = dagOf({ documents, flags, world: taskWorld });
  const all = [...problems, ...(reading.ok ? [] : reading.problems)];
  assert.ok(reading.ok && all.length === 0, problemsText(all));
  const [task] = reading.tasks;
  assert.ok(task);
  return task;
}

function wished(fields: string, flags: TaskFlags = {}): ReadTask {
  return read(`resources: {${fields}}`, flags);
}

function placeOf({ place }: Problem): string {
  return place.kind === "text" ? `${place.line}:${place.column}` : place.path;
}

const exact = (amount: number) => ({ amount, orMore: false });

test("a number that YAML 1.1 reads in another way is a problem that names both readings", () => {
  const problemOf = (text: string): string => {
    const { documents = [] } = readYaml(text, "t.yaml");
    const reading = dagOf({ documents, flags: {}, world: taskWorld });
    return reading.ok ? "" : reading.problems.map(({ what }) => what).join("\n");
  };
  const both = (name: string) => `${name}: 010 is 10 to YAML 1.2 and 8 to YAML 1.1: write 10 or 8`;
  for (const name of ["num_nodes", "priority", "max_restarts", "timeout"]) {
    assert.equal(problemOf(`${name}: 010`), both(name));
  }
  for (const name of ["cpus", "memory", "disk_size", "ports", "autostop", "max_hourly_cost"]) {
    assert.equal(problemOf(`resources: {${name}: 010}`), both(name));
  }
  assert.equal(problemOf("resources: {gpus: {V100: 010}}"), both("V100"));
  assert.equal(problemOf("resources: {autostop: {idle_minutes: 010}}"), both("idle_minutes"));
  assert.equal(problemOf("config: {grace_seconds: 010}"), both("grace_seconds"));
  assert.match(problemOf("resources: {ports: [80, 010]}"), /010 is 10 to YAML 1.2 and 8 to/);
  assert.match(problemOf("priority: -010"), /-010 is -10 to YAML 1.2 and -8 to .*-10 or -8$/);
  assert.match(problemOf("num_nodes: 08"), /08 is 8 to YAML 1.2 and a text to .*: write 8$/);
  // One reading, or no YAML.
  for (const text of ["num_nodes: 07", 'resources: {cpus: "010"}', "resources: {cpus: 010.5}"]) {
    assert.equal(problemOf(text), "", text);
  }
  assert.equal(read("run: x", { numNodes: "010" }).task.numNodes, 10);
});

test("every field of resources comes out typed", () => {
  const fields = [
    "cpus: 4+, memory: 512MB, accelerators: a100-80gb:2, disk_size: 1TB, disk_tier: HIGH",
    "network_tier: best, local_disk: ssd:500, max_hourly_cost: 1.5, ports: [80, 9000-9010]",
    "labels: {a: b}, job_recovery: {strategy: failover, recover_on_exit_codes: 33}",
    "image_id: 'docker:ubuntu', priority_class: high, volumes: [{path: /v, name: x}]",
    "use_spot: yes, spot_recovery: failover, instance_type: big, infra: aws/us-east-1/us-east-1a",
  ];
  const [wish] = wished(fields.join(", ")).choice.wishes;
  assert.deepEqual(wish?.wanted, {
    ...{ cloud: "aws", region: "us-east-1", zone: "us-east-1a", instance_type: "big" },
    ...{ cpus: { amount: 4, orMore: true }, memory: exact(0.5) },
    accelerators: { kind: "named", name: "A100-80GB", count: 2 },
    ...{ disk_size: 1_024, disk_tier: "high", network_tier: "best", max_hourly_cost: 1.5 },
    local_disk: { mode: "ssd", size: exact(500) },
    ports: [
      { first: 80, last: 80 },
      { first: 9_000, last: 9_010 },
    ],
    labels: { a: "b" },
    job_recovery: { strategy: "FAILOVER", recover_on_exit_codes: [33] },
    image_id: { container: "ubuntu" },
    ...{ priority_class: "high", use_spot: true, spot_recovery: "FAILOVER" },
    volumes: [{ path: "/v", name: "x" }],
  });
});

const needing: readonly (readonly [fields: string, ...places: string[]])[] = [
  ["cloud: aws", '1:20: cloud "aws"'],
  ["cloud: aws, region: us-east-1", '1:20: cloud "aws"', '1:33: region "us-east-1"'],
  ["infra: gcp/us-central1", '1:20: infra "gcp/us-central1"'],
  ["infra: '*/us-east-1'", '1:20: infra "*/us-east-1"'],
  ["use_spot: true", "1:23: use_spot true"],
  ["use_spot: yes, spot_recovery: FAILOVER", '1:23: use_spot "yes"'],
  ["instance_type: m5.large", '1:28: instance_type "m5.large"'],
  ["image_id: docker:ubuntu", '1:23: image_id "docker:ubuntu"'],
  ["gpus: tpu-v2-8", '1:19: gpus "tpu-v2-8"'],
  ["accelerators: 80GB+:2", '1:27: accelerators "80GB+:2"'],
  ["local_disk: nvme", '1:25: local_disk "nvme"'],
  ["volumes: [{path: /v}]", "1:22: volumes"],
  ["any_of: [{cloud: aws}, {cloud: gcp}]", '1:30: cloud "aws"', '1:44: cloud "gcp"'],
];

for (const [fields, ...places] of needing) {
  test(`${fields} needs a cloud, and says where`, () => {
    const { needs, choice } = wished(fields);
    const told = needs.map((problem) => `${placeOf(problem)}: ${problem.what}`);
    assert.deepEqual(
      told,
      places.map((place) => `${place} needs a cloud: see \`sky check\``),
    );
    assert.equal(choice.taken, undefined);
  });
}

test("what asks for nothing needs nothing", () => {
  const { needs, task } = wished("use_spot: no, job_recovery: none, disk_tier: none, infra: '*'");
  assert.deepEqual(needs, []);
  assert.deepEqual(task.resources, {});
});

test("buckets, volumes and repositories need a cloud", () => {
  const text = [
    "workdir: {url: https://x/y.git}",
    "file_mounts: {/a: s3://b/c, /d: {name: my-bucket}, ~/e: some file}",
    "volumes: {/v: vol}",
    "secrets: [secrets:TOKEN]",
  ];
  const { needs, task, buckets } = read(text.join("\n"));
  assert.deepEqual(needs.map(placeOf).sort(), ["1:10", "2:19", "2:33", "3:10", "4:10"]);
  assert.deepEqual(task.fileMounts, [{ destination: "~/e", source: "/here/some file" }]);
  assert.deepEqual(
    buckets.map(({ destination }) => destination),
    ["/a", "/d"],
  );
});

test("of a choice the first wish that can be had is taken, over the fields outside of it", () => {
  const fields = "cpus: 2, labels: {a: b}, any_of: [{cloud: aws}, {cpus: 8, labels: {c: d}}]";
  const { choice, task, needs } = wished(fields);
  assert.deepEqual([choice.kind, choice.taken, choice.cloud, needs], ["any-of", 1, "local", []]);
  assert.deepEqual(task.resources, { cpus: exact(8) });
  assert.deepEqual(choice.wishes[1]?.wanted.labels, { a: "b", c: "d" });
  assert.deepEqual(choice.wishes[0]?.lacks, ["cloud"]);
});

test("an item's place stands in the place of the one outside, whichever field says it", () => {
  const { choice } = wished("cloud: aws, region: us-east-1, ordered: [{infra: gcp}, {region: x}]");
  const places = choice.wishes.map(({ wanted }) => [wanted.cloud, wanted.region]);
  assert.deepEqual(places, [
    ["gcp", undefined],
    ["aws", "x"],
  ]);
});

test("several accelerators are a choice, in each item of another", () => {
  const names = ({ choice }: ReadTask) =>
    choice.wishes.map(({ wanted: { accelerators: a } }) =>
      a?.kind === "named" ? a.name : a?.kind,
    );
  assert.deepEqual(names(wished("accelerators: [H100:8, A100]")), ["H100", "A100"]);
  assert.deepEqual(names(wished("accelerators: {A: 1, B: , 'C:2': }")), ["A", "B", "C"]);
  assert.deepEqual(names(wished("accelerators: [{A: 1}, 'B:2', {C: }]")), ["A", "B", "C"]);
  const both = wished("accelerators: {A: 1, B: 2}, any_of: [{cpus: 2}, {cpus: 4}]");
  assert.deepEqual(names(both), ["A", "B", "A", "B"]);
  assert.equal(wished("accelerators: [H100:8, A100]").choice.kind, "ordered");
  assert.deepEqual(wished("accelerators: {}").task.resources, {});
});

test("an uncommon name of an accelerator is taken, and a close one is noted", () => {
  const { notes, task } = wished("accelerators: A1O0:4");
  assert.deepEqual(task.resources.accelerators, { name: "A1O0", count: 4 });
  assert.match(notes[0]?.what ?? "", /A1O0 is no common name.*'A100'/);
  assert.deepEqual(wished("accelerators: MyOwnChip:4").notes, []);
});

test("another cloud that is enabled does what it can", () => {
  const cloudy = { ...localSkills, name: "aws", does: new Set([...localSkills.does, "region"]) };
  const tree = treeOf({ resources: { cloud: "aws", region: "us-east-1" } }, "task");
  const clouds = [localSkills, cloudy] as const;
  const reading = dagOf({
    documents: [tree],
    flags: {},
    world: taskWorld,
    clouds: clouds as never,
  });
  assert.ok(reading.ok);
  assert.deepEqual(reading.tasks[0]?.needs, []);
  assert.equal(reading.tasks[0]?.choice.cloud, "aws");
});

test("timeout, autostop, config and priority come out in their units", () => {
  const text = [
    "timeout: 1h30m",
    "resources: {autostop: {idle_minutes: 10, down: true}, priority: 7}",
    "config: {grace_seconds: 2.5, lease_seconds: 0, local: {isolation: process}}",
  ];
  const { task } = read(text.join("\n"));
  assert.equal(task.timeoutMs, 5_400_000);
  assert.deepEqual(task.autostop, { idleSeconds: 600, down: true });
  assert.deepEqual(task.config, { graceMs: 2_500, leaseMs: 0, isolation: "process" });
  assert.equal(task.priority, 7);
  const times = { "3600": 3_600_000, '"90s"': 90_000, "10m": 600_000, "2d": 172_800_000 };
  for (const [written, ms] of Object.entries(times)) {
    assert.equal(read(`timeout: ${written}`).task.timeoutMs, ms);
  }
  const stops = { true: 0, 10: 600, "10m": 600, "1h": 3_600, 0: 0 };
  for (const [written, idleSeconds] of Object.entries(stops)) {
    assert.deepEqual(wished(`autostop: ${written}`).task.autostop, { idleSeconds, down: false });
  }
  assert.equal(wished("autostop: false").task.autostop, undefined);
});

test("sections of SkyPilot's config are noted, and so is what is in vain", () => {
  const text = [
    "config: {kubernetes: {pod_config: {}}, jobs: {}}",
    "resources: {ports: 80, disk_size: 10, autostop: {wait_for: none}, job_recovery: failover}",
    "inputs: {s3://x: 1}\nevent_callback: echo\napi_server_access: false",
  ];
  const notes = read(text.join("\n")).notes.map(({ what }) => what);
  const wanted = [
    ...[/^kubernetes has no effect without that cloud/, /^jobs has no effect here/, /^inputs has/],
    ...[/^event_callback has/, /^api_server_access/, /^ports has no effect on the local/],
    ...[/^disk_size/, /^wait_for of autostop/, /^job_recovery/],
  ];
  assert.equal(notes.length, wanted.length, notes.join("\n"));
  for (const one of wanted)
    assert.ok(
      notes.some((note) => one.test(note)),
      String(one),
    );
});

test("variables are filled in where SkyPilot does it, and messages show what was typed", () => {
  const text = [
    "envs: {DIR: data, N: 3}",
    "workdir: ~/${DIR}",
    "file_mounts: {/m/$N: ./$DIR/x, /$NOPE: y, '/b/${N}': 's3://b-$N'}",
    "run: echo $DIR",
  ];
  const { task, buckets } = read(text.join("\n"));
  assert.equal(task.workdir, "/users/ann/data");
  assert.equal(task.run, "echo $DIR");
  assert.deepEqual(task.fileMounts, [
    { destination: "/m/3", source: "/here/data/x" },
    { destination: "/$NOPE", source: "/here/y" },
  ]);
  assert.deepEqual(buckets, [{ destination: "/b/3", source: "s3://b-3" }]);
  const { documents = [] } = readYaml("envs: {X: nowhere}\nfile_mounts: {/a: $X/b}", "t.yaml");
  const wrong = dagOf({ documents, flags: {}, world: taskWorld });
  assert.match(
    wrong.ok ? "" : problemsText(wrong.problems),
    /"\$X\/b" \(\/here\/nowhere\/b\) does/,
  );
});

test("destinations come out as nodes take them", () => {
  const text = "file_mounts: {~//a/./b: x, ./c/../d: x, /e/../f: x, g: x}";
  const destinations = read(text).task.fileMounts?.map(({ destination }) => destination);
  assert.deepEqual(destinations, ["~/a/b", "d", "/f", "g"]);
});

const noDestinations = [
  ...["'/'", "'~'", "'.'", "'~/'", "''", "../x", "~/../x", "~bob/x", "'~/sky_workdir/'", "/.."],
  ...["'/a/'", "~/.sky", "'~/.sky/'", "~/.sky/file_mounts/a", "~/x/.././.sky/b"],
];

test("the node's own state is named where a mount would cover it", () => {
  const { documents = [] } = readYaml("file_mounts: {~/.sky/x: x, ~/.skyx: x}", "t.yaml");
  const reading = dagOf({ documents, flags: {}, world: taskWorld });
  const problems = reading.ok ? [] : reading.problems.map((one) => `${placeOf(one)} ${one.what}`);
  const what = 'the destination "~/.sky/x" of a file mount is in ~/.sky, the node\'s own state';
  assert.deepEqual(problems, [`1:15 ${what}: name another path`]);
});

for (const destination of noDestinations) {
  test(`${destination} is no destination`, () => {
    const { documents = [] } = readYaml(`file_mounts: {${destination}: x}`, "t.yaml");
    const reading = dagOf({ documents, flags: {}, world: taskWorld });
    assert.equal(reading.ok ? 0 : reading.problems.length, 1);
  });
}
