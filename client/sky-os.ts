// The SDK: one object that does what the `sky` command does.
//
// It connects with the first call, starts this home's head if none runs, and repeats what broke
// where repeating is safe: every submission carries a key, so a repeated one is the same jobs.
// Every failure is a `SkyError`; every call ends when its signal, or the object's, aborts.

import type { ClusterCost, ClusterView } from "../model/cluster.ts";
import type { NumberedEvent } from "../model/event.ts";
import type { JobStatus } from "../model/job.ts";
import { givenCluster } from "./cluster-name.ts";
import type { Diagnosis } from "./doctor.ts";
import type { DownOutcome, Explanation, HeadVersion, JobOf } from "./head.ts";
import type { LaunchPlan, TaskPlan } from "./launch-plan.ts";
import type { LogStream } from "./log-stream.ts";
import type { BundleOptions } from "./sky-care-os.ts";
import * as care from "./sky-care-os.ts";
import * as clusters from "./sky-clusters-os.ts";
import type { JobGlobs, JobIds } from "./sky-jobs-os.ts";
import * as jobs from "./sky-jobs-os.ts";
import type { Launched, Submitted } from "./sky-launch-os.ts";
import * as launches from "./sky-launch-os.ts";
import { jobNumber, jobNumbers } from "./sky-numbers.ts";
import { demandKnown } from "./sky-option-names.ts";
import type * as o from "./sky-options.ts";
import { openSession, portsOf, type Session } from "./sky-session-os.ts";
import { SkyTransfers } from "./sky-transfers-os.ts";
import type { TaskInput } from "./task-intake-os.ts";
import { type Job, jobView } from "./view.ts";
import { followEvents, waitForJob } from "./wait.ts";

/**
 * Clusters, jobs and transfers, from a program.
 *
 * @example
 * const sky = new Sky();
 * await sky.launch({ run: "echo hello" }, { cluster: "demo" });
 */
export class Sky extends SkyTransfers {
  readonly #session: Session;

  constructor(options: o.SkyOptions = {}) {
    const session = openSession(options);
    super(session);
    this.#session = session;
  }

  /**
   * Brings a cluster up, or finds it up, and submits the task. Without a task it only brings it up.
   * It returns when the job is on disk; with `detachRun: false` when it has ended. With
   * `dryrun: true` it is `dryrun`.
   *
   * @example const { jobId } = await sky.launch({ run: "nvidia-smi" }, { cluster: "demo" });
   * @throws SkyError `task/invalid`, `cloud/needed`, `cluster/mismatch`, `cluster/start-failed`, …
   */
  launch(task: Maybe<TaskInput>, options: o.LaunchOptions & o.DryOption): Promise<LaunchPlan>;
  launch(task?: Maybe<TaskInput>, options?: o.LaunchOptions & o.RealOption): Promise<Launched>;
  async launch(
    task: Maybe<TaskInput>,
    options: o.LaunchOptions & Partial<o.DryOption | o.RealOption> = {},
  ): Promise<LaunchPlan | Launched> {
    return options.dryrun === true
      ? launches.planBy(this.#session, task, options)
      : launches.launchBy(this.#session, task, options);
  }

  /**
   * What `launch` would do with the same arguments; nothing is started or changed.
   *
   * @example const { resources, existing } = await sky.dryrun(task, { cluster: "demo" });
   * @throws SkyError `task/invalid`, `cloud/needed`, `cluster/mismatch`.
   */
  async dryrun(task?: Maybe<TaskInput>, options: o.LaunchOptions = {}): Promise<LaunchPlan> {
    return launches.planBy(this.#session, task, options);
  }

  /**
   * The machines that a task would get; for a `Dag` those of each of its tasks.
   *
   * @example for (const { resources } of await sky.optimize(task)) console.log(resources);
   * @throws SkyError `task/invalid`, `cloud/needed`.
   */
  async optimize(task: TaskInput, options: o.PlanOptions = {}): Promise<readonly TaskPlan[]> {
    return launches.optimizeBy(this.#session, task, options);
  }

  /**
   * Submits a task to a cluster that is up, without its setup and its file mounts.
   *
   * @example const { jobId } = await sky.exec({ run: "exit 7" }, { cluster: "demo" });
   * @throws SkyError `task/invalid`, `cluster/not-found`, `cluster/not-up`, `task/too-big`, …
   */
  async exec(task: TaskInput, options: o.ExecOptions): Promise<Submitted> {
    return launches.execBy(this.#session, task, options);
  }

  /**
   * Submits thousands of tasks in one call: all of them become jobs, or none. Setup runs where a
   * task has one.
   *
   * @example const ids = await sky.submitMany("demo", seeds.map((s) => ({ run: `train ${s}` })));
   * @throws SkyError `task/invalid` with every problem of every task; what `exec` throws.
   */
  async submitMany(
    cluster: string,
    tasks: readonly TaskInput[],
    options: o.SubmitOptions = {},
  ): Promise<number[]> {
    return launches.submitAll(this.#session, { cluster, tasks }, options);
  }

  /**
   * Clusters and their nodes; without names all of them. What is down is not there.
   *
   * @example for (const { name, status } of await sky.status()) console.log(name, status);
   * @throws SkyError `cluster/not-found`.
   */
  async status(
    names?: string | readonly string[] | null,
    options: o.StatusOptions = {},
  ): Promise<ClusterView[]> {
    return clusters.statusBy(this.#session, names, options);
  }

  /**
   * What each cluster costs, also those that are gone: how long its machines ran, and when.
   *
   * @example for (const { name, cost } of await sky.costReport()) console.log(name, cost);
   */
  async costReport(options: o.CallOptions = {}): Promise<ClusterCost[]> {
    return [...(await this.#session.head.costReport(this.#until(options)))];
  }

  /**
   * Starts a stopped cluster.
   *
   * @example await sky.start("demo", { idleMinutes: 10, down: true });
   * @throws SkyError `cluster/not-found`, `cluster/start-failed`; `request/invalid` for `down`
   * without a time.
   */
  async start(cluster: string, options: o.StartOptions = {}): Promise<ClusterView> {
    return clusters.startBy(this.#session, cluster, options);
  }

  /**
   * Stops a cluster; its jobs end, its record stays.
   *
   * @example await sky.stop("demo");
   * @throws SkyError `cluster/not-found`, `cluster/stop-failed`.
   */
  async stop(cluster: string, options: o.CallOptions = {}): Promise<void> {
    const { head, user } = this.#session;
    await head.stop({ cluster: givenCluster(cluster), user }, this.#until(options));
  }

  /**
   * Takes a cluster down: its nodes, its processes, its record. Its logs are kept where the answer
   * says.
   *
   * @example const { logsArchive } = await sky.down("demo");
   * @throws SkyError `cluster/not-found`, `cluster/stop-failed`.
   */
  async down(cluster: string, options: o.DownOptions = {}): Promise<DownOutcome> {
    const { head, user } = this.#session;
    demandKnown("down", options);
    const { purge = false } = options;
    return head.down({ cluster: givenCluster(cluster), purge, user }, this.#until(options));
  }

  /**
   * Stops a cluster, or takes it down, when it has been idle for so long: 0 is as soon as it is
   * idle. `null`, or a negative time, disarms.
   *
   * @example await sky.autostop("demo", { idleMinutes: 10, down: true });
   * @throws SkyError `cluster/not-found`, `cluster/not-up`; `request/invalid` without a time.
   */
  async autostop(
    cluster: string,
    idle: o.AutostopOptions | null,
    options: o.CallOptions = {},
  ): Promise<void> {
    return clusters.autostopBy(this.#session, { cluster, idle }, { ...idle, ...options });
  }

  /**
   * One's own jobs on a cluster, newest first.
   *
   * @example const running = (await sky.queue("demo")).filter((job) => job.status === "RUNNING");
   * @throws SkyError `cluster/not-found`.
   */
  async queue(cluster: string, options: o.QueueOptions = {}): Promise<Job[]> {
    demandKnown("queue", options);
    const { skipFinished = false, allUsers = false } = options;
    const { head, user } = this.#session;
    const of = { cluster: givenCluster(cluster), skipFinished };
    const query = { ...of, ...(allUsers ? {} : { user }) };
    return (await head.listJobs(query, this.#until(options))).map(jobView);
  }

  /**
   * One job; without an id the latest.
   *
   * @example const { status } = await sky.job("demo", 7);
   * @throws SkyError `cluster/not-found`, `job/not-found`.
   */
  async job(cluster: string, job?: number, options: o.CallOptions = {}): Promise<Job> {
    const { head } = this.#session;
    return jobView(await head.getJob(jobOf(cluster, job), this.#until(options)));
  }

  /**
   * The status of each job, null for one that is not there; without ids that of the latest.
   *
   * @example const { 7: status } = await sky.jobStatus("demo", [7, 8]);
   * @throws SkyError `cluster/not-found`.
   */
  async jobStatus(
    cluster: string,
    ids?: JobIds | null,
    options: o.CallOptions = {},
  ): Promise<Record<number, JobStatus | null>> {
    return jobs.statusesBy(
      this.#session,
      { cluster: givenCluster(cluster), ids: ids ?? undefined },
      options,
    );
  }

  /**
   * Waits until a job has ended; without an id the latest.
   *
   * @example if ((await sky.wait("demo", jobId)).status !== "SUCCEEDED") throw new Error("failed");
   * @throws SkyError `cluster/not-found`, `job/not-found`.
   */
  async wait(cluster: string, job?: number, options: o.CallOptions = {}): Promise<Job> {
    const { head } = this.#session;
    return jobView(await waitForJob(head, jobOf(cluster, job), portsOf(this.#session, options)));
  }

  /**
   * Cancels jobs and waits for the proof that no process of theirs is left. Gives the ids that this
   * call cancelled; jobs that had ended keep their outcome. `"all"` are all of one's own.
   *
   * @example await sky.cancel("demo", [7, 8]);
   * @example await sky.cancel("demo", "all");
   * @throws SkyError `cluster/not-found`, `job/not-found`; `job/not-yours`, and none is cancelled.
   */
  async cancel(
    cluster: string,
    ids: JobIds | "all",
    options: o.CallOptions = {},
  ): Promise<number[]> {
    const all = ids === "all";
    const { head, user } = this.#session;
    const of = { cluster: givenCluster(cluster), user };
    const request = { ...of, jobs: all ? [] : jobNumbers(ids), all };
    return [...(await head.cancel(request, this.#until(options)))];
  }

  /**
   * The bytes that a job's ranks write, as they write them, by rank and offset. Broken connections
   * are resumed: each log's bytes come once and in order. `outcome` is the job at the end.
   *
   * @example
   * const log = sky.logs("demo", jobId);
   * for await (const { bytes } of log) process.stdout.write(bytes);
   * console.log((await log.outcome).status);
   */
  logs(cluster: string, job?: number, options: o.LogsOptions = {}): LogStream {
    return jobs.logsBy(this.#session, jobOf(cluster, job), options);
  }

  /**
   * Prints a job's log as `sky logs` does, whole lines behind their rank's prefix, and gives the
   * job as it was at the end.
   *
   * @example const { status } = await sky.tailLogs("demo", jobId);
   * @throws SkyError `cluster/not-found`, `job/not-found`.
   */
  async tailLogs(cluster: string, job?: number | null, options: o.TailOptions = {}): Promise<Job> {
    return jobs.tailJob(this.#session, jobOf(cluster, job ?? undefined), options);
  }

  /**
   * Writes each rank's log into a file of its own, and gives each job's folder. Ids may be globs;
   * without any it is the latest job's.
   *
   * @example const { 7: folder } = await sky.downloadLogs("demo", [7, "1*"]);
   * @throws SkyError `cluster/not-found`, `job/not-found`; the file system's error.
   */
  async downloadLogs(
    cluster: string,
    ids?: JobGlobs | null,
    options: o.DownloadOptions = {},
  ): Promise<Record<number, string>> {
    const of = { cluster: givenCluster(cluster), jobs: ids ?? undefined };
    return jobs.downloadBy(this.#session, of, options);
  }

  /**
   * Why a job, or without an id the cluster, is in the state that it is in: one line, and the chain
   * of events behind it.
   *
   * @example console.log((await sky.why("demo", 7)).summary);
   * @throws SkyError `cluster/not-found`, `job/not-found`.
   */
  async why(cluster: string, job?: number, options: o.CallOptions = {}): Promise<Explanation> {
    return this.#session.head.why(jobOf(cluster, job), this.#until(options));
  }

  /**
   * Every change of state, with who, why and on what evidence; resumed when the connection breaks.
   *
   * @example for await (const event of sky.events("demo", { follow: true })) console.log(event);
   */
  events(cluster: string, options: o.EventsOptions = {}): AsyncIterable<NumberedEvent> {
    const { job = 0, follow = false, afterSeq = 0 } = options;
    const query = { cluster: givenCluster(cluster), job, follow, afterSeq };
    return followEvents(this.#session.head, query, portsOf(this.#session, options));
  }

  /** What the running head says of itself. @example const { pid } = await sky.version(); */
  async version(options: o.CallOptions = {}): Promise<HeadVersion> {
    return this.#session.head.version(this.#until(options));
  }

  /** Actors, mailboxes, records: for people. @example console.log(await sky.debug("demo")); */
  async debug(cluster?: string, options: o.CallOptions = {}): Promise<unknown> {
    const json: unknown = JSON.parse(
      await this.#session.head.inspect(cluster, this.#until(options)),
    );
    return json;
  }

  /**
   * What is wrong on this machine, in this home and, if one is named, on a cluster; each finding
   * that is not ok has its remedy. Starts no head and changes nothing.
   *
   * @example const { problems, findings } = await sky.doctor("demo");
   * @throws SkyError `cluster/not-found`.
   */
  async doctor(cluster?: string, options: o.CallOptions = {}): Promise<Diagnosis> {
    return care.diagnosed(this.#session, cluster, options);
  }

  /**
   * Writes a file for a bug report, without secrets, and gives its path. Works without a head.
   *
   * @example const path = await sky.exportDebug({ cluster: "demo", to: "bug.json.gz" });
   * @throws SkyError `cluster/not-found`; the file system's error if `to` is there already.
   */
  async exportDebug(options: BundleOptions = {}): Promise<string> {
    return care.bundled(this.#session, options);
  }

  /** Ends the connection. The next call opens a new one. @example sky.close(); */
  close(): void {
    this.#session.head.close();
  }

  #until(options: o.CallOptions): AbortSignal {
    return this.#session.until(options);
  }
}

/** Without an id the latest. @throws SkyError `request/invalid`. */
function jobOf(cluster: string, job: number | undefined): JobOf {
  return { cluster: givenCluster(cluster), job: jobNumber(job) };
}

type Maybe<T> = T | null | undefined;
