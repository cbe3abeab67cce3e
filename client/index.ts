// The public door of the SDK: `import { Sky } from "skylet"`. Everything else is inside.
//
//   const sky = new Sky();
//   const { jobId } = await sky.launch({ num_nodes: 4, run: "hostname" }, { cluster: "demo" });
//   const log = sky.logs("demo", jobId);
//   for await (const { bytes } of log) process.stdout.write(bytes);
//   console.log((await log.outcome).status);
//
// `docs/sdk.md` has every call with an example.

export type {
  AutostopView,
  ClusterCost,
  ClusterStatus,
  ClusterView as Cluster,
  Isolation,
  NodeProgress,
  NodeView,
  UsageInterval,
} from "../model/cluster.ts";
export type { Code, Remedy } from "../model/errors.ts";
export { isSkyError, SkyError } from "../model/errors.ts";
export type { NumberedEvent as Event } from "../model/event.ts";
export type { JobStatus } from "../model/job.ts";
export type {
  Filter,
  ObjectFailure,
  ProfiledLink,
  TransferCounts,
  TransferEvent,
  TransferPreview,
  TransferStatus,
  TransferView as Transfer,
  Verification,
} from "../model/transfer.ts";
export type { Plan as TransferPlan, Solver } from "../model/transfer-plan.ts";
export { Dag } from "./dag-os.ts";
export type { Diagnosis, Finding, Grade } from "./doctor.ts";
export type { DownOutcome, Explanation, HeadVersion, IdleRule } from "./head.ts";
export type { LaunchPlan, TaskPlan } from "./launch-plan.ts";
export type { LogChunk, LogStream } from "./log-stream.ts";
export { Resources } from "./resources-builder.ts";
export type { BundleOptions } from "./sky-care-os.ts";
export * from "./sky-functions-os.ts";
export type { JobGlobs, JobIds } from "./sky-jobs-os.ts";
export type { Launched as LaunchResult, Submitted } from "./sky-launch-os.ts";
export type {
  AutostopOptions,
  CallOptions,
  CopyOptions,
  DownloadOptions,
  DownOptions,
  DryOption,
  EventsOptions,
  ExecOptions,
  FollowOptions,
  IdleOptions,
  LaunchOptions,
  LogsOptions,
  PlanOptions,
  PlanTransferOptions,
  ProfileOptions,
  QueueOptions,
  RealOption,
  SkyOptions,
  StartOptions,
  StatusOptions,
  SubmitOptions,
  SyncOptions,
  TailOptions,
  TransfersOptions,
} from "./sky-options.ts";
export { Sky } from "./sky-os.ts";
export type { ResourcesChoice, Variables, YamlOptions } from "./task-builder-os.ts";
export { Task } from "./task-builder-os.ts";
export type { TaskInput } from "./task-intake-os.ts";
export type {
  AcceleratorsSpec,
  AutostopSpec,
  ConfigSpec,
  EnvsSpec,
  EnvValue,
  GitSpec,
  ResourcesSpec,
  StorageSpec,
  TaskSpec,
  WishSpec,
} from "./task-spec.ts";
export type { TransferStream } from "./transfer-stream.ts";
export type { Job, Rank } from "./view.ts";
