// Flags of newer SkyPilot that take a workdir out of a git repository: understood, and refused
// with what to do instead, unless the table of a task's flags has them.

import { type Flag, longName } from "./flags.ts";
import { taskFlagTable } from "./task-flags.ts";

const all = ["--git-url <URL>", "--git-ref <REF>"].map(
  (usage): Flag => ({
    ...{ usage, about: "A workdir from a git repository.", hidden: true },
    refused: "a workdir is a folder here: clone the repository and give --workdir",
  }),
);

export const gitFlags: readonly Flag[] = all.filter((flag) => {
  return !taskFlagTable.some((known) => longName(known) === longName(flag));
});
