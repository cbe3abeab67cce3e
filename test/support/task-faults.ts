// Faults that a task file may have: each makes a valid task wrong in exactly one place, and says
// what has to be told there.
//
// A fault first takes away what would not go with it, so that it stays the only one.

import { list, map, plain, string, type TaskEntry, type TaskNode } from "./task-text.ts";

export interface Fault {
  readonly name: string;
  readonly says: RegExp;
  /** The schema for editors sees it, too. */
  readonly inSchema: boolean;
  /** `resources.cloud`: what is taken away. */
  readonly without: readonly string[];
  /** Put at the end of the mapping at `at`, in this order. */
  readonly at: string;
  readonly entries: readonly TaskEntry[];
}

/** The task with the fault in it. */
export function faulty(task: TaskNode, fault: Fault): TaskNode {
  const rest = fault.without.reduce((left, path) => removed(left, path.split(".")), task);
  const at = fault.at === "" ? [] : fault.at.split(".");
  return added(rest, at, fault.entries);
}

function removed(node: TaskNode, [key, ...rest]: readonly string[]): TaskNode {
  if (node.kind !== "map" || key === undefined) return node;
  const entries = node.entries.flatMap((entry) => {
    if (entry.key !== key) return [entry];
    return rest.length === 0 ? [] : [{ ...entry, value: removed(entry.value, rest) }];
  });
  return { ...node, entries };
}

function added(node: TaskNode, path: readonly string[], more: readonly TaskEntry[]): TaskNode {
  const entries = node.kind === "map" ? node.entries : [];
  const [key, ...rest] = path;
  if (key === undefined) return { kind: "map", entries: [...entries, ...more] };
  const inside = entries.find((entry) => entry.key === key)?.value ?? map({});
  const others = entries.filter((entry) => entry.key !== key);
  return { kind: "map", entries: [...others, { key, value: added(inside, rest, more) }] };
}

const marked = (node: TaskNode): TaskNode => ({ ...node, mark: true });

/** A value that the field may not have. */
function value(path: string, node: TaskNode, says: RegExp): Fault {
  const parts = path.split(".");
  const key = parts.at(-1) ?? "";
  return {
    name: `${path}: ${nodeName(node)}`,
    ...{ says, inSchema: true, without: [path, ...conflicts(path)] },
    at: parts.slice(0, -1).join("."),
    entries: [{ key, value: hasMark(node) ? node : marked(node) }],
  };
}

/** A schema does not see it: it takes numbers by their value, knows no paths and no arithmetic. */
const unseen = (fault: Fault): Fault => ({ ...fault, inSchema: false });

function hasMark(node: TaskNode): boolean {
  if (node.kind === "map") return node.entries.some((entry) => entry.mark ?? hasMark(entry.value));
  return node.kind === "list" ? node.items.some(hasMark) : node.mark === true;
}

function nodeName(node: TaskNode): string {
  if (node.kind === "plain") return node.text;
  return node.kind === "text" ? JSON.stringify(node.value) : node.kind;
}

function key(path: string, says: RegExp): Fault {
  const parts = path.split(".");
  const name = parts.at(-1) ?? "";
  return {
    name: `${path} is no field`,
    ...{ says, inSchema: true, without: [] },
    at: parts.slice(0, -1).join("."),
    entries: [{ key: name, value: string("x"), mark: true }],
  };
}

const place = ["cloud", "region", "zone", "infra", "image_id", "use_spot", "spot_recovery"];
const everyWish = [...place, "instance_type", "accelerators", "any_of", "ordered", "cpus"];
const wishes = everyWish.map((name) => `resources.${name}`);

function conflicts(path: string): readonly string[] {
  if (!path.startsWith("resources.")) return path === "workdir" ? ["file_mounts"] : [];
  const isChoice = /accelerators|gpus|any_of|ordered/.test(path);
  const isPlace = place.some((name) => path === `resources.${name}`);
  return isChoice || isPlace ? wishes : [];
}

/** What several fields say together; the mark is among them. */
function wish(name: string, fields: Readonly<Record<string, TaskNode>>, says: RegExp): Fault {
  const entries = Object.entries(fields).map(([field, node]) => ({ key: field, value: node }));
  return { name, says, inSchema: false, without: wishes, at: "resources", entries };
}

function mount(name: string, entries: readonly TaskEntry[], says: RegExp): Fault {
  return { name, says, inSchema: false, without: ["file_mounts"], at: "file_mounts", entries };
}

function storage(fields: Readonly<Record<string, TaskNode>>, says: RegExp): Fault {
  const name = `storage ${Object.keys(fields).join(", ")}: ${says.source}`;
  const node = map(fields);
  const isInside = Object.keys(fields).length > 0;
  return mount(name, [{ key: "/bucket", value: isInside ? node : marked(node) }], says);
}

const longName = string(`a${"b".repeat(300)}`);

export const faults: readonly Fault[] = [
  // Names of fields
  key("numnodes", /"numnodes" is no field of a task.*'num_nodes'/),
  key("qqqqqqqq", /"qqqqqqqq" is no field of a task; its fields are name/),
  key("resources.cpu", /"cpu" is no field of resources.*'cpus'/),
  key("config.grace_second", /"grace_second" is no field of config.*'grace_seconds'/),
  key("_metadata", /"_metadata" is internal to SkyPilot/),
  key("resources._is_image_managed", /internal to SkyPilot/),
  {
    name: "run is given twice",
    ...{ says: /"run" is given twice/, inSchema: false, without: ["run"], at: "" },
    entries: [
      { key: "run", value: string("a") },
      { key: "run", value: string("b"), mark: true },
    ],
  },
  // Values of a task
  value("name", string("Bad Name"), /name should be made of/),
  value("name", plain("[a]"), /name should be a string, not a list/),
  value("num_nodes", plain("0"), /positive int, not 0/),
  value("num_nodes", plain("-2"), /positive int, not -2/),
  value("num_nodes", plain("2.5"), /positive int, not 2.5/),
  unseen(value("num_nodes", plain("1.0"), /positive int, not 1.0/)),
  value("num_nodes", string("two"), /positive int, not "two"/),
  unseen(value("workdir", string("nowhere"), /"nowhere" \(\/here\/nowhere\) does not exist/)),
  unseen(value("workdir", string("/a/file"), /"\/a\/file" is not a directory/)),
  value("workdir", map({ ref: string("main") }), /workdir needs url/),
  value("run", plain("5"), /run should be a string, not 5/),
  unseen(value("run", plain("!!python/none x"), /not valid YAML: Unresolved tag/)),
  value("setup", list(string("a")), /setup should be a string, not a list/),
  value("envs", list(string("A")), /envs should be a mapping, not a list/),
  value("priority", string("high"), /priority should be an int.* not "high"/),
  value("max_restarts", plain("-1"), /max_restarts should be .*, not -1/),
  value("timeout", string("soon"), /timeout should be a time such as/),
  value("timeout", plain("0"), /timeout should be a time such as/),
  {
    name: "two inputs",
    ...{ says: /inputs should have at most one entry/, inSchema: true, without: ["inputs"] },
    at: "inputs",
    entries: [
      { key: "s3://a", value: plain("1") },
      { key: "s3://b", value: plain("2"), mark: true },
    ],
  },
  value("service", map({ replicas: plain("2") }), /service: a service is for `sky serve`/),
  value("pool", map({ workers: plain("2") }), /pool: a pool is for/),
  value("config.lease_seconds", plain("2"), /lease_seconds should be 0 or at least 5/),
  value("config.grace_seconds", plain("-1"), /grace_seconds should be .*, not -1/),
  value("config.local", map({ isolation: marked(string("vm")) }), /isolation should be one of/),
  {
    name: "a variable without a value",
    ...{ says: /NEEDED has no value.*--env NEEDED=VALUE/, inSchema: false, without: ["envs"] },
    ...{ at: "envs", entries: [{ key: "NEEDED", value: marked(plain("null")) }] },
  },
  {
    name: "a name that is no variable's",
    ...{ says: /"1A" is no name of a variable/, inSchema: true, without: [], at: "envs" },
    entries: [{ key: "1A", value: string("x"), mark: true }],
  },
  // Values of resources
  value("resources", plain("5"), /resources should be a mapping, not 5/),
  value("resources.cpus", plain("0"), /cpus should be a positive number/),
  value("resources.cpus", string("4-"), /cpus should be a positive number/),
  value("resources.memory", string("much"), /memory should be a positive number of GB/),
  value("resources.cloud", string("awss"), /there is no cloud "awss".*'aws'/),
  value("resources.infra", string("gcq/x"), /there is no cloud "gcq"/),
  value("resources.infra", string("aws//us-east-1a"), /infra should be cloud, cloud\/region or/),
  value("resources.infra", string("aws/a/b/c"), /infra should be cloud, cloud\/region or/),
  value("resources.accelerators", plain("5"), /a name such as V100/),
  value("resources.accelerators", string("V100:x"), /the count in "V100:x"/),
  unseen(value("resources.accelerators", string("V100:1.5"), /whole number above 1/)),
  unseen(value("resources.gpus", string("V100:0"), /should be a positive number/)),
  value("resources.use_spot", plain("7"), /use_spot should be true or false, not 7/),
  value("resources.disk_size", plain("0"), /disk_size should be a positive int/),
  value("resources.disk_tier", string("huge"), /disk_tier should be one of/),
  value("resources.network_tier", string("fast"), /network_tier should be one of/),
  value("resources.local_disk", string("floppy"), /local_disk should be nvme or ssd/),
  value("resources.max_hourly_cost", plain("0"), /a positive number, in USD/),
  value("resources.ports", plain("70000"), /a port between 1 and 65535/),
  unseen(value("resources.ports", list(marked(string("90-80"))), /a port between 1 and 65535/)),
  value("resources.labels", map({ a: marked(plain("1")) }), /labels.a should be a string/),
  value("resources.autostop", string("later"), /autostop should be true, false, minutes/),
  value("resources.autostop", map({ idle_minutes: marked(plain("-1")) }), /idle_minutes should/),
  value("resources.job_recovery", map({ max_restarts_on_errors: marked(plain("-1")) }), /at least/),
  value("resources.priority", plain("5000"), /between -1000 and 1000/),
  value("resources.any_of", plain("[]"), /at least 1 item/),
  value("resources.any_of", list(map({ cpus: marked(plain("-1")) })), /cpus should be a positive/),
  // What fields of resources say together
  wish("a region without a cloud", { region: marked(string("x")) }, /Cloud must be specified when/),
  wish(
    "a zone of Azure",
    { cloud: string("azure"), zone: marked(string("1")) },
    /Azure does not support zones/,
  ),
  wish(
    "a zone elsewhere",
    { cloud: string("aws"), region: string("us-east-1"), zone: marked(string("us-west-2a")) },
    /is not in region "us-east-1"/,
  ),
  wish(
    "infra beside a cloud",
    { infra: string("aws"), cloud: marked(string("gcp")) },
    /Cannot specify both `infra` and/,
  ),
  wish(
    "two choices",
    { any_of: list(map({ cpus: plain("2") })), ordered: marked(list(map({ cpus: plain("4") }))) },
    /Cannot specify both "any_of" and "ordered"/,
  ),
  wish(
    "accelerators beside ordered",
    {
      accelerators: marked(list(string("A100"), string("H100"))),
      ordered: list(map({ cpus: plain("4") })),
    },
    /Cannot specify multiple "accelerators" with "ordered"/,
  ),
  wish(
    "gpus beside accelerators",
    { accelerators: string("A100"), gpus: marked(string("A100")) },
    /they are the same/,
  ),
  wish("recovery without spot", { spot_recovery: marked(string("FAILOVER")) }, /without use_spot/),
  wish(
    "a recovery that nobody has",
    { use_spot: plain("true"), spot_recovery: marked(string("magic")) },
    /MAGIC is not supported/,
  ),
  wish(
    "an image of no cloud",
    { image_id: marked(string("ami-1")) },
    /Cloud must be specified when/,
  ),
  wish(
    "an image of AWS without a region",
    { cloud: string("aws"), image_id: marked(string("ami-1")) },
    /only supported for AWS in a specific region/,
  ),
  wish(
    "an image of another region",
    {
      cloud: string("aws"),
      region: string("us-east-1"),
      image_id: marked(map({ "us-west-2": string("ami-1") })),
    },
    /should contain the image for the specified region us-east-1/,
  ),
  wish(
    "spot on this machine",
    { cloud: string("local"), use_spot: marked(plain("true")) },
    /the local cloud has no spot/,
  ),
  {
    name: "a TPU elsewhere",
    ...{ says: /Cloud must be GCP/, inSchema: false, at: "resources" },
    without: [...wishes, "num_nodes"],
    entries: [
      { key: "cloud", value: marked(string("aws")) },
      { key: "accelerators", value: string("tpu-v2-8") },
    ],
  },
  {
    name: "TPUs of several nodes",
    ...{ says: /Multi-node TPU cluster is not supported. Got num_nodes=3/, inSchema: false },
    ...{ at: "", without: ["resources", "num_nodes"] },
    entries: [
      { key: "num_nodes", value: plain("3") },
      { key: "resources", value: map({ accelerators: marked(string("tpu-v2-8")) }) },
    ],
  },
  wish(
    "arguments of a TPU without one",
    { accelerator_args: marked(map({ tpu_vm: plain("true") })), cpus: plain("4") },
    /accelerator_args is for TPUs/,
  ),
  // Files
  mount(
    "a destination that ends with a slash",
    [{ key: "/a/", value: string("~/d"), mark: true }],
    /cannot end with a slash/,
  ),
  mount(
    "a source that ends with a slash",
    [{ key: "/a", value: marked(string("~/d/")) }],
    /cannot end with a slash/,
  ),
  mount(
    "a source that is missing",
    [{ key: "/a", value: marked(string("nowhere")) }],
    /does not exist locally/,
  ),
  mount(
    "a bucket for a destination",
    [{ key: "s3://b", value: string("~/d"), mark: true }],
    /cannot be cloud storage/,
  ),
  mount(
    "a scheme that nobody knows",
    [{ key: "/a", value: marked(string("s4://b")) }],
    /Supported paths: .*Got: s4:/,
  ),
  mount(
    "a source that is a number",
    [{ key: "/a", value: marked(plain("5")) }],
    /Unable to parse file_mount "\/a"/,
  ),
  mount(
    "one destination twice",
    [
      { key: "x/y", value: string("~/d") },
      { key: "./x/y", value: string("~/d"), mark: true },
    ],
    /is the same destination as "x\/y"/,
  ),
  mount(
    "a destination inside of a file",
    [
      { key: "/a", value: string("some file") },
      { key: "/a/b", value: string("~/d"), mark: true },
    ],
    /is inside of "\/a", which is a file/,
  ),
  {
    name: "the workdir's place",
    ...{ says: /as it will be used by the workdir/, inSchema: false, at: "" },
    without: ["workdir", "file_mounts"],
    entries: [
      { key: "workdir", value: string(".") },
      {
        key: "file_mounts",
        value: {
          kind: "map",
          entries: [{ key: "~/sky_workdir", value: string("~/d"), mark: true }],
        },
      },
    ],
  },
  storage({ name: marked(longName) }, /is no name of a bucket/),
  storage({ name: marked(string("s3://b")) }, /Prefix detected/),
  storage({ name: string("a-bucket"), source: marked(string("nowhere")) }, /does not exist/),
  storage(
    { name: string("a-bucket"), source: list(string("a/x"), marked(string("b/x"))) },
    /same name/,
  ),
  storage({ source: list(marked(string("s3://b"))) }, /a list of sources holds paths/),
  storage({ name: string("a-bucket"), source: marked(string("~/d/")) }, /cannot end with a slash/),
  storage({ name: marked(string("a..b")) }, /two dots side by side/),
  storage({ name: marked(string("a_b")), store: string("s3") }, /S3 takes no underscores/),
  storage({ name: marked(string("my-google")), store: string("gcs") }, /GCS keeps google/),
  storage({}, /Storage source or storage name must be specified/),
  storage({ source: marked(string("~/d")) }, /name must be specified if the source is local/),
  storage(
    { name: marked(string("a-bucket")), source: string("s3://b") },
    /should not be specified/,
  ),
  storage({ source: marked(string("s3://b/inside")) }, /MOUNT mode does not support/),
  storage({ name: string("a-bucket"), mode: marked(string("COPY")) }, /using COPY mode/),
  storage({ name: string("a-bucket"), source: marked(string("a file")) }, /cannot be a file/),
];
