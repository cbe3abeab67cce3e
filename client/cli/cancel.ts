// `sky cancel`: end jobs, and answer when nothing of them is left.
// Jobs that had ended already keep their outcome, and that is no error.

import { userName } from "../world-os.ts";
import { type CliCommand, cancelYesFlag, configFlag, serverFlags } from "./command.ts";
import { consent } from "./consent.ts";
import { exitCodes, WrongUse } from "./exit-codes.ts";
import { isSet, wordAt, wordsAt } from "./flags.ts";
import { jobIdOf } from "./job-ids.ts";

export const cancel: CliCommand = {
  name: "cancel",
  args: "<CLUSTER> [JOBS...]",
  about: "Cancel jobs; returns when no process of theirs is left.",
  examples: ["sky cancel demo 3 4", "sky cancel -y -a demo"],
  flags: [
    { usage: "-a, --all", about: "Every job of yours that has not ended." },
    { usage: "-u, --all-users", about: "Refused: nobody cancels another's job.", hidden: true },
    cancelYesFlag,
    configFlag,
    ...serverFlags,
  ],
  run: async (shell, parsed) => {
    const cluster = wordAt(parsed, 0) ?? "";
    const jobs = [...new Set(wordsAt(parsed, 1).map(jobIdOf))];
    const all = isSet(parsed, "all");
    if (isSet(parsed, "allUsers")) {
      throw new WrongUse("--all-users: nobody cancels another's job; --all means all of yours");
    }
    if (jobs.length === 0 && !all) throw new WrongUse("name the jobs to cancel, or pass --all");
    // Whoever names jobs does not mean all the others.
    if (jobs.length > 0 && all) throw new WrongUse("--all and the ids of jobs exclude each other");
    const what = all ? "all your jobs" : `job${jobs.length === 1 ? "" : "s"} ${jobs.join(", ")}`;
    const question = `Cancelling ${what} on cluster '${cluster}'. Proceed?`;
    await consent(shell, parsed, { question, exact: !all });
    const head = await shell.head();
    const request = { cluster, jobs: all ? [] : jobs, all, user: userName() };
    const cancelled = await head.cancel(request, shell.interrupt);
    for (const id of [...cancelled].sort((a, b) => a - b)) shell.print(`Job ${id} cancelled.`);
    for (const job of jobs.filter((id) => !cancelled.includes(id))) {
      const { status } = await head.getJob({ cluster, job }, shell.interrupt);
      shell.print(`Job ${job} had ended already (status: ${status}).`);
    }
    if (all && cancelled.length === 0) shell.print("No job of yours was running or waiting.");
    return exitCodes.done;
  },
};
