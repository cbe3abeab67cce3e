// `sky exec`: run a task on a cluster that is up. No provisioning, no setup.
// The job's outcome is the exit code, unless the job is left to itself with -d.

import { randomUUID } from "node:crypto";
import { assert, isSkyError, SkyError } from "../../model/errors.ts";
import type { Task } from "../../model/task.ts";
import { unknownCluster } from "../cluster-name.ts";
import { hasNothingToDo } from "../launch.ts";
import { userName } from "../world-os.ts";
import { type CliCommand, serverFlags, yesFlag } from "./command.ts";
import { taskFromEntry, withPlace } from "./entry.ts";
import { type ExitCode, exitCodes, WrongUse } from "./exit-codes.ts";
import { isSet, type Parsed, textFlag, wordAt, wordsAt } from "./flags.ts";
import { refuseReserved } from "./reserved.ts";
import type { Shell } from "./shell.ts";
import { submitted } from "./submitted.ts";
import { commandText, commandTip, taskFlagTable } from "./task-flags.ts";

export const exec: CliCommand = {
  name: "exec",
  args: "[CLUSTER] [ENTRYPOINT...]",
  about: "Run a task on a cluster that is up: no provisioning, no setup.",
  examples: [
    "sky exec demo task.yaml",
    "sky exec demo 'python train.py --epochs 3'",
    "sky exec demo --num-nodes 2 -d -- hostname -I",
  ],
  tip: commandTip,
  flags: [
    { usage: "-c, --cluster <CLUSTER>", about: "The cluster, in place of the first word." },
    { usage: "-d, --detach-run", about: "Submit and return: do not follow the log." },
    ...taskFlagTable,
    ...serverFlags,
    yesFlag,
  ],
  run: async (shell, parsed) => {
    const { cluster, words } = namedBy(parsed);
    refuseReserved(cluster, "executing a task on cluster");
    const task = await taskFromEntry(shell, words, { ...parsed, filesStay: true });
    if (task === undefined) {
      throw new WrongUse(`ENTRYPOINT for cluster '${cluster}' is missing: a YAML or a command`);
    }
    return runOn(shell, parsed, { cluster, task });
  },
};

/** With -c every word is of the entry point. */
function namedBy(parsed: Parsed): { readonly cluster: string; readonly words: readonly string[] } {
  const flag = textFlag(parsed, "cluster");
  const first = wordAt(parsed, 0);
  const rest = wordsAt(parsed, 1);
  if (flag !== undefined) {
    return { cluster: flag, words: first === undefined ? rest : [first, ...rest] };
  }
  if (first === undefined) throw new WrongUse("CLUSTER and ENTRYPOINT are missing");
  return { cluster: first, words: rest };
}

interface Wanted {
  readonly cluster: string;
  readonly task: Task;
}

async function runOn(shell: Shell, parsed: Parsed, { cluster, task }: Wanted): Promise<ExitCode> {
  const head = await shell.head();
  // The size of the cluster decides how lines look; it is asked while the job is submitted.
  const asked = isSet(parsed, "detachRun") ? undefined : head.status([], shell.interrupt);
  asked?.catch(() => {}); // Reported below, unless the submission fails first.
  if (hasNothingToDo(task, true)) {
    const known = (await (asked ?? head.status([], shell.interrupt))).map(({ name }) => name);
    if (!known.includes(cluster)) throw toLaunchFirst(unknownCluster(cluster, known));
    shell.print("Run commands not specified or empty.");
    return exitCodes.done;
  }
  const order = {
    ...{ cluster, tasks: [task], noSetup: true, user: userName() },
    allNodes: false,
    command: commandText(process.argv.slice(2)),
    idempotencyKey: randomUUID(),
  };
  const [jobId] = await head.submit(order, shell.interrupt).catch((error: unknown) => {
    throw toLaunchFirst(withPlace(error, task));
  });
  assert(jobId !== undefined, "one task becomes one job");
  const clusters = (await asked) ?? [];
  const clusterNodes = clusters.find(({ name }) => name === cluster)?.nodes.length ?? 1;
  return submitted(shell, { cluster, jobId, clusterNodes }, parsed);
}

/** An unknown cluster is told with what makes one. Source: SkyPilot 0.3.0. */
function toLaunchFirst(error: unknown): unknown {
  if (!isSkyError(error, "cluster/not-found")) return error;
  const { name = "", hint = "" } = error.params;
  const more = `${hint} Use \`sky launch\` to provision first.`;
  return new SkyError("cluster/not-found", { name, hint: more }, { cause: error });
}
