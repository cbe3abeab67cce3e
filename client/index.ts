// The public door of the SDK: `import { Sky } from "skylet"`. Everything else is inside.
//
//   const sky = new Sky();
//   const { jobId } = await sky.launch({ num_nodes: 4, run: "hostname" }, { cluster: "demo" });
//   const log = sky.logs("demo", jobId);
//   for await (const { bytes } of log) process.stdout.write(bytes);
//   console.log((await log.outcome).status);

export type {
  AutostopView,
  ClusterStatus,
  ClusterView as Cluster,
  Isolation,
  NodeProgress,
  NodeView,
} from "../model/cluster.ts";
export type { Code, Remedy } from "../model/errors.ts";
export { isSkyError, SkyError } from "../model/errors.ts";
export type { NumberedEvent as Event } from "../model/event.ts";
export type { JobStatus } from "../model/job.ts";
export type { Diagnosis, Finding, Grade } from "./doctor.ts";
export type { Explanation, HeadVersion } from "./head.ts";
export type { LaunchResult } from "./launch.ts";
export type { LogChunk, LogStream } from "./log-stream.ts";
export type {
  AutostopOptions,
  CallOptions,
  EventsOptions,
  ExecOptions,
  LaunchOptions,
  LogsOptions,
  SkyOptions,
  SubmitOptions,
} from "./sky-options.ts";
export { Sky } from "./sky-os.ts";
export type { ResourcesSpec, TaskSpec } from "./task-spec.ts";
export type { Job, Rank } from "./view.ts";
