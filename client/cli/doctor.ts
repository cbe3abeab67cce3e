// `sky doctor`: what is wrong on this machine, in this home and, if one is named, on a cluster.
//
// It starts no head and changes nothing, so it may be run at any time, above all when nothing else
// works.

import { diagnosisText } from "../doctor.ts";
import { runningHead } from "../doctor-head-os.ts";
import { diagnose } from "../doctor-os.ts";
import { type CliCommand, outputFlag } from "./command.ts";
import { exitCodes } from "./exit-codes.ts";
import { wordAt } from "./flags.ts";
import { printJson, wantsJson } from "./output.ts";

export const doctor: CliCommand = {
  name: "doctor",
  args: "[CLUSTER]",
  about: "Show what is wrong on this machine or cluster, and what to do about it.",
  examples: ["sky doctor", "sky doctor demo", "sky doctor -o json"],
  flags: [outputFlag],
  run: async (shell, parsed) => {
    const json = wantsJson(parsed);
    const cluster = wordAt(parsed, 0);
    const head = await runningHead(shell.home);
    const wanted = { home: shell.home, head, signal: shell.interrupt };
    const diagnosis = await diagnose({ ...wanted, ...(cluster === undefined ? {} : { cluster }) });
    head?.close();
    if (json) printJson(shell, diagnosis);
    else shell.print(diagnosisText(diagnosis));
    return diagnosis.problems === 0 ? exitCodes.done : exitCodes.refused;
  },
};
