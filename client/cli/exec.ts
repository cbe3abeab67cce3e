// `sky exec`: run a task on a cluster that is up. No provisioning, no setup.
// The job's outcome is the exit code, unless the job is left to itself with -d.

import { randomUUID } from "node:crypto";
import { assert } from "../../model/errors.ts";
import { unknownCluster } from "../cluster-name.ts";
import { hasNothingToDo } from "../launch.ts";
import { userName } from "../world-os.ts";
import { type CliCommand, yesFlag } from "./command.ts";
import { taskFromEntry, withPlace } from "./entry.ts";
import { exitCodes, WrongUse } from "./exit-codes.ts";
import { isSet, wordAt, wordsAt } from "./flags.ts";
import { submitted } from "./launch.ts";
import { commandText, commandTip, taskFlagTable } from "./task-flags.ts";

export const exec: CliCommand = {
  name: "exec",
  args: "<CLUSTER> <ENTRYPOINT...>",
  about: "Run a task on a cluster that is up: no provisioning, no setup.",
  examples: [
    "sky exec demo task.yaml",
    "sky exec demo 'python train.py --epochs 3'",
    "sky exec demo --num-nodes 2 -d -- hostname -I",
  ],
  tip: commandTip,
  flags: [
    { usage: "-d, --detach-run", about: "Submit and return: do not follow the log." },
    ...taskFlagTable,
    yesFlag,
  ],
  run: async (shell, parsed) => {
    const cluster = wordAt(parsed, 0) ?? "";
    const task = await taskFromEntry(shell, wordsAt(parsed, 1), parsed);
    if (task === undefined) throw new WrongUse("ENTRYPOINT is missing: a YAML file or a command");
    const head = await shell.head();
    // The size of the cluster decides how lines look; it is asked while the job is submitted.
    const asked = isSet(parsed, "detachRun") ? undefined : head.status([], shell.interrupt);
    asked?.catch(() => {}); // Reported below, unless the submission fails first.
    if (hasNothingToDo(task, true)) {
      const known = (await (asked ?? head.status([], shell.interrupt))).map(({ name }) => name);
      if (!known.includes(cluster)) throw unknownCluster(cluster, known);
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
      throw withPlace(error, task);
    });
    assert(jobId !== undefined, "one task becomes one job");
    const clusters = (await asked) ?? [];
    const clusterNodes = clusters.find(({ name }) => name === cluster)?.nodes.length ?? 1;
    return submitted(shell, { cluster, jobId, clusterNodes }, parsed);
  },
};
