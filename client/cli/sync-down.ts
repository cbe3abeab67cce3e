// `sky logs --sync-down`: each rank's log as a file that holds exactly the bytes that it wrote.
//
// What the files are is in `client/log-files-os.ts`; which jobs are meant is in the words.

import { isGlob } from "../glob.ts";
import { fetchLogs, jobsMeant } from "../log-files-os.ts";
import { nodesOf } from "./cluster-nodes.ts";
import { type ExitCode, exitCodes } from "./exit-codes.ts";
import { jobIdOf } from "./job-ids.ts";
import type { Shell } from "./shell.ts";

export async function syncDown(
  shell: Shell,
  cluster: string,
  words: readonly string[],
): Promise<ExitCode> {
  const plain = words.map((word) => (isGlob(word) ? word : String(jobIdOf(word))));
  const head = await shell.head();
  const clusterNodes = await nodesOf(shell, head, cluster);
  const asking = { head, signal: shell.interrupt };
  const jobs = await jobsMeant(asking, cluster, plain);
  if (jobs.length === 0) shell.say("No matching jobs found.");
  for (const job of jobs) {
    const into = shell.home.logs;
    const folder = await fetchLogs(asking, { cluster, job, into, clusterNodes });
    shell.print(`Job ${job.id} logs: ${folder}`);
  }
  return exitCodes.done;
}
