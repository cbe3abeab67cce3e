// Valid tasks of every kind, for property tests: which fields they have, and what is in them.

import type { TaskWorld } from "../../client/task-path.ts";
import { fc } from "./property.ts";
import { list, map, plain, string, type TaskNode } from "./task-text.ts";

/** A machine where paths with `nowhere` lead to nothing, and those that end in `file` to files. */
export const taskWorld: TaskWorld = {
  cwd: "/here",
  home: "/users/ann",
  kindOf: (path) => {
    if (path.includes("nowhere")) return "missing";
    return path.endsWith("file") ? "file" : "directory";
  },
};

const words = ["alpha", "beta", "gamma 1", "it's", "a: b", "#c", "10", "true", "", 'say "x"', "é"];
const anyText = fc.constantFrom(...words).map(string);
const scripts = [
  "echo hello\n",
  "python train.py --epochs 3",
  "cd x\nmake\n",
  "if true; then :; fi\n",
];
const script = fc.constantFrom(...scripts).map(string);
const count = fc.integer({ min: 1, max: 64 }).map((value) => plain(String(value)));
const atLeast = fc.constantFrom("4", "0.5", "4+", "16", "2.5+").map(plain);
const time = fc.constantFrom("90", "10m", "1h30m", "2d", "45s").map((text) => plain(text));
const anyOf = (...texts: readonly string[]) => fc.constantFrom(...texts).map(string);

/** Some of the fields, in any order. */
function some(fields: Readonly<Record<string, fc.Arbitrary<TaskNode>>>): fc.Arbitrary<TaskNode> {
  return fc
    .shuffledSubarray(Object.keys(fields))
    .chain((names) => {
      const chosen = names.map((name) => [name, fields[name] ?? fc.constant(plain("1"))] as const);
      return fc.record(Object.fromEntries(chosen)).map((values) => ({ names, values }));
    })
    .map(({ names, values }) => {
      const entries = names.flatMap((key) => {
        const value = values[key];
        return value === undefined ? [] : [{ key, value }];
      });
      return { kind: "map", entries };
    });
}

const variables = fc
  .uniqueArray(fc.constantFrom("A", "B_2", "PATH_X", "_under"), { maxLength: 4 })
  .chain((names) => {
    const value = fc.oneof(anyText, count);
    return fc
      .tuple(...names.map(() => value))
      .map((values) =>
        map(Object.fromEntries(names.map((name, at) => [name, values[at] ?? count0]))),
      );
  });

const count0 = plain("0");

const accelerator = fc.constantFrom("V100", "V100:4", "a100:0.5", "Odd-Name:2", "L4:1").map(string);

const accelerators = fc.oneof(
  accelerator,
  fc.constantFrom({ V100: plain("1") }, { "Radeon MI25": plain("2") }).map(map),
  fc.constant(map({ A100: plain("8"), "A100-80GB": plain("8") })),
  fc.constant(list(string("H100:8"), string("A100:8"))),
);

/** What a wish may have, wherever it is. */
const wish = {
  cpus: atLeast,
  memory: atLeast,
  disk_size: count,
  disk_tier: anyOf("low", "HIGH", "best"),
  network_tier: anyOf("best", "standard"),
  local_disk: anyOf("nvme", "ssd:500", "nvme:1000+"),
  max_hourly_cost: fc.constant(plain("3.5")),
  ports: fc.oneof(fc.constant(plain("8080")), fc.constant(list(plain("80"), string("9000-9010")))),
  labels: fc.constant(map({ team: string("research"), "a/b": string("c") })),
  job_recovery: fc.oneof(
    anyOf("none", "failover"),
    fc.constant(map({ strategy: string("FAILOVER") })),
  ),
};

const places: readonly Readonly<Record<string, TaskNode>>[] = [
  {},
  { cloud: string("local") },
  { cloud: string("AWS"), region: string("us-east-1"), zone: string("us-east-1a") },
  { cloud: string("gcp"), use_spot: plain("true"), spot_recovery: string("failover") },
  { cloud: string("azure"), region: string("eastus"), instance_type: string("Standard_D4s_v5") },
  { cloud: string("aws"), region: string("us-west-2"), image_id: string("ami-1") },
  { cloud: string("gcp"), image_id: map({ "us-central1": string("projects/p/global/images/i") }) },
  { image_id: string("docker:ubuntu:24.04") },
  { infra: string("aws/us-east-1") },
  { infra: string("*/us-east-1") },
  { infra: string("k8s/my/context") },
];

const resources = fc
  .record({
    place: fc.constantFrom(...places),
    fields: some({
      ...wish,
      autostop: fc.oneof(
        fc.constantFrom("true", "10", "10m", "false").map(plain),
        fc.constant(map({ idle_minutes: plain("5"), down: plain("true") })),
      ),
      priority: count,
    }),
    choice: fc.oneof(
      { weight: 3, arbitrary: fc.constant({}) },
      { weight: 2, arbitrary: accelerators.map((node) => ({ accelerators: node })) },
      fc
        .tuple(
          fc.constantFrom("any_of", "ordered"),
          fc.array(some(wish), { minLength: 1, maxLength: 3 }),
        )
        .map(([key, items]) => ({ [key]: list(...items) })),
    ),
  })
  .map(({ place, fields, choice }): TaskNode => {
    const own = fields.kind === "map" ? fields.entries : [];
    const more = Object.entries({ ...place, ...choice }).map(([key, value]) => ({ key, value }));
    return { kind: "map", entries: [...own, ...more] };
  });

const sources: readonly TaskNode[] = [
  string("~/data"),
  string("./some file"),
  string("s3://bucket/path"),
  string("gs://bucket"),
  map({ name: string("my-bucket"), source: string("~/data"), store: string("s3") }),
  map({ source: string("s3://bucket"), mode: string("MOUNT") }),
  map({ source: string("s3://bucket/inside"), mode: string("copy"), persistent: plain("false") }),
  map({ name: string("scratch-1"), mode: string("MOUNT_CACHED") }),
];

const fileMounts = fc
  .uniqueArray(fc.constantFrom("~/d", "/data/x", "rel/path", "/mnt/y", "~/.conf"), { maxLength: 4 })
  .chain((names) => {
    return fc.tuple(...names.map(() => fc.constantFrom(...sources))).map((nodes) => {
      return map(
        Object.fromEntries(names.map((name, at) => [name, nodes[at] ?? string("~/data")])),
      );
    });
  });

const config = some({
  grace_seconds: fc.constantFrom("30", "0.5").map(plain),
  lease_seconds: fc.constantFrom("0", "60").map(plain),
  local: fc.constant(map({ isolation: string("process") })),
  kubernetes: fc.constant(map({ pod_config: map({ spec: map({}) }) })),
});

/** Whole tasks. */
export const validTask: fc.Arbitrary<TaskNode> = some({
  name: anyOf("train", "a.b-c_d", "x--y", "1"),
  workdir: fc.oneof(
    anyOf(".", "~/code", "/abs/dir"),
    fc.constant(map({ url: string("https://example.com/x.git"), ref: string("main") })),
  ),
  num_nodes: count,
  resources: fc.oneof({ weight: 4, arbitrary: resources }, fc.constant(plain("null"))),
  file_mounts: fileMounts,
  setup: script,
  run: script,
  envs: variables,
  secrets: variables,
  priority: fc.constantFrom("-3", "0", "10").map(plain),
  max_restarts: count,
  timeout: time,
  config,
  inputs: fc.constant(map({ "s3://in": plain("1.5") })),
  outputs: fc.constant(map({ "gs://out": plain("10") })),
  volumes: fc.constant(map({ "/mnt/v": string("my-volume") })),
  event_callback: fc.constant(string("echo changed")),
});
