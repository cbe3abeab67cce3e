// The fields of a task: one table. Whoever adds a field adds a row.
//
// The validator, the schema for editors and the page of the file all come from it.
// Source of the fields: SkyPilot 0.3.0, and those that newer versions added; `max_restarts`,
// `priority` and `timeout` are ours. A field that belongs to another command of SkyPilot is known
// here and says where it belongs, so that a file written for SkyPilot either runs or says what it
// asks for in vain.

import { taskNamePattern } from "../model/ids.ts";
import { taskCountMax } from "../model/task.ts";
import { config } from "./task-config.ts";
import { envs, secrets } from "./task-envs.ts";
import type { Said } from "./task-groups.ts";
import { anyMapping, anything, byForm, fieldsOf, listOf, made, mappingOf } from "./task-groups.ts";
import type { Field, Kind } from "./task-kinds.ts";
import { duration, flag, number, text, textLike, whole } from "./task-kinds.ts";
import { fileMounts } from "./task-mounts.ts";
import { resources } from "./task-resources.ts";

const gitFields = {
  url: { kind: text, about: "Of the repository.", example: "https://example.com/code.git" },
  ref: { kind: text, about: "A branch, a tag or a commit.", example: "main" },
} as const;

export type WorkdirSaid =
  | { readonly kind: "path"; readonly path: string }
  | { readonly kind: "git"; readonly url: string; readonly ref?: string };

const workdir: Kind<WorkdirSaid> = byForm<WorkdirSaid>(
  {
    scalar: made(text, (path) => ({ kind: "path", path })),
    map: made(fieldsOf({ of: "workdir", fields: gitFields, needs: ["url"] }), ({ values }) => {
      const { url = "", ref } = values;
      return { kind: "git", url, ...(ref === undefined ? {} : { ref }) };
    }),
  },
  "a folder, or a mapping with the url of a git repository",
);

const estimate = mappingOf(number({ called: "a number of at least 0, in GB" }), {
  most: 1,
  called: "a mapping of at most one entry, to a number of GB",
});

export const taskFields = {
  name: {
    kind: textLike(
      taskNamePattern,
      "made of lower-case letters and digits, with single dots, dashes or underscores between " +
        "them",
    ),
    about: "Shown in tables and logs.",
    example: "name: train",
  },
  workdir: {
    kind: workdir,
    about: "A folder whose content the job finds in `~/sky_workdir`, or a git repository.",
    example: "workdir: ~/code",
  },
  num_nodes: {
    kind: whole({ least: 1, called: "a positive int" }),
    about: "How many nodes run the task. Default 1.",
    example: "num_nodes: 4",
  },
  resources: {
    kind: resources,
    about: "What each node has, or what the job asks of each of its nodes: see below.",
    example: "resources: {cpus: 4+, accelerators: V100:1}",
  },
  file_mounts: {
    kind: fileMounts,
    about:
      "Destinations on the nodes, each to a path of this machine, a bucket's URI or a storage " +
      "mapping (see below). A relative destination is inside of the workdir.",
    example: "file_mounts: {~/data: ~/datasets/small}",
  },
  setup: {
    kind: text,
    about: "Commands that run on every node before `run`, at each launch.",
    example: "setup: pip install -r requirements.txt",
  },
  run: { kind: text, about: "Commands of the job, on each node.", example: "run: python train.py" },
  envs: {
    kind: envs,
    about:
      "Variables of setup and run, as they are written here. One without a value has to come " +
      "from `--env` or `--env-file`.",
    example: "envs: {EPOCHS: 10}",
  },
  secrets: {
    kind: secrets,
    about: "Like `envs`, but never shown, and masked in logs. Filled in by `--secret`.",
    example: "secrets: {TOKEN: abc}",
  },
  priority: {
    kind: whole({
      ...{ least: -taskCountMax, most: taskCountMax },
      called: `an int from -${taskCountMax} to ${taskCountMax}`,
    }),
    about: "Higher goes first. Default 0.",
    example: "priority: 10",
  },
  max_restarts: {
    kind: whole({
      ...{ least: 0, most: taskCountMax },
      called: `an int of at least 0, and at most ${taskCountMax}`,
    }),
    about: "How often a lost or failed attempt is started again. Default 0.",
    example: "max_restarts: 3",
  },
  timeout: {
    kind: duration("s"),
    about: "An attempt that takes longer, its setup included, is ended. A number is in seconds.",
    example: "timeout: 1h30m",
  },
  config: {
    kind: config,
    about: "Settings of the home that are others for this task: see below.",
    example: "config: {grace_seconds: 30}",
  },
  inputs: {
    kind: estimate,
    about: "SkyPilot's estimate of what is read, in GB: checked, and without effect here.",
    example: "inputs: {s3://my-data: 50}",
  },
  outputs: {
    kind: estimate,
    about: "The same for what is written.",
    example: "outputs: {s3://my-results: 5}",
  },
  volumes: {
    kind: mappingOf(byForm<unknown>({ scalar: text, map: anyMapping }, "a name or a mapping")),
    about: "Paths, each to the name of a cloud's volume.",
    example: "volumes: {/data: my-volume}",
  },
  event_callback: {
    kind: text,
    about: "A command for managed jobs of SkyPilot: without effect here.",
    example: "event_callback: echo changed",
  },
  experimental: {
    kind: anyMapping,
    about: "Overrides of config in older SkyPilot: without effect here; see `config`.",
    example: "experimental: {config_overrides: {}}",
  },
  api_server_access: {
    kind: flag,
    about: "For SkyPilot's API server: without effect here.",
    example: "api_server_access: false",
  },
  managed_secrets: {
    kind: listOf(byForm<unknown>({ scalar: text, map: anyMapping }, "a name or a mapping")),
    about: "Secrets that a server of SkyPilot keeps.",
    example: "managed_secrets: [HF_TOKEN]",
  },
  service: {
    kind: refused("a service is for `sky serve`, which this version does not have: take it out"),
    about: "Refused: a service is for `sky serve`.",
    example: "service: {readiness_probe: /}",
  },
  pool: {
    kind: refused("a pool is for `sky jobs pool`, which this version does not have: take it out"),
    about: "Refused: a pool is for `sky jobs pool`.",
    example: "pool: {workers: 2}",
  },
} as const satisfies Readonly<Record<string, Field<unknown>>>;

export type TaskSaid = Said<typeof taskFields>;

/** A field that is known, and refused with a sentence. */
function refused(why: string): Kind<never> {
  return {
    schema: { not: {} },
    called: "absent",
    read: (tree, name, found) => {
      const value = anything.read(tree, name, found);
      if (value !== undefined) found.problems.push({ place: tree.place, what: `${name}: ${why}` });
      return undefined;
    },
  };
}
