// The fields of `resources:`: one table. Whoever adds a field adds a row.
//
// What a value may be is checked here, field by field; what fields say of each other, and what a
// cloud can do, is for `task-resources.ts`.
// Source of the fields: SkyPilot 0.3.0, and those that newer versions added.

import { accelerators } from "./task-accelerator.ts";
import { cloud, infra } from "./task-clouds.ts";
import { made, mappingOf } from "./task-groups.ts";
import type { Field } from "./task-kinds.ts";
import { cpuCount, diskSize, flag, memorySize, number, oneOf, text, whole } from "./task-kinds.ts";
import {
  autostop,
  image,
  localDisk,
  ports,
  recovery,
  tpu,
  volumes,
} from "./task-resource-kinds.ts";

/** Fields of one wish: what stands in `resources:` itself, and in each item of `any_of`. */
export const wishFields = {
  infra: {
    kind: infra,
    about: "Where: cloud, cloud/region or cloud/region/zone; `*` is any. Not beside `cloud`.",
    example: "infra: aws/us-east-1",
  },
  cloud: { kind: cloud, about: "Where. Case does not matter.", example: "cloud: local" },
  region: { kind: text, about: "Needs `cloud`.", example: "region: us-east-1" },
  zone: { kind: text, about: "Needs `cloud`. Azure has none.", example: "zone: us-east-1a" },
  cpus: {
    kind: cpuCount,
    about: "CPUs of each node: exactly so many, or `4+` for at least. A job asks for so many.",
    example: "cpus: 4+",
  },
  memory: {
    kind: memorySize,
    about: "Memory of each node in GB, or with a unit: exactly so much, or `16+` for at least.",
    example: "memory: 16+",
  },
  accelerators: {
    kind: accelerators,
    about:
      "Name and count for each node. A fraction is a share of one device. A list takes the " +
      "first that can be had, a mapping of several takes any.",
    example: "accelerators: V100:4",
  },
  gpus: {
    kind: accelerators,
    about: "The same as `accelerators`. Not beside it.",
    example: "gpus: V100",
  },
  accelerator_args: {
    kind: tpu,
    about: "For TPUs: runtime_version, tpu_name, tpu_vm, gcp_queued_resource.",
    example: "accelerator_args: {runtime_version: tpu-vm-base}",
  },
  instance_type: {
    kind: text,
    about: "The cloud's machine type.",
    example: "instance_type: p3.8xlarge",
  },
  use_spot: { kind: flag, about: "Machines that may be taken away.", example: "use_spot: true" },
  spot_recovery: {
    kind: made(text, (name) => name.toUpperCase()),
    about: "FAILOVER. Needs `use_spot: true`. Older SkyPilot's name of `job_recovery`.",
    example: "spot_recovery: FAILOVER",
  },
  job_recovery: {
    kind: recovery,
    about: "For managed jobs: a strategy, or a mapping with the rules of restarts.",
    example: "job_recovery: {max_restarts_on_errors: 3}",
  },
  image_id: {
    kind: image,
    about: "The cloud's image, `docker:NAME` for a container, or images by region.",
    example: "image_id: docker:ubuntu:24.04",
  },
  disk_size: { kind: diskSize, about: "In GB, or with a unit.", example: "disk_size: 256" },
  disk_tier: {
    kind: oneOf(["low", "medium", "high", "ultra", "best", "none"]),
    about: "How fast the disk is.",
    example: "disk_tier: high",
  },
  network_tier: {
    kind: oneOf(["standard", "best"]),
    about: "How fast the network is.",
    example: "network_tier: best",
  },
  local_disk: {
    kind: localDisk,
    about: "A disk of the machine's own: its kind, its size in GB, or both.",
    example: "local_disk: nvme:1000+",
  },
  max_hourly_cost: {
    kind: number({ above0: true, called: "a positive number, in USD" }),
    about: "No machine above this price, in USD.",
    example: "max_hourly_cost: 10.0",
  },
  ports: {
    kind: ports,
    about: "Ports that the cloud opens: one, a range, or a list of them.",
    example: "ports: [8080, 9000-9010]",
  },
  labels: {
    kind: mappingOf(text),
    about: "The cloud's labels of the machines.",
    example: "labels: {team: research}",
  },
  priority_class: {
    kind: text,
    about: "A class of priority, where the cloud has them.",
    example: "priority_class: high",
  },
  volumes: {
    kind: volumes,
    about: "Volumes of the cloud, each with its `path`.",
    example: "volumes: [{path: /data, name: my-volume}]",
  },
  autostop: {
    kind: autostop,
    about: "When the cluster stops by itself, where no flag of `sky launch` says otherwise.",
    example: "autostop: {idle_minutes: 10, down: true}",
  },
  priority: {
    kind: whole({ least: -1_000, most: 1_000, called: "an int between -1000 and 1000" }),
    about: "The task's priority, where `priority` of the task itself is not given.",
    example: "priority: 10",
  },
} as const satisfies Readonly<Record<string, Field<unknown>>>;
