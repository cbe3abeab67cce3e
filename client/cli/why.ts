// `sky why`: the chain of events that led to the state of a job or a cluster.
// Times are UTC, to the millisecond; facts are printed as they were recorded.

import type { NumberedEvent } from "../../model/event.ts";
import { type CliCommand, outputFlag } from "./command.ts";
import { exitCodes } from "./exit-codes.ts";
import { wordAt } from "./flags.ts";
import { jobIdOf } from "./job-ids.ts";
import { printJson, wantsJson } from "./output.ts";

export const why: CliCommand = {
  name: "why",
  args: "<CLUSTER> [JOB]",
  about: "Explain the state of a job, or of a cluster: who did what, when, and on what evidence.",
  examples: ["sky why demo", "sky why demo 3", "sky why demo 3 -o json"],
  flags: [outputFlag],
  run: async (shell, parsed) => {
    const json = wantsJson(parsed);
    const cluster = wordAt(parsed, 0) ?? "";
    const word = wordAt(parsed, 1);
    const job = word === undefined ? 0 : jobIdOf(word);
    const head = await shell.head();
    const { summary, chain } = await head.why({ cluster, job }, shell.interrupt);
    if (json) printJson(shell, { summary, chain });
    else {
      shell.print(summary);
      for (const event of chain) shell.print(eventText(event));
    }
    return exitCodes.done;
  },
};

/** `02:15:33.120  job/7  queued → preparing  4 nodes are free  (scheduler; at=4)`. */
export function eventText(event: NumberedEvent): string {
  const { at, subject, actor, kind, from, to, cause, evidence } = event;
  const change = to === undefined ? kind : `${from ?? "·"} → ${to}`;
  const facts = Object.entries(evidence).map(([name, value]) => `${name}=${value}`);
  const origin = [actor, ...facts].filter((part) => part !== "").join("; ");
  const time = new Date(at).toISOString().slice(11, 23);
  const parts = [time, subject, change, cause, origin === "" ? "" : `(${origin})`];
  return `  ${parts.filter((part) => part !== "").join("  ")}`;
}
