// A job's log in the terminal: lines of all ranks with their prefixes, and the job's outcome as the
// exit code. What launch, exec and logs end with.
//
// Ctrl-C only detaches: the job runs on, and the user is told how to come back.

import { setTimeout as pause } from "node:timers/promises";
import type { Job } from "../../model/job.ts";
import { isTerminal } from "../../model/job.ts";
import { reasonText } from "../../model/reason.ts";
import type { Head } from "../head.ts";
import type { FollowEvent } from "../log-follow.ts";
import { followLog } from "../log-follow.ts";
import { LogText } from "../log-text.ts";
import type { ExitCode } from "./exit-codes.ts";
import { exitCodeOfJob, exitCodes } from "./exit-codes.ts";
import { reportSetup } from "./setup-report.ts";
import type { Shell } from "./shell.ts";

export interface FollowRequest {
  readonly cluster: string;
  /** 0 = the latest. */
  readonly job: number;
  readonly follow: boolean;
  readonly tailLines: number;
  /** Only the run of these; without any the run of all, and the setup. */
  readonly ranks?: readonly number[];
  /** Nodes of the cluster: decides the look of the prefixes. */
  readonly clusterNodes: number;
}

export async function followJob(shell: Shell, request: FollowRequest): Promise<ExitCode> {
  const view = new View(shell, request);
  try {
    for await (const event of events(shell, await shell.head(), request)) await view.take(event);
  } catch (error) {
    if (!shell.interrupt.aborted) throw error;
    await view.flush();
    return detached(shell, request.cluster, view.job?.id ?? request.job);
  }
  await view.flush();
  return finished(shell, request, view);
}

/** What Ctrl-C leaves behind, in words. */
export function detached(shell: Shell, cluster: string, job: number): ExitCode {
  shell.say("\nTip: The job will keep running after Ctrl-C.");
  shell.say(`To see its log again:  sky logs ${cluster} ${job}`);
  shell.say(`To cancel it:          sky cancel ${cluster} ${job}`);
  return exitCodes.interrupted;
}

function events(shell: Shell, head: Head, request: FollowRequest): AsyncIterable<FollowEvent> {
  const { cluster, job, follow, tailLines, ranks = [] } = request;
  const signal = shell.interrupt;
  return followLog(
    { cluster, job, follow, tailLines, ranks, offsets: [] },
    {
      open: (query) => head.tailLogs(query, signal),
      pause: (ms) => pause(ms, undefined, { signal }),
    },
  );
}

async function finished(shell: Shell, request: FollowRequest, view: View): Promise<ExitCode> {
  const { job } = view;
  const { cluster, follow, clusterNodes } = request;
  if (job === undefined) return exitCodes.refused;
  const { id, status, reason } = job;
  if (follow) shell.print(`Job finished (status: ${status}).`);
  else if (!isTerminal(status)) shell.say(`Job ${id} has not finished (status: ${status}).`);
  if (isTerminal(status) && status !== "SUCCEEDED" && reason !== undefined) {
    shell.say(`Job ${id}: ${reasonText(reason)}. See \`sky why ${cluster} ${id}\`.`);
  }
  if (status === "FAILED_SETUP") {
    const seen = view.hasOnly(job);
    await reportSetup(shell, { cluster, job, clusterNodes, seen });
  }
  return exitCodeOfJob(status);
}

class View {
  readonly #shell: Shell;
  readonly #request: FollowRequest;
  readonly #text: LogText;
  /** What it waited for so far: said once each, however often it comes back to it. */
  readonly #said = new Set<string>();

  constructor(shell: Shell, request: FollowRequest) {
    this.#shell = shell;
    this.#request = request;
    this.#text = new LogText(request);
  }

  get job(): Job | undefined {
    return this.#text.job;
  }

  async take(event: FollowEvent): Promise<void> {
    for (const bytes of this.#text.take(event)) await this.#shell.write(bytes);
    if (event.kind !== "piece") this.#sayWhyItWaits(event.job);
  }

  /** Whether what was shown is the one setup of this job. */
  hasOnly({ attempt, setups }: Job): boolean {
    const [only] = setups;
    if (setups.length !== 1 || only === undefined) return false;
    const { sources } = this.#text;
    return sources.size === 1 && sources.has(`${attempt}-setup-${only.rank}`);
  }

  async flush(): Promise<void> {
    for (const bytes of this.#text.end()) await this.#shell.write(bytes);
  }

  #sayWhyItWaits({ id, waitingFor }: Job): void {
    const what = waitingFor?.replace(/\battempt \d+/g, "attempt");
    if (what === undefined || this.#said.has(what)) return;
    this.#said.add(what);
    if (this.#request.follow) this.#shell.say(`Job ${id} is waiting: ${waitingFor}`);
  }
}
