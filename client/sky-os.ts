// The SDK: one object that does what the `sky` command does.
//
// It connects with the first call, starts this home's head if none runs, and repeats what broke
// where repeating is safe: every submission carries a key, so a repeated one is the same jobs.
// Every failure is a `SkyError`; every call ends when its signal, or the object's, aborts.

import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import type { ClusterView } from "../model/cluster.ts";
import { assert, SkyError } from "../model/errors.ts";
import type { NumberedEvent } from "../model/event.ts";
import type { Home } from "../model/home.ts";
import type { Task } from "../model/task.ts";
import { given } from "../proto/fields.ts";
import { checkedClusterName } from "./cluster-name.ts";
import { connectHead } from "./connect-os.ts";
import type { Diagnosis } from "./doctor.ts";
import type { Explanation, Head, HeadVersion, IdleRule } from "./head.ts";
import { headOver } from "./head-grpc.ts";
import { homeOf } from "./home-os.ts";
import type { LaunchResult } from "./launch.ts";
import { lastStep, launchTask } from "./launch.ts";
import type { LogStream } from "./log-stream.ts";
import { logStream } from "./log-stream.ts";
import { countOf, jobNumber } from "./sky-numbers.ts";
import type {
  AutostopOptions,
  CallOptions,
  EventsOptions,
  ExecOptions,
  LaunchOptions,
  LogsOptions,
  SkyOptions,
  SubmitOptions,
} from "./sky-options.ts";
import { taskFromSpec } from "./task-file.ts";
import type { ResourcesSpec, TaskSpec } from "./task-spec.ts";
import { type Job, jobView } from "./view.ts";
import { followEvents, waitForJob } from "./wait.ts";
import { userName, world } from "./world-os.ts";

/**
 * Clusters and jobs, from a program.
 *
 * @example
 * const sky = new Sky();
 * await sky.launch({ run: "echo hello" }, { cluster: "demo" });
 */
export class Sky {
  readonly #head: Head;
  readonly #home: Home;
  readonly #signal: AbortSignal;
  readonly #user = userName();

  constructor(options: SkyOptions = {}) {
    const { home, signal, onWarning } = options;
    this.#home = homeOf(home);
    const place = { home: this.#home, ...(onWarning === undefined ? {} : { onWarning }) };
    this.#head = headOver((until) => connectHead(place, until));
    this.#signal = signal ?? new AbortController().signal;
  }

  /**
   * Brings a cluster up, or finds it up, and submits the task. Without a task it only brings it up.
   *
   * @example const { jobId } = await sky.launch({ run: "nvidia-smi" }, { cluster: "demo" });
   * @throws SkyError `task/invalid`, `cluster/mismatch`, `cluster/start-failed`, …
   */
  async launch(task: TaskSpec | undefined, options: LaunchOptions): Promise<LaunchResult> {
    const { cluster, isolation, noSetup, onProgress } = options;
    const autostop = idleRuleOf(options);
    const order = {
      cluster: checkedClusterName(cluster),
      task: taskFromSpec(withShape(task ?? {}, options), "task", world()),
      ...(isolation === undefined ? {} : { isolation }),
      ...(autostop === undefined ? {} : { autostop }),
      noSetup: noSetup ?? false,
      command: `launch -c ${cluster} (SDK)`,
      user: this.#user,
      idempotencyKey: randomUUID(),
    };
    const signal = this.#until(options);
    return launchTask(this.#head, order, { signal, ...(onProgress ? { onProgress } : {}) });
  }

  /**
   * Submits a task to a cluster that is up, without its setup.
   *
   * @example const { jobId } = await sky.exec({ run: "exit 7" }, { cluster: "demo" });
   * @throws SkyError `cluster/not-found`, `cluster/not-up`, `task/too-big`, …
   */
  async exec(task: TaskSpec, options: ExecOptions): Promise<{ readonly jobId: number }> {
    const validated = [taskFromSpec(task, "task", world())];
    const ids = await this.#submit(options.cluster, validated, { ...options, noSetup: true });
    const [jobId] = ids;
    assert(jobId !== undefined, "one task becomes one job");
    return { jobId };
  }

  /**
   * Submits thousands of tasks in one call: all of them become jobs, or none. Setup runs where a
   * task has one.
   *
   * @example const ids = await sky.submitMany("demo", seeds.map((s) => ({ run: `train ${s}` })));
   * @throws SkyError `task/invalid` with every problem of every task.
   */
  async submitMany(
    cluster: string,
    tasks: readonly TaskSpec[],
    options: SubmitOptions = {},
  ): Promise<number[]> {
    const validated = tasksFromSpecs(tasks);
    if (validated.length === 0) return [];
    return [...(await this.#submit(cluster, validated, { ...options, noSetup: false }))];
  }

  /**
   * The jobs of a cluster, newest first.
   *
   * @example const running = (await sky.queue("demo")).filter((job) => job.status === "RUNNING");
   */
  async queue(
    cluster: string,
    options: CallOptions & { readonly skipFinished?: boolean } = {},
  ): Promise<Job[]> {
    const query = { cluster, skipFinished: options.skipFinished ?? false };
    return (await this.#head.listJobs(query, this.#until(options))).map(jobView);
  }

  /**
   * One job; without an id the latest.
   *
   * @example const { status } = await sky.job("demo", 7);
   * @throws SkyError `job/not-found`.
   */
  async job(cluster: string, job?: number, options: CallOptions = {}): Promise<Job> {
    return jobView(await this.#head.getJob({ cluster, job: jobNumber(job) }, this.#until(options)));
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
  logs(cluster: string, job?: number, options: LogsOptions = {}): LogStream {
    const signal = this.#until(options);
    const { follow = true, rank, offset, tail } = options;
    const request = {
      ...{ cluster, job: jobNumber(job), follow },
      ranks: rank === undefined ? [] : [countOf("rank", rank)],
      offset: countOf("offset", offset ?? 0),
      tailLines: countOf("tail", tail ?? 0),
    };
    return logStream(this.#head, request, { signal, pause: pauseFor(signal) });
  }

  /**
   * Waits until a job has ended; without an id the latest.
   *
   * @example if ((await sky.wait("demo", jobId)).status !== "SUCCEEDED") throw new Error("failed");
   */
  async wait(cluster: string, job?: number, options: CallOptions = {}): Promise<Job> {
    const signal = this.#until(options);
    const ports = { signal, pause: pauseFor(signal) };
    return jobView(await waitForJob(this.#head, { cluster, job: jobNumber(job) }, ports));
  }

  /**
   * Cancels jobs and waits for the proof that no process of theirs is left. Gives the ids that this
   * call cancelled; jobs that had ended keep their outcome.
   *
   * @example await sky.cancel("demo", [7, 8]);
   * @example await sky.cancel("demo", "all");
   */
  async cancel(
    cluster: string,
    jobs: readonly number[] | "all",
    options: CallOptions = {},
  ): Promise<number[]> {
    const all = jobs === "all";
    const request = { cluster, jobs: all ? [] : jobs.map(jobNumber), all, user: this.#user };
    return [...(await this.#head.cancel(request, this.#until(options)))];
  }

  /**
   * Clusters and their nodes; without names all of them.
   *
   * @example for (const { name, status } of await sky.status()) console.log(name, status);
   */
  async status(
    clusters: readonly string[] = [],
    options: CallOptions = {},
  ): Promise<ClusterView[]> {
    return [...(await this.#head.status(clusters, this.#until(options)))];
  }

  /**
   * Stops a cluster, or takes it down, when it has been idle for so long. `null` disarms it.
   *
   * @example await sky.autostop("demo", { idleSeconds: 600, down: true });
   */
  async autostop(
    cluster: string,
    idle: AutostopOptions | null,
    options: CallOptions = {},
  ): Promise<void> {
    const rule = idle && { idleSeconds: idle.idleSeconds, down: idle.down ?? false };
    if (rule !== null && !(rule.idleSeconds >= 0)) {
      throw new SkyError("request/invalid", { field: "idleSeconds", why: "should be 0 or more" });
    }
    await this.#head.setAutostop(cluster, rule, this.#until({ ...idle, ...options }));
  }

  /** Stops a cluster; its jobs end, its record stays. @example await sky.stop("demo"); */
  async stop(cluster: string, options: CallOptions = {}): Promise<void> {
    await this.#head.stop({ cluster, user: this.#user }, this.#until(options));
  }

  /** Starts a stopped cluster. @example await sky.start("demo"); */
  async start(
    cluster: string,
    options: CallOptions & Pick<LaunchOptions, "onProgress"> = {},
  ): Promise<ClusterView> {
    const wanted = { cluster, force: false, command: `start ${cluster} (SDK)`, user: this.#user };
    return lastStep(this.#head.start(wanted, this.#until(options)), options);
  }

  /**
   * Takes a cluster down: its nodes, its processes, its record. Its logs are kept where the answer
   * says.
   *
   * @example await sky.down("demo");
   */
  async down(
    cluster: string,
    options: CallOptions = {},
  ): Promise<{ readonly logsArchive: string }> {
    const wanted = { cluster, purge: false, user: this.#user };
    return this.#head.down(wanted, this.#until(options));
  }

  /**
   * Why a job, or without an id the cluster, is in the state that it is in: one line, and the chain
   * of events behind it.
   *
   * @example console.log((await sky.why("demo", 7)).summary);
   */
  async why(cluster: string, job?: number, options: CallOptions = {}): Promise<Explanation> {
    return this.#head.why({ cluster, job: jobNumber(job) }, this.#until(options));
  }

  /**
   * Every change of state, with who, why and on what evidence; resumed when the connection breaks.
   *
   * @example for await (const event of sky.events("demo", { follow: true })) console.log(event);
   */
  events(cluster: string, options: EventsOptions = {}): AsyncIterable<NumberedEvent> {
    const signal = this.#until(options);
    const { job = 0, follow = false, afterSeq = 0 } = options;
    const ports = { signal, pause: pauseFor(signal) };
    return followEvents(this.#head, { cluster, job, follow, afterSeq }, ports);
  }

  /** What the running head says of itself. @example const { pid } = await sky.version(); */
  async version(options: CallOptions = {}): Promise<HeadVersion> {
    return this.#head.version(this.#until(options));
  }

  /** Actors, mailboxes, records: for people. @example console.log(await sky.debug("demo")); */
  async debug(cluster?: string, options: CallOptions = {}): Promise<unknown> {
    const json: unknown = JSON.parse(await this.#head.inspect(cluster, this.#until(options)));
    return json;
  }

  /**
   * What is wrong on this machine, in this home and, if one is named, on a cluster; each finding
   * that is not ok has its remedy. Starts no head and changes nothing.
   *
   * @example const { problems, findings } = await sky.doctor("demo");
   * @throws SkyError `cluster/not-found`.
   */
  async doctor(cluster?: string, options: CallOptions = {}): Promise<Diagnosis> {
    const [{ runningHead }, { diagnose }] = await Promise.all([
      import("./doctor-head-os.ts"),
      import("./doctor-os.ts"),
    ]);
    const head = await runningHead(this.#home);
    try {
      const patient = { home: this.#home, head, signal: this.#until(options) };
      return await diagnose({ ...patient, ...given("cluster", cluster) });
    } finally {
      head?.close();
    }
  }

  /**
   * Writes a file for a bug report, without secrets, and gives its path. Works without a head.
   *
   * @example const path = await sky.exportDebug({ cluster: "demo", to: "bug.json.gz" });
   * @throws SkyError `cluster/not-found`; the file system's error if `to` is there already.
   */
  async exportDebug(
    options: CallOptions & { readonly cluster?: string; readonly to?: string } = {},
  ): Promise<string> {
    const { exportBundle } = await import("./debug-bundle-os.ts");
    const { cluster, to } = options;
    return exportBundle({
      ...{ home: this.#home, nowMs: Date.now(), signal: this.#until(options) },
      ...given("cluster", cluster),
      ...given("to", to),
    });
  }

  /** Ends the connection. The next call opens a new one. @example sky.close(); */
  close(): void {
    this.#head.close();
  }

  async #submit(
    cluster: string,
    tasks: readonly Task[],
    options: SubmitOptions & { readonly noSetup: boolean },
  ): Promise<readonly number[]> {
    const submission = {
      ...{ cluster, tasks, noSetup: options.noSetup },
      idempotencyKey: options.idempotencyKey ?? randomUUID(),
      user: this.#user,
      command: `exec ${cluster} (SDK)`,
      allNodes: false,
    };
    return this.#head.submit(submission, this.#until(options));
  }

  #until({ signal }: CallOptions): AbortSignal {
    return signal === undefined ? this.#signal : AbortSignal.any([this.#signal, signal]);
  }
}

/** All problems of all tasks at once. */
function tasksFromSpecs(tasks: readonly TaskSpec[]): readonly Task[] {
  if (!Array.isArray(tasks)) {
    throw new SkyError("task/invalid", { problems: "tasks: should be a list of tasks" });
  }
  const here = world();
  const problems: string[] = [];
  const valid = tasks.flatMap((task, index) => {
    try {
      return [taskFromSpec(task, `tasks[${index}]`, here)];
    } catch (error) {
      if (!(error instanceof SkyError)) throw error;
      problems.push(error.message);
      return [];
    }
  });
  if (problems.length > 0) throw new SkyError("task/invalid", { problems: problems.join("\n") });
  return valid;
}

function withShape(task: TaskSpec, options: LaunchOptions): TaskSpec {
  const { numNodes, cpus, memory, accelerators, cloud } = options;
  const given = Object.entries({ cpus, memory, accelerators, cloud } satisfies ResourcesSpecOver);
  const over = Object.fromEntries(given.filter(([, value]) => value !== undefined));
  const nodes = numNodes === undefined ? {} : { num_nodes: numNodes };
  if (Object.keys(over).length === 0) return { ...task, ...nodes };
  return { ...task, ...nodes, resources: { ...task.resources, ...over } };
}

type ResourcesSpecOver = { readonly [K in keyof ResourcesSpec]?: ResourcesSpec[K] | undefined };

function idleRuleOf({ idleSeconds, down }: LaunchOptions): IdleRule | undefined {
  if (idleSeconds === undefined && down !== true) return undefined;
  return { idleSeconds: idleSeconds ?? 0, down: down ?? false };
}

function pauseFor(signal: AbortSignal): (ms: number) => Promise<void> {
  return async (ms) => {
    await pause(ms, undefined, { signal }).catch((cause: unknown) => {
      throw new SkyError("core/cancelled", { what: "the call" }, { cause });
    });
  };
}
