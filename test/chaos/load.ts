// The load of a run: jobs whose ranks write down what happens to them, submitted and followed.
//
// Each submission is repeated under its own key until it is answered, as a careful client would;
// each acknowledged job is followed through the SDK from then on. Ranks write what they print into
// a file of their own first, so that what a follower got can be compared byte for byte.

import { createWriteStream, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { finished } from "node:stream/promises";
import { setTimeout as pause } from "node:timers/promises";
import { connectHead } from "../../client/connect-os.ts";
import type { Head } from "../../client/head.ts";
import { headOver } from "../../client/head-grpc.ts";
import { Sky } from "../../client/index.ts";
import { errorText, isSkyError } from "../../model/errors.ts";
import { homeAt } from "../../model/home.ts";
import type { Task } from "../../model/task.ts";
import type { Acknowledged } from "./audit.ts";
import type { PlannedJob } from "./plan.ts";

export interface LoadOptions {
  readonly folder: string;
  readonly clientHome: string;
  readonly seed: number;
  readonly say: (text: string) => void;
  /** When it aborts, whoever still waits gives up. */
  readonly signal: AbortSignal;
}

/** A job whose ranks write until the gate is opened. */
export type LongJob = Omit<PlannedJob, "kind"> & { readonly kind: "long" };

const againMs = 100;
const callMs = 20_000;

export class Load {
  readonly acknowledged: Acknowledged[] = [];
  readonly told = new Map<string, string>();
  readonly problems: string[] = [];
  readonly #options: LoadOptions;
  readonly #head: Head;
  readonly #sky: Sky;
  readonly #under: Promise<void>[] = [];

  constructor(options: LoadOptions) {
    const { clientHome, folder, signal } = options;
    this.#options = options;
    const home = homeAt(clientHome);
    this.#head = headOver((until) => connectHead({ home }, until));
    this.#sky = new Sky({ home: clientHome, signal });
    for (const name of ["written", "followed"]) mkdirSync(`${folder}/${name}`);
    writeFileSync(`${folder}/side`, "");
  }

  /** Submits, follows and, if that is its kind, cancels one job. Problems are kept, not thrown. */
  run(job: PlannedJob | LongJob): void {
    const work = this.#run(job).catch((error: unknown) => {
      this.problems.push(`${job.name}: ${errorText(error)}`);
    });
    this.#under.push(work);
  }

  side(): string {
    return readFileSync(`${this.#options.folder}/side`, "utf8");
  }

  /** Lets the long jobs come to their end. */
  openGate(): void {
    writeFileSync(`${this.#options.folder}/gate`, "");
  }

  async ended(): Promise<void> {
    await Promise.all(this.#under);
    this.close();
  }

  close(): void {
    this.#head.close();
    this.#sky.close();
  }

  async #run(job: PlannedJob | LongJob): Promise<void> {
    const id = await this.#submit(job);
    const { name, cluster, kind, numNodes, code } = job;
    const status =
      kind === "fails" ? "FAILED" : kind === "is-cancelled" ? "CANCELLED" : "SUCCEEDED";
    this.acknowledged.push({ cluster, id, name, status, numNodes, code });
    const following = this.#follow(job, id);
    if (kind === "is-cancelled") await this.#cancel(job, id);
    await following;
  }

  #submit(job: PlannedJob | LongJob): Promise<number> {
    const { cluster, name } = job;
    const submission = {
      ...{ cluster, tasks: [taskOf(job, this.#options)], idempotencyKey: name, noSetup: false },
      ...{ user: "tester", command: `chaos ${name}` },
    };
    return this.#until(async (signal) => {
      const [id] = await this.#head.submit(submission, signal);
      if (id === undefined) throw new Error(`${name} was answered without an id`);
      return id;
    });
  }

  async #cancel({ cluster, cancelAfterMs }: PlannedJob | LongJob, id: number): Promise<void> {
    await pause(cancelAfterMs);
    const request = { cluster, jobs: [id], all: false, user: "tester" };
    await this.#until((signal) => this.#head.cancel(request, signal));
  }

  async #follow({ cluster, name: title }: PlannedJob | LongJob, id: number): Promise<void> {
    const files = new Map<string, ReturnType<typeof createWriteStream>>();
    const log = this.#sky.logs(cluster, id);
    try {
      for await (const { rank, phase, attempt, bytes } of log) {
        const name = `${cluster}-${id}-${attempt}-${phase}-${rank}`;
        const path = `${this.#options.folder}/followed/${name}`;
        const file = files.get(path) ?? createWriteStream(path);
        files.set(path, file);
        file.write(bytes);
      }
      this.told.set(`${cluster}-${id}`, (await log.outcome).status);
    } catch (error) {
      this.problems.push(`the follower of ${cluster}-${id} (${title}): ${errorText(error)}`);
    }
    await Promise.all([...files.values()].map((file) => finished(file.end())));
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

function taskOf(job: PlannedJob | LongJob, options: LoadOptions): Task {
  return {
    ...{ name: job.name, numNodes: job.numNodes, resources: {}, priority: 0, maxRestarts: 0 },
    ...{ envs: { CHAOS: options.folder }, secrets: {} },
    ...(job.kind === "sets-up" ? { setup: `${startText(job)}sleep 0.2\n` } : {}),
    run: runText(job, options.seed),
  };
}

/** Which rank of which attempt this is, is told by the folder of the process above it. */
function startText({ cluster }: PlannedJob | LongJob): string {
  return `key=$(readlink /proc/$PPID/cwd); key=\${key##*/}
tell() { echo "${cluster} $1 $key $2" >>"$CHAOS/side"; }
tell start $$
`;
}

function runText(job: PlannedJob | LongJob, seed: number): string {
  const { cluster, kind, numNodes, lines, code } = job;
  const more = kind === "long" ? '[ ! -e "$CHAOS/gate" ]' : `[ $n -lt ${lines} ]`;
  const mark = `1000.${seed}`;
  const leave = `setsid sleep ${mark} >/dev/null 2>&1 </dev/null &\ntell left "$!:${mark}"\n`;
  const leaves = kind === "leaves" || kind === "fails" || kind === "is-cancelled";
  return `${startText(job)}${leaves ? leave : ""}own=$CHAOS/written/${cluster}-$key; n=0
: >>"$own"
while ${more}; do
  line="line $n of $key $RANDOM"; n=$((n + 1))
  printf '%s\\377\\r\\n' "$line" >>"$own"; printf '%s\\377\\r\\n' "$line"
  sleep 0.1
done
${kind === "is-cancelled" ? "sleep 300\n" : ""}code=0
[ "$SKYPILOT_NODE_RANK" = ${numNodes - 1} ] && code=${code}
tell end $code
exit $code
`;
}
