// What the fields of a wish say of each other: one table of rules. Whoever adds a rule adds a row.
//
// Source: SkyPilot 0.3.0, whose words stand where it has some. What only a catalog knows (whether
// a region has a type, whether a type has so many CPUs) is not asked here.

import type { Findings } from "../model/field-values.ts";
import { refuse } from "../model/field-values.ts";
import type { Wanted } from "../model/wanted.ts";
import { isTpu } from "./task-accelerator.ts";
import type { Candidate, WishKey } from "./task-candidate.ts";

type Rule = (wanted: Wanted, candidate: Candidate) => Broken | undefined;

interface Broken {
  /** Where the caret goes. */
  readonly at: WishKey;
  readonly what: string;
}

/** Source: SkyPilot's images, which only these clouds have. */
const imageClouds = ["aws", "gcp", "azure", "ibm", "oci", "kubernetes", "ssh", "nebius"];

const rules: readonly Rule[] = [
  (wanted, { origins }) => {
    const at = wanted.zone === undefined ? "region" : "zone";
    const given = wanted.region ?? wanted.zone;
    if (given === undefined || wanted.cloud !== undefined) return undefined;
    // `infra: */us-east-1` says on purpose that any cloud will do.
    if (origins.get(at)?.key === "infra") return undefined;
    const what = "Cloud must be specified when region/zone are specified";
    return { at, what: `${what}: ${at} ${quoted(given)} is of none` };
  },
  ({ cloud, zone }) => {
    if (cloud !== "azure" || zone === undefined) return undefined;
    return { at: "zone", what: `Azure does not support zones, so not ${quoted(zone)}` };
  },
  ({ cloud, region, zone }) => {
    if (region === undefined || zone === undefined) return undefined;
    if (!["aws", "gcp", "ibm"].includes(cloud ?? "") || zone.startsWith(region)) return undefined;
    return { at: "zone", what: `zone ${quoted(zone)} is not in region ${quoted(region)}` };
  },
  ({ cloud, accelerators }) => {
    if (accelerators?.kind !== "named" || !isTpu(accelerators.name)) return undefined;
    if (cloud === undefined || cloud === "gcp" || cloud === "kubernetes") return undefined;
    const what = `Cloud must be GCP for ${accelerators.name}, not ${cloud}`;
    return { at: "cloud", what };
  },
  ({ instance_type: type, accelerator_args: args }) => {
    if (args?.tpu_vm !== true || type === undefined || type === "TPU-VM") return undefined;
    const what = `Cannot specify instance type (got ${quoted(type)}) for TPU VM`;
    return { at: "instance_type", what };
  },
  ({ use_spot: spot, spot_recovery: recovery }) => {
    if (recovery === undefined || spot === true) return undefined;
    const what = "Cannot specify spot_recovery without use_spot set to True";
    return { at: "spot_recovery", what: `${what} (got ${quoted(recovery)})` };
  },
  ({ spot_recovery: recovery }) => {
    if (recovery === undefined || recovery === "FAILOVER") return undefined;
    const what = `Spot recovery strategy ${recovery} is not supported; it should be FAILOVER`;
    return { at: "spot_recovery", what };
  },
  imageRule,
  localRule,
  sshRule,
];

function imageRule({ cloud, region, image_id: image }: Wanted): Broken | undefined {
  if (image === undefined) return undefined;
  const { id, byRegion } = image;
  const at = "image_id";
  if (id === undefined && byRegion === undefined) return undefined;
  if (cloud === undefined) {
    const named = quoted(id ?? Object.keys(byRegion ?? {}).join(", "));
    return { at, what: `Cloud must be specified when image_id is provided: ${named} is of none` };
  }
  if (cloud === "local") return undefined;
  if (!imageClouds.includes(cloud)) {
    const what = "image_id is only supported for AWS/GCP/Azure/IBM/OCI/Kubernetes/Nebius";
    return { at, what: `${what}, not ${cloud}; elsewhere write docker:NAME` };
  }
  if (byRegion !== undefined && region !== undefined && byRegion[region] === undefined) {
    const known = Object.keys(byRegion).join(", ");
    const what = `image_id should contain the image for the specified region ${region}`;
    return { at, what: `${what}; it has ${known}` };
  }
  const isRaw = id !== undefined && !id.startsWith("skypilot:");
  if (cloud === "aws" && isRaw && region === undefined) {
    const what = "image_id is only supported for AWS in a specific region";
    return { at, what: `${what}, please explicitly specify the region of ${id}` };
  }
  return undefined;
}

/** What makes no sense beside `cloud: local`, whatever else is enabled. */
function localRule({ cloud, ...wanted }: Wanted): Broken | undefined {
  if (cloud !== "local") return undefined;
  if (wanted.region !== undefined) return { at: "region", what: "the local cloud has no regions" };
  if (wanted.zone !== undefined) return { at: "zone", what: "the local cloud has no zones" };
  if (wanted.use_spot === true) {
    return { at: "use_spot", what: "the local cloud has no spot machines" };
  }
  if (wanted.instance_type !== undefined) {
    const what = `the local cloud has no instance types such as ${quoted(wanted.instance_type)}`;
    return { at: "instance_type", what: `${what}: ask for cpus and memory` };
  }
  if (wanted.image_id === undefined) return undefined;
  const what = "the local cloud runs on this machine's own system, not on an image";
  return { at: "image_id", what };
}

/** What makes no sense beside `cloud: ssh`. Source: SkyPilot 0.14.1 for zones and spot machines. */
function sshRule({ cloud, ...wanted }: Wanted): Broken | undefined {
  if (cloud !== "ssh") return undefined;
  if (wanted.zone !== undefined) {
    const what = `hosts of your own have no zones such as ${quoted(wanted.zone)}`;
    return { at: "zone", what: `${what}: a pool is a region` };
  }
  if (wanted.use_spot === true)
    return { at: "use_spot", what: "hosts of your own are no spot machines" };
  if (wanted.instance_type === undefined) return undefined;
  const what = `hosts of your own have no instance types such as ${quoted(wanted.instance_type)}`;
  return { at: "instance_type", what: `${what}: ask for cpus and memory` };
}

/** Each broken rule once, however many wishes break it in one place. */
export function checkWishes(
  candidates: readonly Candidate[],
  numNodes: number,
  found: Findings,
): void {
  const told = new Set<string>();
  for (const candidate of candidates) {
    for (const rule of rules) {
      const broken = rule(candidate.wanted, candidate);
      if (broken === undefined) continue;
      const place = candidate.origins.get(broken.at)?.tree.place;
      const key = JSON.stringify([broken.what, place]);
      if (place === undefined || told.has(key)) continue;
      told.add(key);
      refuse(found, place, broken.what);
    }
  }
  checkTpus(candidates, numNodes, found);
}

function checkTpus(candidates: readonly Candidate[], numNodes: number, found: Findings): void {
  const tpu = candidates.find(({ wanted: { accelerators } }) => {
    return accelerators?.kind === "named" && isTpu(accelerators.name);
  });
  const place = tpu?.origins.get("accelerators")?.tree.place;
  if (place !== undefined && numNodes > 1) {
    const what = `Multi-node TPU cluster is not supported. Got num_nodes=${numNodes}`;
    refuse(found, place, what);
  }
  const given = candidates.find(({ wanted }) => wanted.accelerator_args !== undefined);
  const args = given?.origins.get("accelerator_args")?.tree.place;
  if (args !== undefined && tpu === undefined) {
    refuse(found, args, "accelerator_args is for TPUs, such as accelerators: tpu-v2-8");
  }
}

function quoted(text: string): string {
  return JSON.stringify(text);
}
