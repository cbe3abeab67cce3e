// The kinds of `resources:` that are more than a number or a word: images, ports, local disks,
// TPUs, recovery and autostop.
//
// Source: SkyPilot 0.3.0 and 0.14.1, their schemas and the checks behind them.

import { isAmbiguous, refuse } from "../model/field-values.ts";
import type { TaskAutostop } from "../model/task.ts";
import type {
  ImageWish,
  LocalDiskWish,
  PortRange,
  RecoveryWish,
  TpuWish,
  VolumeWish,
} from "../model/wanted.ts";
import type { Item, Named, Said } from "./task-groups.ts";
import { byForm, fieldsOf, listOf, made, mappingOf } from "./task-groups.ts";
import type { Kind } from "./task-kinds.ts";
import {
  diskSize,
  duration,
  flag,
  oneOf,
  scalarLike,
  text,
  textLike,
  whole,
} from "./task-kinds.ts";

const imageId = textLike(
  /^\s*(skypilot:[A-Za-z0-9][\w.-]*|(?!skypilot:)\S(.*\S)?)\s*$/,
  "an image",
);

/** The key of an image by region that is no region but a container beside the image. */
const containerKey = "docker";

export const image: Kind<ImageWish> = byForm<ImageWish>(
  {
    scalar: made(imageId, (id) => imageOf(id.trim())),
    map: made(mappingOf(imageId), imagesOf),
  },
  "an image, or images by region",
);

function imageOf(id: string): ImageWish {
  return id.startsWith("docker:") ? { container: id.slice("docker:".length) } : { id };
}

function imagesOf(images: readonly Named<string>[]): ImageWish {
  const byRegion = images.filter(({ name }) => name !== containerKey);
  const beside = images.find(({ name }) => name === containerKey)?.value.trim();
  return {
    ...(byRegion.length === 0
      ? {}
      : { byRegion: Object.fromEntries(byRegion.map(({ name, value }) => [name, value.trim()])) }),
    ...(beside === undefined ? {} : { container: beside.replace(/^docker:/, "") }),
  };
}

const portMost = 65_535;
const portCalled = `a port between 1 and ${portMost}, or a range such as 8080-8090`;

const portRange: Kind<PortRange> = scalarLike({
  pattern: /^[0-9]{1,5}(-[0-9]{1,5})?$/,
  numbers: { type: "integer", minimum: 1, maximum: portMost },
  called: portCalled,
  of: (written) => {
    const [first = 0, last = first] = written.split("-").map(Number);
    return first >= 1 && last <= portMost && first <= last ? { first, last } : undefined;
  },
});

export const ports: Kind<readonly PortRange[]> = byForm<readonly PortRange[]>(
  {
    scalar: made(portRange, (range) => [range]),
    list: made(listOf(portRange), (items) => items.map(({ value }) => value)),
  },
  `${portCalled}, or a list of them`,
);

/** What a local disk has where only its kind is said, in GB. Source: SkyPilot 0.14.1. */
const localDiskGb = 100;

export const localDisk: Kind<LocalDiskWish> = scalarLike({
  pattern:
    /^([nN][vV][mM][eE]|[sS][sS][dD]|(([nN][vV][mM][eE]|[sS][sS][dD]):)?[0-9]+(\.[0-9]+)?\+?)$/,
  numbers: { type: "number", exclusiveMinimum: 0 },
  called: "nvme or ssd, a size in GB such as 1000+, or both as in nvme:1000+",
  of: (written) => {
    const lower = written.toLowerCase();
    const mode = lower.startsWith("ssd") ? "ssd" : "nvme";
    const size = lower.replace(/^(nvme|ssd):?/, "");
    const amount = size === "" ? localDiskGb : Number(size.replace("+", ""));
    const orMore = size === "" || size.endsWith("+");
    return amount > 0 ? { mode, size: { amount, orMore } } : undefined;
  },
});

const tpuFields = {
  runtime_version: { kind: text, about: "The software of the TPU.", example: "tpu-vm-base" },
  tpu_name: { kind: text, about: "The name of the TPU.", example: "my-tpu" },
  tpu_vm: { kind: flag, about: "A TPU VM, not a TPU node.", example: "true" },
  gcp_queued_resource: { kind: flag, about: "Wait in the cloud's queue.", example: "false" },
} as const;

export const tpu: Kind<TpuWish> = made(
  fieldsOf({ of: "accelerator_args", fields: tpuFields }),
  ({ values }) => values,
);

const exitCode = whole({ least: 0, most: 255, called: "an exit code between 0 and 255" });

const recoveryFields = {
  strategy: { kind: text, about: "How a lost machine is replaced.", example: "FAILOVER" },
  max_restarts_on_errors: {
    kind: whole({ least: 0, called: "an int of at least 0" }),
    about: "How often a job that failed is started again.",
    example: "3",
  },
  recover_on_exit_codes: {
    kind: byForm<readonly number[]>(
      {
        scalar: made(exitCode, (code) => [code]),
        list: made(listOf(exitCode), (items) => items.map(({ value }) => value)),
      },
      "an exit code, or a list of them",
    ),
    about: "Exit codes after which it always starts again.",
    example: "[33, 34]",
  },
} as const;

export const recovery: Kind<RecoveryWish> = byForm<RecoveryWish>(
  {
    scalar: made(text, recoveryNamed),
    // Strategies of SkyPilot's plug-ins have fields of their own.
    map: made(
      fieldsOf({ of: "job_recovery", fields: recoveryFields, isOpen: true }),
      ({ values }) => ({
        ...values,
        ...(values.strategy === undefined ? {} : recoveryNamed(values.strategy)),
      }),
    ),
  },
  "the name of a strategy, or a mapping",
);

function recoveryNamed(strategy: string): RecoveryWish {
  return strategy.toLowerCase() === "none" ? {} : { strategy: strategy.toUpperCase() };
}

const autostopFields = {
  idle_minutes: {
    kind: whole({ least: 0, called: "an int of at least 0, in minutes" }),
    about: "How long without a job.",
    example: "10",
  },
  down: { kind: flag, about: "Take the cluster down, not only stop it.", example: "true" },
  wait_for: {
    kind: oneOf(["jobs_and_ssh", "jobs", "none"]),
    about: "What keeps a cluster from being idle.",
    example: "jobs",
  },
  hook: { kind: text, about: "A script to run before.", example: "echo bye" },
  hook_timeout: {
    kind: whole({ least: 1, called: "a positive int, in seconds" }),
    about: "How long the script may take.",
    example: "300",
  },
} as const;

const autostopCalled = "true, false, minutes, a time such as 10m, or a mapping";

/** What a mapping said of autostop, and what was said in vain. */
export interface AutostopSaid {
  /** Absent: it said that there is none. */
  readonly rule?: TaskAutostop;
  /** Fields that nothing here does. */
  readonly inVain: readonly string[];
}

const autostopWritten: Kind<AutostopSaid> = {
  schema: { anyOf: [flag.schema, duration("m").schema, { type: "integer", minimum: 0 }] },
  called: autostopCalled,
  read: (tree, name, found) => {
    const written = tree.kind === "scalar" ? tree.text.toLowerCase() : "";
    if (["true", "yes", "on", "0"].includes(written)) return autostopOf(0, false);
    if (["false", "no", "off"].includes(written)) return { inVain: [] };
    if (isAmbiguous(tree, name, found)) return undefined;
    const before = found.problems.length;
    const ms = duration("m").read(tree, name, found);
    if (found.problems.length > before) {
      found.problems.length = before;
      const shown = tree.kind === "scalar" ? JSON.stringify(tree.text) : "";
      return refuse(found, tree.place, `${name} should be ${autostopCalled}, not ${shown}`);
    }
    return ms === undefined ? undefined : autostopOf(ms / 1_000, false);
  },
};

export const autostop: Kind<AutostopSaid> = byForm<AutostopSaid>(
  {
    scalar: autostopWritten,
    map: made(fieldsOf({ of: "autostop", fields: autostopFields }), autostopSaid),
  },
  autostopCalled,
);

function autostopSaid({ values }: Said<typeof autostopFields>): AutostopSaid {
  const { idle_minutes: minutes = 0, down = false } = values;
  const inVain = [
    ...(values.wait_for === undefined || values.wait_for === "jobs" ? [] : ["wait_for"]),
    ...(["hook", "hook_timeout"] as const).filter((name) => values[name] !== undefined),
  ];
  return { ...autostopOf(minutes * 60, down), inVain };
}

function autostopOf(idleSeconds: number, down: boolean): AutostopSaid {
  return { rule: { idleSeconds, down }, inVain: [] };
}

const volumeFields = {
  path: { kind: text, about: "Where on the node.", example: "/data" },
  name: { kind: text, about: "Of a volume that is there.", example: "my-volume" },
  disk_size: { kind: diskSize, about: "In GB.", example: "100" },
  disk_tier: { kind: text, about: "How fast.", example: "high" },
  storage_type: { kind: text, about: "instance or network.", example: "network" },
  attach_mode: { kind: text, about: "read_write or read_only.", example: "read_write" },
  auto_delete: { kind: flag, about: "Gone with the node.", example: "true" },
} as const;

export const volumes: Kind<readonly VolumeWish[]> = made(
  listOf(fieldsOf({ of: "a volume", fields: volumeFields, needs: ["path"] })),
  (items: readonly Item<Said<typeof volumeFields>>[]) => {
    return items.map(({ value: { values } }) => ({ ...values, path: values.path ?? "" }));
  },
);
