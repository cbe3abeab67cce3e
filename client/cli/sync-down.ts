// `sky logs --sync-down`: each rank's log as a file that holds exactly the bytes that it wrote.
//
// What the files are is in `client/log-files-os.ts`; which jobs are meant is in the words.

import { resolve } from "node:path";
import { demandFound, type JobWords, jobsMeant } from "../jobs-meant.ts";
import { fetchLogs } from "../log-files-os.ts";
import { nodesOf } from "./cluster-nodes.ts";
import { type ExitCode, exitCodes } from "./exit-codes.ts";
import { demandRanks, unmatchedText } from "./job-ids.ts";
import type { Shell } from "./shell.ts";

export interface SyncRequest {
  readonly cluster: string;
  readonly words: JobWords;
  /** Only these; empty = all, and the setup. */
  readonly ranks: readonly number[];
  /** Where the folders go. Default: the home's logs. */
  readonly dir?: string;
}

export async function syncDown(shell: Shell, request: SyncRequest): Promise<ExitCode> {
  const { cluster, words, ranks, dir } = request;
  const head = await shell.head();
  const signal = shell.interrupt;
  const clusterNodes = await nodesOf(shell, head, cluster);
  const found = await jobsMeant({ head, cluster, words, signal });
  demandFound(cluster, found);
  demandRanks(found.jobs, ranks);
  for (const line of unmatchedText(found)) shell.say(line);
  const into = dir === undefined ? shell.home.logs : resolve(dir);
  for (const job of found.jobs) {
    const fetch = { cluster, job, ranks, into, clusterNodes };
    const folder = await fetchLogs({ head, signal }, fetch);
    shell.print(`Job ${job.id} logs: ${folder}`);
  }
  return exitCodes.done;
}
