// Launch, exec and their dry run, as the SDK does them: options checked, the task validated, then
// asked for.
//
// Whatever is wrong is told before anything is asked of the head.

import { randomUUID } from "node:crypto";
import type { ClusterView, NodeProgress } from "../model/cluster.ts";
import { assert } from "../model/errors.ts";
import type { Task } from "../model/task.ts";
import { givenCluster, launchableName } from "./cluster-name.ts";
import { Dag } from "./dag-os.ts";
import type { IdleRule } from "./head.ts";
import type { LaunchResult } from "./launch.ts";
import { launchTask, type Watch } from "./launch.ts";
import type { LaunchPlan, TaskPlan } from "./launch-plan.ts";
import { newClusterName } from "./new-name-os.ts";
import { tailJob, writeOut } from "./sky-jobs-os.ts";
import { launchRule } from "./sky-numbers.ts";
import { demandKnown } from "./sky-option-names.ts";
import type {
  CallOptions,
  ExecOptions,
  FollowOptions,
  LaunchOptions,
  PlanOptions,
  SubmitOptions,
} from "./sky-options.ts";
import type { Session } from "./sky-session-os.ts";
import { portsOf } from "./sky-session-os.ts";
import type { TaskInput } from "./task-intake-os.ts";
import { validatedTask, validatedTasks } from "./task-intake-os.ts";
import { untilUpBy } from "./until-up-os.ts";
import type { Job } from "./view.ts";
import { jobView } from "./view.ts";
import { waitForJob } from "./wait.ts";

export interface Launched extends LaunchResult {
  /** The job as it ended, if the call was not detached. */
  readonly job?: Job;
}

export interface Submitted {
  readonly jobId: number;
  /** The job as it ended, if the call was not detached. */
  readonly job?: Job;
}

export async function launchBy(
  session: Session,
  input: TaskInput | null | undefined,
  options: LaunchOptions,
): Promise<Launched> {
  demandKnown("launch", options);
  const { cluster, task, autostop } = wanted(session, input, options);
  const { isolation, noSetup = false, trustedHostKeys } = options;
  const order = {
    ...{ cluster, task, noSetup, user: session.user },
    ...(isolation === undefined ? {} : { isolation }),
    ...(trustedHostKeys === undefined ? {} : { trustedHostKeys }),
    ...(autostop === undefined ? {} : { autostop }),
    command: `launch -c ${cluster} (SDK)`,
    idempotencyKey: options.idempotencyKey ?? randomUUID(),
  };
  const result = await launchTask(session.head, order, watchOf(session, options));
  const { jobId } = result;
  if (jobId === undefined || options.detachRun !== false) return result;
  return { ...result, job: await endOf(session, { cluster, jobId }, options) };
}

/** What `launchBy` would do. @throws SkyError `cluster/mismatch`, and what a launch throws. */
export async function planBy(
  session: Session,
  input: TaskInput | null | undefined,
  options: LaunchOptions,
): Promise<LaunchPlan> {
  demandKnown("launch", options);
  const { cluster, task, autostop } = wanted(session, input, options);
  const [{ launchPlan }, { runningHead }] = await Promise.all([
    import("./launch-plan.ts"),
    import("./doctor-head-os.ts"),
  ]);
  // A head that does not run is not started for this.
  const head = await runningHead(session.home);
  const known = (await head?.status([], session.until(options))) ?? [];
  head?.close();
  const found = known.find(({ name }) => name === cluster);
  return launchPlan({
    ...{ cluster, task, noSetup: options.noSetup ?? false },
    ...(autostop === undefined ? {} : { autostop }),
    ...(found === undefined ? {} : { found }),
  });
}

/** The machines that a task would get, or each task of a dag. */
export async function optimizeBy(
  session: Session,
  input: TaskInput,
  shape: PlanOptions,
): Promise<readonly TaskPlan[]> {
  demandKnown("optimize", shape);
  const { taskPlan } = await import("./launch-plan.ts");
  const intake = { shape, onNote: session.warn };
  if (!(input instanceof Dag)) return [taskPlan(validatedTask(input, "task", intake))];
  return validatedTasks(input.tasks, intake).map(taskPlan);
}

export async function execBy(
  session: Session,
  input: TaskInput,
  options: ExecOptions,
): Promise<Submitted> {
  demandKnown("exec", options);
  const cluster = givenCluster(options.cluster);
  const task = validatedTask(input, "task", { filesStay: true, onNote: session.warn });
  const [jobId] = await submitTo(session, { cluster, tasks: [task], noSetup: true }, options);
  assert(jobId !== undefined, "one task becomes one job");
  if (options.detachRun !== false) return { jobId };
  return { jobId, job: await endOf(session, { cluster, jobId }, options) };
}

/** All of them, or none. */
export async function submitAll(
  session: Session,
  { cluster, tasks }: { readonly cluster: string; readonly tasks: readonly TaskInput[] },
  options: SubmitOptions,
): Promise<number[]> {
  demandKnown("submitMany", options);
  givenCluster(cluster);
  const validated = validatedTasks(tasks, { onNote: session.warn });
  if (validated.length === 0) return [];
  return [...(await submitTo(session, { cluster, tasks: validated, noSetup: false }, options))];
}

interface Wanted {
  readonly cluster: string;
  readonly tasks: readonly Task[];
  readonly noSetup: boolean;
}

async function submitTo(
  session: Session,
  { cluster, tasks, noSetup }: Wanted,
  options: SubmitOptions,
): Promise<readonly number[]> {
  const submission = {
    ...{ cluster, tasks, noSetup, user: session.user, allNodes: false },
    idempotencyKey: options.idempotencyKey ?? randomUUID(),
    command: `exec ${cluster} (SDK)`,
  };
  return session.head.submit(submission, session.until(options));
}

interface LaunchWanted {
  readonly cluster: string;
  readonly task: Task;
  readonly autostop: IdleRule | undefined;
}

function wanted(
  session: Session,
  input: TaskInput | null | undefined,
  options: LaunchOptions,
): LaunchWanted {
  const cluster = launchableName(options.cluster ?? newClusterName(session.user));
  const task = validatedTask(input ?? {}, "task", { shape: options, onNote: session.warn });
  return { cluster, task, autostop: launchRule(options, task.autostop) };
}

function watchOf(session: Session, options: LaunchOptions): Watch {
  const signal = session.until(options);
  const { onProgress, retryUntilUp = false } = options;
  let last = "";
  const show = ({ text }: NodeProgress): void => {
    if (text !== last) void writeOut(Buffer.from(`${text}\n`));
    last = text;
  };
  return {
    signal,
    ...(retryUntilUp ? { untilUp: untilUpBy(signal) } : {}),
    onProgress: (progress) => {
      onProgress?.(progress);
      if (streams(options)) show(progress);
    },
    onUp: ({ name, nodes }: ClusterView) => {
      const count = nodes.length === 1 ? "1 node" : `${nodes.length} nodes`;
      if (streams(options)) show({ nodesUp: 0, nodesWanted: 0, text: `${name} is up: ${count}` });
    },
  };
}

/** What is not detached is shown, unless told otherwise. */
function streams({ streamLogs, detachRun = true }: FollowOptions): boolean {
  return streamLogs ?? !detachRun;
}

async function endOf(
  session: Session,
  { cluster, jobId }: { readonly cluster: string; readonly jobId: number },
  options: CallOptions & FollowOptions,
): Promise<Job> {
  const of = { cluster, job: jobId };
  const call = { signal: session.until(options) };
  if (streams(options)) return tailJob(session, of, call);
  return jobView(await waitForJob(session.head, of, portsOf(session, call)));
}
