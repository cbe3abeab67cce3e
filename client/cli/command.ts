// What a command is: its table of flags and arguments, and what it does.
//
// A command returns its exit code; what it throws is turned into a message and a code in one place,
// `main.ts`.

import type { ExitCode } from "./exit-codes.ts";
import type { CommandSpec, Flag, Parsed } from "./flags.ts";
import type { Shell } from "./shell.ts";

export interface CliCommand extends CommandSpec {
  run(shell: Shell, parsed: Parsed): Promise<ExitCode>;
}

export const yesFlag: Flag = { usage: "-y, --yes", about: "Do not ask." };

export const allClustersFlag: Flag = { usage: "-a, --all", about: "All clusters." };

export const outputFlag: Flag = {
  usage: "-o, --output <FORMAT>",
  about: "json: print JSON instead of a table.",
};
