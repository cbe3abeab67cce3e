// Flags that stand in the place of a task's fields: laid over the file's tree, so that one
// validator reads both and a problem names the flag.
//
// A flag holds for every wish of `any_of` and `ordered`; `none` takes the file's value away where
// SkyPilot lets it. Source: SkyPilot 0.14.1, its task options and how they override resources.

import type { Entry, Tree } from "../model/value-tree.ts";
import { overlaid, treeOfFlag, without } from "../model/value-tree.ts";

/** As the user typed them. */
export interface TaskFlags {
  readonly name?: string;
  readonly workdir?: string;
  readonly gitUrl?: string;
  readonly gitRef?: string;
  readonly numNodes?: string;
  readonly priority?: string;
  readonly cloud?: string;
  readonly infra?: string;
  readonly region?: string;
  readonly zone?: string;
  readonly cpus?: string;
  readonly memory?: string;
  readonly gpus?: string;
  readonly instanceType?: string;
  readonly imageId?: string;
  readonly diskSize?: string;
  readonly diskTier?: string;
  readonly networkTier?: string;
  readonly localDisk?: string;
  readonly useSpot?: boolean;
  readonly ports?: readonly string[];
  /** Laid over the task's config, the later over the earlier. */
  readonly config?: readonly Tree[];
  /** Of `--env-file`; they fill the secrets that the file names, too. */
  readonly envFile?: readonly NamedValue[];
  readonly envs?: readonly NamedValue[];
  readonly secretFile?: readonly NamedValue[];
  readonly secrets?: readonly NamedValue[];
}

export interface NamedValue {
  readonly name: string;
  readonly value: string;
}

interface FlagField {
  readonly flag: string;
  readonly path: readonly [string] | readonly ["resources", string];
  /** `none` resets. */
  readonly none: boolean;
  /** The text is taken for a number where it reads as one. */
  readonly numeric?: boolean;
  /** Other fields of `resources` that say the same. */
  readonly also?: readonly string[];
}

const places = ["cloud", "region", "zone"] as const;

const flagFields = {
  name: { flag: "--name", path: ["name"], none: false },
  workdir: { flag: "--workdir", path: ["workdir"], none: false },
  numNodes: { flag: "--num-nodes", path: ["num_nodes"], none: false, numeric: true },
  priority: { flag: "--priority", path: ["priority"], none: true, numeric: true },
  infra: { flag: "--infra", path: ["resources", "infra"], none: true, also: places },
  cloud: { flag: "--cloud", path: ["resources", "cloud"], none: true },
  region: { flag: "--region", path: ["resources", "region"], none: true },
  zone: { flag: "--zone", path: ["resources", "zone"], none: true },
  cpus: { flag: "--cpus", path: ["resources", "cpus"], none: true },
  memory: { flag: "--memory", path: ["resources", "memory"], none: true },
  gpus: { flag: "--gpus", path: ["resources", "accelerators"], none: true, also: ["gpus"] },
  instanceType: { flag: "--instance-type", path: ["resources", "instance_type"], none: true },
  imageId: { flag: "--image-id", path: ["resources", "image_id"], none: true },
  diskSize: { flag: "--disk-size", path: ["resources", "disk_size"], none: false, numeric: true },
  diskTier: { flag: "--disk-tier", path: ["resources", "disk_tier"], none: true },
  networkTier: { flag: "--network-tier", path: ["resources", "network_tier"], none: true },
  localDisk: { flag: "--local-disk", path: ["resources", "local_disk"], none: true },
} as const satisfies Partial<Record<keyof TaskFlags, FlagField>>;

export function withFlags(tree: Tree, flags: TaskFlags): Tree {
  let laid = tree;
  if (places.some((key) => flags[key] !== undefined)) laid = inWishes(laid, withoutInfra);
  if (flags.cloud !== undefined) laid = onCloud(laid, flags.cloud);
  for (const key of Object.keys(flagFields) as (keyof typeof flagFields)[]) {
    const text = flags[key];
    if (text !== undefined) laid = withFlag(laid, flagFields[key], text);
  }
  if (flags.useSpot !== undefined) laid = withUseSpot(laid, flags.useSpot);
  if (flags.ports !== undefined && flags.ports.length > 0) laid = withPorts(laid, flags.ports);
  if (flags.gitUrl !== undefined || flags.gitRef !== undefined) laid = withGit(laid, flags);
  for (const config of flags.config ?? []) laid = overlaid(laid, [entry("config", config)]);
  return withAllVariables(laid, flags);
}

function withFlag(tree: Tree, row: FlagField, text: string): Tree {
  const [outer, inner] = row.path;
  const value = row.numeric === true ? treeOfFlag(text, row.flag) : scalar(text, row.flag);
  const resets = row.none && text.toLowerCase() === "none";
  if (inner === undefined) {
    return resets ? without(tree, row.path) : overlaid(tree, [entry(outer, value)]);
  }
  const cleared = inWishes(tree, (wish) => {
    return [inner, ...(row.also ?? [])].reduce((left, key) => without(left, [key]), wish);
  });
  return resets ? cleared : overlaid(cleared, [inResources(inner, value)]);
}

/** `resources` and each item of its choices, changed. */
export function inWishes(tree: Tree, change: (wish: Tree) => Tree): Tree {
  return at(tree, "resources", (resources) => {
    const items = (list: Tree): Tree => {
      return list.kind === "list" ? { ...list, items: list.items.map(change) } : list;
    };
    return change(at(at(resources, "any_of", items), "ordered", items));
  });
}

function at(tree: Tree, key: string, change: (value: Tree) => Tree): Tree {
  if (tree.kind !== "map") return tree;
  const entries = tree.entries.map((entry) => {
    return entry.key === key ? { ...entry, value: change(entry.value) } : entry;
  });
  return { ...tree, entries };
}

/** `infra: aws/us-east-1` as cloud and region, so that a flag can stand in the place of one. */
export function withoutInfra(wish: Tree): Tree {
  if (wish.kind !== "map") return wish;
  const infra = memberOf(wish, "infra");
  if (infra?.kind !== "scalar" || typeof infra.value !== "string") return wish;
  const parts = infra.value.split("/").slice(0, places.length);
  const entries = parts.flatMap((part, index): readonly Entry[] => {
    const key = places[index];
    if (key === undefined || part === "*") return [];
    return [{ key, keyPlace: infra.place, value: { ...infra, value: part, text: part } }];
  });
  return overlaid(without(wish, ["infra"]), entries);
}

/** Without the places of other clouds, in each of its wishes: `cloud` is to stand over them. */
export function onCloud(tree: Tree, cloud: string): Tree {
  const open = inWishes(tree, withoutInfra);
  const base = cloudOf(memberOf(open, "resources"));
  return inWishes(open, (wish) => {
    const own = cloudOf(wish) ?? base;
    const isHere = own === undefined || own === String(cloud).toLowerCase();
    return isHere ? wish : places.reduce((rest, key) => without(rest, [key]), wish);
  });
}

function cloudOf(wish: Tree | undefined): string | undefined {
  const cloud = wish && memberOf(wish, "cloud");
  if (cloud?.kind !== "scalar" || typeof cloud.value !== "string") return undefined;
  return cloud.value.toLowerCase();
}

function memberOf(tree: Tree, name: string): Tree | undefined {
  if (tree.kind !== "map") return undefined;
  return tree.entries.find(({ key }) => key === name)?.value;
}

function inResources(key: string, value: Tree): Entry {
  return entry("resources", { kind: "map", place: value.place, entries: [entry(key, value)] });
}

function withUseSpot(tree: Tree, useSpot: boolean): Tree {
  const flag = useSpot ? "--use-spot" : "--no-use-spot";
  const place = { kind: "value", path: flag } as const;
  const value: Tree = { kind: "scalar", place, value: useSpot, text: String(useSpot) };
  const cleared = inWishes(tree, (wish) => without(wish, ["use_spot"]));
  return overlaid(cleared, [inResources("use_spot", value)]);
}

/** `--ports 8080,9090 --ports 100-200`. */
function withPorts(tree: Tree, ports: readonly string[]): Tree {
  const place = { kind: "value", path: "--ports" } as const;
  const items = ports
    .flatMap((text) => text.split(","))
    .map((text): Tree => treeOfFlag(text.trim(), "--ports"));
  const cleared = inWishes(tree, (wish) => without(wish, ["ports"]));
  return overlaid(cleared, [inResources("ports", { kind: "list", place, items })]);
}

function withGit(tree: Tree, { gitUrl, gitRef }: TaskFlags): Tree {
  const place = { kind: "value", path: gitUrl === undefined ? "--git-ref" : "--git-url" } as const;
  const entries = [
    ...(gitUrl === undefined ? [] : [entry("url", scalar(gitUrl, "--git-url"))]),
    ...(gitRef === undefined ? [] : [entry("ref", scalar(gitRef, "--git-ref"))]),
  ];
  // A folder of the file gives way to a repository of the flags.
  const folder =
    tree.kind === "map" &&
    tree.entries.some(({ key, value }) => {
      return key === "workdir" && value.kind !== "map";
    });
  const base = folder ? without(tree, ["workdir"]) : tree;
  return overlaid(base, [entry("workdir", { kind: "map", place, entries })]);
}

/** Merged over the file's own, as newer SkyPilot does; a name given twice takes the last. */
function withAllVariables(tree: Tree, flags: TaskFlags): Tree {
  const { envFile = [], envs = [], secretFile = [], secrets = [] } = flags;
  const declared = namesIn(tree, "secrets");
  const forSecrets = envFile.filter(({ name }) => declared.has(name));
  const forEnvs = envFile.filter(({ name }) => !declared.has(name));
  const layers = [
    { field: "envs", flag: "--env-file", values: forEnvs },
    { field: "envs", flag: "--env", values: envs },
    { field: "secrets", flag: "--env-file", values: forSecrets },
    { field: "secrets", flag: "--secret-file", values: secretFile },
    { field: "secrets", flag: "--secret", values: secrets },
  ];
  return layers.reduce(withVariables, tree);
}

function namesIn(tree: Tree, field: string): ReadonlySet<string> {
  const map = memberOf(tree, field);
  return new Set(map?.kind === "map" ? map.entries.map(({ key }) => key) : []);
}

interface Layer {
  readonly field: string;
  readonly flag: string;
  readonly values: readonly NamedValue[];
}

function withVariables(tree: Tree, { field, flag, values }: Layer): Tree {
  if (values.length === 0) return tree;
  const place = { kind: "value", path: flag } as const;
  const latest = new Map(values.map(({ name, value }) => [name, value]));
  const entries = [...latest].map(([name, text]) => entry(name, scalar(text, flag)));
  return overlaid(tree, [entry(field, { kind: "map", place, entries })]);
}

function scalar(text: string, flag: string): Tree {
  return { kind: "scalar", place: { kind: "value", path: flag }, value: text, text };
}

function entry(key: string, value: Tree): Entry {
  return { key, keyPlace: value.place, value };
}
