// `sky debug`: what the head's process is doing, as JSON for people, and as a file for a bug
// report.
//
// What it prints may change with every version: no program should read it. A cluster that is called
// `export` is shown by `sky debug` without a name, among all of them.

import type { CliCommand } from "./command.ts";
import { type ExitCode, exitCodes, WrongUse } from "./exit-codes.ts";
import { type Parsed, textFlag, wordAt } from "./flags.ts";
import { printJson } from "./output.ts";
import type { Shell } from "./shell.ts";

export const debug: CliCommand = {
  name: "debug",
  args: "[export] [CLUSTER]",
  about: "Show the inside of the running head; export: write a file for a bug report.",
  examples: ["sky debug", "sky debug demo", "sky debug export", "sky debug export demo"],
  flags: [{ usage: "--to <FILE>", about: "With export: where to write it (default: here)." }],
  run: async (shell, parsed) => {
    const first = wordAt(parsed, 0);
    const second = wordAt(parsed, 1);
    if (first === "export") return writeBundle(shell, parsed, second);
    if (second !== undefined) throw new WrongUse("name one cluster, or none for all");
    if (textFlag(parsed, "to") !== undefined)
      throw new WrongUse("--to goes with `sky debug export`");
    const head = await shell.head();
    const [version, json] = await Promise.all([
      head.version(shell.interrupt),
      head.inspect(first, shell.interrupt),
    ]);
    const inside: unknown = JSON.parse(json);
    printJson(shell, { head: version, inside });
    return exitCodes.done;
  },
};

async function writeBundle(
  shell: Shell,
  parsed: Parsed,
  cluster: string | undefined,
): Promise<ExitCode> {
  const { exportBundle } = await import("./debug-export.ts");
  const to = textFlag(parsed, "to");
  const path = await exportBundle(shell, {
    ...(cluster === undefined ? {} : { cluster }),
    ...(to === undefined ? {} : { to }),
  });
  shell.print(path);
  shell.say(
    "It holds no secrets, no logs of ranks, no contents of your files and no values of " +
      "environments. It names clusters, jobs, users and paths: gzip -dc shows all of it.",
  );
  return exitCodes.done;
}
