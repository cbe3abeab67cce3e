// The load of a run: jobs that are submitted, followed and cancelled through the SDK.
//
// Each submission is repeated under its own key until it is answered, as a careful client would;
// from then on the job is acknowledged, and the audit asks for it. Problems are kept, not thrown.

import { createWriteStream, readFileSync, writeFileSync } from "node:fs";
import { finished } from "node:stream/promises";
import { setTimeout as pause } from "node:timers/promises";
import { connectHead } from "../../client/connect-os.ts";
import type { Head } from "../../client/head.ts";
import { headOver } from "../../client/head-grpc.ts";
import { Sky } from "../../client/index.ts";
import { errorText, isSkyError } from "../../model/errors.ts";
import { homeAt } from "../../model/home.ts";
import type { Acknowledged } from "./evidence.ts";
import type { PlannedJob } from "./plan.ts";
import { places, taskOf } from "./rank-script.ts";

export interface LoadOptions {
  readonly folder: string;
  readonly clientHome: string;
  readonly seed: number;
  readonly say: (text: string) => void;
  /** When it aborts, whoever still waits gives up. */
  readonly signal: AbortSignal;
}

const againMs = 100;
const callMs = 20_000;
const lookMs = 200;

export class Load {
  readonly acknowledged: Acknowledged[] = [];
  /** How each follower's stream ended: `<cluster>-<job>` to the status that it was told. */
  readonly told = new Map<string, string>();
  /** Jobs that somebody follows. */
  readonly following = new Set<string>();
  readonly problems: string[] = [];
  readonly #options: LoadOptions;
  readonly #head: Head;
  readonly #sky: Sky;
  readonly #under: Promise<void>[] = [];

  constructor(options: LoadOptions) {
    const { clientHome, signal } = options;
    this.#options = options;
    const home = homeAt(clientHome);
    this.#head = headOver((until) => connectHead({ home }, until));
    this.#sky = new Sky({ home: clientHome, signal });
  }

  /** Submits, follows and, if that is its kind, cancels one job, in the background. */
  run(job: PlannedJob): void {
    this.#keep(job.name, async () => {
      const id = await this.begin(job);
      if (job.kind === "is-cancelled") await this.#cancel(job, id);
    });
  }

  /** Submits one job and follows it from then on. */
  async begin(job: PlannedJob): Promise<number> {
    const [id = 0] = await this.submit(job.name, [job]);
    this.follow(job.cluster, id);
    return id;
  }

  /** All of them in one call. */
  async submit(key: string, jobs: readonly PlannedJob[]): Promise<readonly number[]> {
    const { cluster = "" } = jobs[0] ?? {};
    const submission = {
      ...{ cluster, tasks: jobs.map((job) => taskOf(job, this.#options)), idempotencyKey: key },
      ...{ noSetup: false, user: "tester", command: `chaos ${key}` },
      allNodes: false,
    };
    const ids = await this.#until((signal) => this.#head.submit(submission, signal));
    if (ids.length !== jobs.length) throw new Error(`${key} was answered with ${ids.length} ids`);
    for (const [index, job] of jobs.entries()) {
      this.acknowledged.push(acknowledged(job, ids[index] ?? 0));
    }
    return ids;
  }

  follow(cluster: string, id: number): void {
    this.following.add(`${cluster}-${id}`);
    this.#keep(`the follower of ${cluster}-${id}`, () => this.#follow(cluster, id));
  }

  /** Resolves when all of these have ended. */
  async over(cluster: string, ids: readonly number[]): Promise<void> {
    const wanted = new Set(ids);
    for (;;) {
      const query = { cluster, skipFinished: true };
      const open = await this.#until((signal) => this.#head.listJobs(query, signal));
      if (!open.some(({ id }) => wanted.has(id))) return;
      await pause(lookMs, undefined, { signal: this.#options.signal });
    }
  }

  side(): string {
    return readFileSync(`${this.#options.folder}/${places.side}`, "utf8");
  }

  /** Lets a job that waits come to its end. */
  openGate({ name }: Pick<PlannedJob, "name">): void {
    writeFileSync(`${this.#options.folder}/${places.gates}/${name}`, "");
  }

  /** Every follower has seen the end of its job. */
  async ended(): Promise<void> {
    for (let seen = 0; seen < this.#under.length; ) {
      seen = this.#under.length;
      await Promise.all(this.#under);
    }
  }

  close(): void {
    this.#head.close();
    this.#sky.close();
  }

  #keep(what: string, work: () => Promise<void>): void {
    const kept = work().catch((error: unknown) => {
      this.problems.push(`${what}: ${errorText(error)}`);
    });
    this.#under.push(kept);
  }

  async #cancel({ cluster, cancelAfterMs }: PlannedJob, id: number): Promise<void> {
    await pause(cancelAfterMs);
    const request = { cluster, jobs: [id], all: false, user: "tester" };
    await this.#until((signal) => this.#head.cancel(request, signal));
  }

  async #follow(cluster: string, id: number): Promise<void> {
    const files = new Map<string, ReturnType<typeof createWriteStream>>();
    const log = this.#sky.logs(cluster, id);
    try {
      for await (const { rank, phase, attempt, bytes } of log) {
        const name = `${cluster}-${id}-${attempt}-${phase}-${rank}`;
        const path = `${this.#options.folder}/${places.followed}/${name}`;
        const file = files.get(path) ?? createWriteStream(path);
        files.set(path, file);
        file.write(bytes);
      }
      this.told.set(`${cluster}-${id}`, (await log.outcome).status);
    } finally {
      await Promise.all([...files.values()].map((file) => finished(file.end())));
    }
  }

  /** Repeats what may be repeated, for as long as the run lasts. */
  async #until<T>(make: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { signal, say } = this.#options;
    for (;;) {
      try {
        return await make(AbortSignal.any([signal, AbortSignal.timeout(callMs)]));
      } catch (error) {
        const over = isSkyError(error, "core/cancelled");
        const again = isSkyError(error) && (error.remedy === "retry" || over);
        if (!again || signal.aborted) throw error;
        if (over) say(`a call took more than ${callMs} ms and is made again`);
        await pause(againMs);
      }
    }
  }
}

function acknowledged(job: PlannedJob, id: number): Acknowledged {
  const { name, cluster, kind, numNodes, code, restarts } = job;
  const status = kind === "fails" ? "FAILED" : kind === "is-cancelled" ? "CANCELLED" : "SUCCEEDED";
  return { cluster, id, name, status, numNodes, code, restarts };
}
