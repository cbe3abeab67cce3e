// `resources:` of a task: which fields there are, what each may be, and what the local cloud does
// with it.
//
// A field that would change what the user pays for or where the job runs is refused when the local
// cloud cannot do it; a field that cannot matter on this machine is taken and noted.
// Source of the fields: SkyPilot 0.3.0, and the names that newer versions added.

import type { Accelerators } from "../model/resources.ts";
import type { TaskResources } from "../model/task.ts";
import { acceleratorsOf, parseAccelerators } from "./task-accelerator.ts";
import type { Entry, Tree } from "./task-tree.ts";
import { isNull, shown } from "./task-tree.ts";
import type { Findings } from "./task-values.ts";
import {
  entriesOf,
  readAtLeast,
  readFlag,
  readText,
  readWhole,
  refuse,
  unknownField,
} from "./task-values.ts";

type Row = (tree: Tree, found: Findings, name: string) => Partial<TaskResources>;

/** Only the clouds that exist; which of them are enabled is for the caller's machine to say. */
const cloudNames = ["local", "aws", "azure", "gcp", "ibm", "lambda"];

export const resourceFields = {
  cloud: readCloud,
  infra: readInfra,
  cpus: (tree, found) => defined("cpus", readAtLeast(tree, "cpus", found)),
  memory: (tree, found) => defined("memoryGb", readAtLeast(tree, "memory", found)),
  accelerators: (tree, found) => defined("accelerators", readAccelerators(tree, found)),
  region: refusedText("the local cloud has no regions"),
  zone: refusedText("the local cloud has no zones"),
  instance_type: refusedText("the local cloud has no instance types: ask for cpus and memory"),
  image_id: refusedText("the local cloud runs on this machine's own system, not on an image"),
  use_spot: readUseSpot,
  spot_recovery: refusedText("recovery of spot machines needs a cloud that has them"),
  job_recovery: refusedAny("recovery of managed jobs needs `sky jobs launch`"),
  disk_size: (tree, found, name) => {
    const rule = { name, least: 1, called: "a positive int, in GB" };
    const size = readWhole(tree, rule, found);
    return noted(size !== undefined, { tree, found, name });
  },
  disk_tier: (tree, found, name) => {
    return noted(readText(tree, name, found) !== undefined, { tree, found, name });
  },
  network_tier: (tree, found, name) => {
    return noted(readText(tree, name, found) !== undefined, { tree, found, name });
  },
  ports: (tree, found, name) => noted(!isNull(tree), { tree, found, name }),
  labels: (tree, found, name) => {
    return noted(entriesOf(tree, name, found).length > 0, { tree, found, name });
  },
  accelerator_args: refusedAny("accelerator_args are for TPUs of a cloud"),
  autostop: refusedAny("give it to the command: `sky launch -i MINUTES [--down]`"),
  any_of: refusedAny("a choice of resources needs a catalog; give one"),
  ordered: refusedAny("a choice of resources needs a catalog; give one"),
  candidates: refusedAny("candidates are for `sky bench`"),
} as const satisfies Record<string, Row>;

export function readResources(tree: Tree, found: Findings): TaskResources {
  let read: Partial<TaskResources> = {};
  for (const entry of entriesOf(tree, "resources", found)) {
    read = { ...read, ...readField(entry, found) };
  }
  return read;
}

function readField(entry: Entry, found: Findings): Partial<TaskResources> {
  const known = Object.keys(resourceFields);
  if (!isResourceField(entry.key)) {
    unknownField(entry, { of: "resources", known }, found);
    return {};
  }
  const row: Row = resourceFields[entry.key];
  return row(entry.value, found, entry.key);
}

function isResourceField(key: string): key is keyof typeof resourceFields {
  return Object.hasOwn(resourceFields, key);
}

function readCloud(tree: Tree, found: Findings): Partial<TaskResources> {
  const text = readText(tree, "cloud", found)?.toLowerCase();
  if (text === undefined) return {};
  if (text === "local") return { cloud: text };
  const known = cloudNames.includes(text);
  const what = known ? `${text} is not enabled` : `there is no cloud ${JSON.stringify(text)}`;
  refuse(found, tree.place, `${what}: see \`sky check\`; what is enabled is "local"`);
  return {};
}

/** `local`, or `local/*`: newer SkyPilot's one field for cloud, region and zone. */
function readInfra(tree: Tree, found: Findings): Partial<TaskResources> {
  const text = readText(tree, "infra", found);
  if (text === undefined || text === "*") return {};
  const [cloud = "", ...rest] = text.split("/");
  if (rest.some((part) => part !== "*")) {
    refuse(found, tree.place, `infra ${JSON.stringify(text)}: what is enabled is "local"`);
    return {};
  }
  return readCloud({ kind: "scalar", place: tree.place, value: cloud, text: cloud }, found);
}

function readAccelerators(tree: Tree, found: Findings): Accelerators | undefined {
  if (isNull(tree)) return undefined;
  if (tree.kind === "list") {
    return refuse(found, tree.place, "a choice of accelerators needs a catalog; give one");
  }
  if (tree.kind === "scalar") {
    if (typeof tree.value !== "string") {
      const right = "a name such as V100, V100:1 or {V100: 1}";
      return refuse(found, tree.place, `accelerators should be ${right}, not ${shown(tree)}`);
    }
    return taken(parseAccelerators(tree.value), tree, found);
  }
  const [entry, second] = tree.entries;
  if (second !== undefined) {
    const what = "a choice of accelerators needs a catalog; give one";
    return refuse(found, second.keyPlace, what);
  }
  if (entry === undefined) return undefined;
  if (isNull(entry.value)) return taken(parseAccelerators(entry.key), tree, found);
  const count = entry.value.kind === "scalar" ? entry.value.text : shown(entry.value);
  return taken(acceleratorsOf(entry.key, count), entry.value, found);
}

function taken(
  reading: ReturnType<typeof parseAccelerators>,
  tree: Tree,
  found: Findings,
): Accelerators | undefined {
  if (reading.ok) return reading.accelerators;
  return refuse(found, tree.place, reading.what);
}

function readUseSpot(tree: Tree, found: Findings): Partial<TaskResources> {
  const wanted = readFlag(tree, "use_spot", found);
  if (wanted === true) refuse(found, tree.place, "the local cloud has no spot machines");
  return {};
}

function refusedText(why: string): Row {
  return (tree, found, name) => {
    const text = tree.kind === "map" ? name : readText(tree, name, found);
    if (text !== undefined) refuse(found, tree.place, `${name}: ${why}`);
    return {};
  };
}

function refusedAny(why: string): Row {
  return (tree, found, name) => {
    if (!isNull(tree)) refuse(found, tree.place, `${name}: ${why}`);
    return {};
  };
}

interface Noted {
  readonly tree: Tree;
  readonly found: Findings;
  readonly name: string;
}

function noted(given: boolean, { tree, found, name }: Noted): Partial<TaskResources> {
  const what = `${name} has no effect on the local cloud`;
  if (given) found.notes.push({ place: tree.place, what });
  return {};
}

function defined<K extends keyof TaskResources>(
  key: K,
  value: TaskResources[K],
): Partial<TaskResources> {
  return value === undefined ? {} : ({ [key]: value } as Partial<TaskResources>);
}
