// `config:` of a task: settings of the home that are others for this task.
//
// Three are ours. The sections of SkyPilot's config are known, so that its files are taken; each
// is told to have no effect without the cloud that it is about.
// Source: SkyPilot 0.14.1, its config schema and the keys that a task may override.

import type { Findings } from "../model/field-values.ts";
import { leaseMsMin } from "../model/lease.ts";
import type { TaskConfig } from "../model/task.ts";
import { graceMsMax } from "../model/task.ts";
import type { Said } from "./task-groups.ts";
import { anything, fieldsOf } from "./task-groups.ts";
import type { Field } from "./task-kinds.ts";
import { number, oneOf, scalarLike } from "./task-kinds.ts";

const leaseSecondsLeast = leaseMsMin / 1_000;

const localFields = {
  isolation: {
    kind: oneOf(["embedded", "process"]),
    about: "How the nodes of a local cluster run, when this task launches it.",
    example: "isolation: process",
  },
} as const;

const ownFields = {
  grace_seconds: {
    kind: number({
      most: graceMsMax / 1_000,
      called: `a number from 0 to ${graceMsMax / 1_000}, in seconds`,
    }),
    about: "How long a rank that is ended has between TERM and KILL.",
    example: "grace_seconds: 30",
  },
  lease_seconds: {
    kind: scalarLike({
      pattern: /^[0-9]+(\.[0-9]+)?$/,
      numbers: { anyOf: [{ const: 0 }, { type: "number", minimum: leaseSecondsLeast }] },
      called: `0 or at least ${leaseSecondsLeast}, in seconds`,
      of: (written) => {
        const seconds = Number(written);
        return seconds === 0 || seconds >= leaseSecondsLeast ? seconds : undefined;
      },
    }),
    about: "How long a rank that may restart runs without the head's word; 0 = for ever.",
    example: "lease_seconds: 60",
  },
  local: {
    kind: fieldsOf({ of: "local", fields: localFields }),
    about: "`isolation`: how the nodes of a local cluster run, when this task launches it.",
    example: "local: {isolation: process}",
  },
} as const;

/** Sections of SkyPilot's config that are about a cloud. */
const cloudSections = [
  ...(["aws", "azure", "gcp", "kubernetes", "ssh", "slurm", "oci", "nebius", "vast"] as const),
  ...(["lambda", "runpod", "ibm", "docker", "nvidia_gpus"] as const),
] as const;

/** Those about a part of SkyPilot. */
const otherSections = [
  ...(["active_workspace", "workspace", "workspaces", "workspace_config", "admin_policy"] as const),
  ...(["allowed_clouds", "api_server", "daemons", "dashboard", "data", "db", "hooks"] as const),
  ...(["jobs", "logs", "metrics", "plugins", "provision", "rbac", "serve"] as const),
] as const;

type Section = (typeof cloudSections)[number] | (typeof otherSections)[number];

const sections = [...cloudSections, ...otherSections];

function section(name: Section): readonly [Section, Field<unknown>] {
  const about = `SkyPilot's section \`${name}\`: taken, and without effect here.`;
  return [name, { kind: anything, about, example: `${name}: {}` }];
}

export const configFields = {
  ...ownFields,
  ...(Object.fromEntries(sections.map(section)) as Readonly<Record<Section, Field<unknown>>>),
};

export const config = fieldsOf({ of: "config", fields: configFields });

/** What the config comes to; sections without effect are noted. */
export function configOf(said: Said<typeof configFields>, found: Findings): TaskConfig | undefined {
  const { grace_seconds: grace, lease_seconds: lease, local } = said.values;
  for (const name of sections) {
    const tree = said.trees.get(name);
    if (tree === undefined) continue;
    const isCloud = cloudSections.some((known) => known === name);
    const why = isCloud ? "without that cloud" : "here";
    found.notes.push({ place: tree.place, what: `${name} has no effect ${why}` });
  }
  const isolation = local?.values.isolation;
  const own: TaskConfig = {
    ...(grace === undefined ? {} : { graceMs: Math.round(grace * 1_000) }),
    ...(lease === undefined ? {} : { leaseMs: Math.round(lease * 1_000) }),
    ...(isolation === undefined ? {} : { isolation }),
  };
  return Object.keys(own).length === 0 ? undefined : own;
}
