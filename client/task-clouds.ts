// The clouds by name, where in them (`infra`), and what each enabled one can do. Pure.
//
// A file may ask for any cloud that SkyPilot knows. What can be had is another question: the
// skills of an enabled cloud say which wishes mean something to it and which it takes in vain.

import { refuse } from "../model/field-values.ts";
import { hintText } from "../model/suggest.ts";
import type { WantedField } from "../model/wanted.ts";
import type { Kind } from "./task-kinds.ts";
import { anyCase, text } from "./task-kinds.ts";

/** Source: SkyPilot 0.14.1, and `local` of 0.3.0. */
export const cloudNames = [
  ...["local", "aws", "azure", "gcp", "ibm", "lambda", "kubernetes", "ssh", "slurm", "cudo", "do"],
  ...["fluidstack", "hyperbolic", "mithril", "nebius", "oci", "paperspace", "primeintellect"],
  ...["runpod", "scp", "seeweb", "shadeform", "vast", "verda", "vsphere", "yotta"],
] as const;

const aliases: Readonly<Record<string, string>> = { k8s: "kubernetes" };
const typedNames = [...cloudNames, ...Object.keys(aliases)];

/** A cloud that can be used now, and what it makes of a wish. */
export interface CloudSkills {
  readonly name: string;
  readonly does: ReadonlySet<WantedField>;
  /** Taken and without effect: nothing that a user pays for or waits for depends on it. */
  readonly ignores: ReadonlySet<WantedField>;
}

/** Nodes that are processes of one machine: no machine is chosen, none is paid for. */
export const localSkills: CloudSkills = {
  name: "local",
  does: new Set(["cloud", "cpus", "memory", "accelerators"]),
  ignores: new Set([
    ...(["disk_size", "disk_tier", "network_tier", "ports", "labels"] as const),
    ...(["max_hourly_cost", "priority_class", "job_recovery"] as const),
  ]),
};

/** Hosts of the user's own, whose pool is the region: they are what they are. */
export const sshSkills: CloudSkills = {
  name: "ssh",
  does: new Set([...localSkills.does, "region"]),
  ignores: localSkills.ignores,
};

/** What this installation can use, the first first. */
export const enabledClouds: readonly CloudSkills[] = [localSkills, sshSkills];

/** As people write it: `Local`, `SSH`. */
export function cloudTitle(name: string): string {
  return name.length <= 3 ? name.toUpperCase() : `${name.charAt(0).toUpperCase()}${name.slice(1)}`;
}

export const cloud: Kind<string> = {
  schema: { type: "string", pattern: `^(${typedNames.map(anyCase).join("|")})$` },
  called: "the name of a cloud, such as aws",
  read: (tree, name, found) => {
    const typed = text.read(tree, name, found);
    if (typed === undefined) return undefined;
    const known = cloudNamed(typed);
    return known ?? refuse(found, tree.place, noCloud(typed));
  },
};

function cloudNamed(typed: string): string | undefined {
  const lower = typed.toLowerCase();
  const name = aliases[lower] ?? lower;
  return cloudNames.find((known) => known === name);
}

function noCloud(typed: string): string {
  const hint = hintText(typed.toLowerCase(), typedNames);
  const end = hint === "" ? `; there are ${cloudNames.join(", ")}` : `.${hint}`;
  return `there is no cloud ${JSON.stringify(typed)}${end}`;
}

/** Where: each part may be missing, and `*` is as good as missing. */
export interface Infra {
  readonly cloud?: string;
  readonly region?: string;
  readonly zone?: string;
}

/** Newer SkyPilot's one field for cloud, region and zone: `aws/us-east-1`, `gcp`. */
export const infra: Kind<Infra> = {
  schema: {
    type: "string",
    pattern: `^((\\*|${typedNames.map(anyCase).join("|")})(/[^/]+){0,2}/?|(${[
      ...["k8s", "kubernetes", "ssh"].map(anyCase),
    ].join("|")})/.+)$`,
  },
  called: "cloud, cloud/region or cloud/region/zone",
  read: (tree, name, found) => {
    const typed = text.read(tree, name, found);
    if (typed === undefined) return undefined;
    const parts = typed.trim().replace(/\/$/, "").split("/");
    const [first = "", ...rest] = parts.map((part) => part.trim());
    const named = cloudNamed(first);
    if (named === undefined && first !== "*") {
      const form = first === "" ? "; write it as cloud/region/zone" : "";
      return refuse(found, tree.place, `infra ${JSON.stringify(typed)}: ${noCloud(first)}${form}`);
    }
    // A context of Kubernetes may hold slashes of its own.
    const places = named === "kubernetes" || named === "ssh" ? [rest.join("/")] : rest;
    const isEmpty = rest.some((part) => part === "");
    if (isEmpty || places.length > 2) {
      const should = "should be cloud, cloud/region or cloud/region/zone";
      return refuse(found, tree.place, `infra ${should}, not ${JSON.stringify(typed)}`);
    }
    const [region = "*", zone = "*"] = places;
    return {
      ...(named === undefined ? {} : { cloud: named }),
      ...(region === "*" || region === "" ? {} : { region }),
      ...(zone === "*" ? {} : { zone }),
    };
  },
};
