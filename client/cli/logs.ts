// `sky logs`: follow a job's log, ask for its status, or fetch the files.
// Exits with the job's outcome; a job that goes on when we stop looking has not finished.

import { nodesOf } from "./cluster-nodes.ts";
import type { CliCommand } from "./command.ts";
import type { ExitCode } from "./exit-codes.ts";
import { exitCodeOfJob, WrongUse } from "./exit-codes.ts";
import { isSet, numberFlag, wordAt, wordsAt } from "./flags.ts";
import { followJob } from "./follow.ts";
import { jobIdOf } from "./job-ids.ts";
import type { Shell } from "./shell.ts";
import { syncDown } from "./sync-down.ts";

export const logs: CliCommand = {
  name: "logs",
  args: "<CLUSTER> [JOBS...]",
  about: "Follow a job's log (the latest job's without an id); exits with the job's outcome.",
  examples: [
    "sky logs demo",
    "sky logs demo 3 --no-follow --tail 100",
    "sky logs demo 3 --status",
    "sky logs demo 1 2 --sync-down",
  ],
  flags: [
    { usage: "-s, --sync-down", about: "Fetch the logs of jobs (ids or globs) into files." },
    { usage: "--status", about: "Print the job's status; exit 0 only if it SUCCEEDED." },
    { usage: "--follow", about: "Go on until the job has ended. The default." },
    { usage: "--no-follow", about: "Print what there is." },
    { usage: "--tail <N>", about: "Begin N lines before the end of each log." },
  ],
  run: async (shell, parsed) => {
    const cluster = wordAt(parsed, 0) ?? "";
    const words = wordsAt(parsed, 1);
    const [status, sync] = [isSet(parsed, "status"), isSet(parsed, "syncDown")];
    if (status && sync) throw new WrongUse("--sync-down and --status exclude each other");
    const tailLines = numberFlag(parsed, "tail", { flag: "--tail", least: 0, whole: true }) ?? 0;
    if (sync) return syncDown(shell, cluster, words);
    if (words.length > 1) {
      throw new WrongUse("several jobs at once need --sync-down: a follow is of one job");
    }
    const job = words[0] === undefined ? 0 : jobIdOf(words[0]);
    if (status) return printStatus(shell, cluster, job);
    const clusterNodes = await nodesOf(shell, await shell.head(), cluster);
    const follow = parsed.flags["follow"] !== false;
    return followJob(shell, { cluster, job, follow, tailLines, clusterNodes });
  },
};

async function printStatus(shell: Shell, cluster: string, job: number): Promise<ExitCode> {
  const head = await shell.head();
  const { id, status } = await head.getJob({ cluster, job }, shell.interrupt);
  shell.print(`Job ${id}: ${status}`);
  return exitCodeOfJob(status);
}
