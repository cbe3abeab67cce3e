// `sky debug`: what the head's process is doing, as JSON for people.
// What it prints may change with every version: no program should read it.

import type { CliCommand } from "./command.ts";
import { exitCodes } from "./exit-codes.ts";
import { wordAt } from "./flags.ts";
import { printJson } from "./output.ts";

export const debug: CliCommand = {
  name: "debug",
  args: "[CLUSTER]",
  about: "Show the inside of the running head: actors, mailboxes, records.",
  examples: ["sky debug", "sky debug demo"],
  flags: [],
  run: async (shell, parsed) => {
    const head = await shell.head();
    const [version, json] = await Promise.all([
      head.version(shell.interrupt),
      head.inspect(wordAt(parsed, 0), shell.interrupt),
    ]);
    const inside: unknown = JSON.parse(json);
    printJson(shell, { head: version, inside });
    return exitCodes.done;
  },
};
