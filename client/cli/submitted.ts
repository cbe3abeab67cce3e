// What launch and exec do once there is a job: follow it, unless told not to.
// The job's outcome is the exit code, unless the job is left to itself.

import { type ExitCode, exitCodes } from "./exit-codes.ts";
import { isSet, type Parsed } from "./flags.ts";
import { followJob } from "./follow.ts";
import type { Shell } from "./shell.ts";

export interface Submitted {
  readonly cluster: string;
  readonly jobId: number;
  readonly clusterNodes: number;
}

export async function submitted(
  shell: Shell,
  { cluster, jobId, clusterNodes }: Submitted,
  parsed: Parsed,
): Promise<ExitCode> {
  shell.print(`Job submitted with Job ID: ${jobId}`);
  if (isSet(parsed, "detachRun")) {
    shell.say(`To see its log:  sky logs ${cluster} ${jobId}`);
    shell.say(`To cancel it:    sky cancel ${cluster} ${jobId}`);
    return exitCodes.done;
  }
  return followJob(shell, { cluster, job: jobId, follow: true, tailLines: 0, clusterNodes });
}
