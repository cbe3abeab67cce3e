// What `sky --help`, `sky help COMMAND` and `sky COMMAND --help` print: from the tables, nothing
// is written twice.

import { Command } from "commander";
import type { CliCommand } from "./command.ts";
import { allCommands, type CommandName, type Entry, entryOf } from "./commands.ts";
import { outcomeTexts, transferOutcomes } from "./exit-codes.ts";
import { applySpec } from "./flags.ts";

/** Columns of a help text. */
const helpWidth = 100;

export const globalFlags = [
  ["-h, --help", "Show this help."],
  ["-v, --version", "Show the version."],
  ["--install-shell-completion SHELL", "Complete commands with Tab: auto, bash, zsh or fish."],
  ["--uninstall-shell-completion SHELL", "Take that away again."],
] as const;

/** `sky --help`. */
export async function overviewText(): Promise<string> {
  const all = await allCommands();
  const groups = [...new Set(all.map(([{ group }]) => group))];
  const width = Math.max(...all.map(([, { name }]) => name.length));
  const flagWidth = Math.max(...globalFlags.map(([usage]) => usage.length));
  return [
    "Usage: sky COMMAND [OPTIONS]",
    "",
    "Runs multi-node jobs on any machines, and copies between them and object stores.",
    ...groups.flatMap((group) => [
      "",
      `${group}:`,
      ...all
        .filter(([entry]) => entry.group === group)
        .map(([, { name, about }]) => `  ${name.padEnd(width)}  ${about}`),
    ]),
    "",
    "Options:",
    ...globalFlags.map(([usage, about]) => `  ${usage.padEnd(flagWidth)}  ${about}`),
    "",
    "sky COMMAND --help shows a command's options, examples and exit codes.",
    "SKY_HOME names the folder for everything that sky keeps (default ~/.sky).",
  ].join("\n");
}

/** `sky help launch`. */
export async function commandHelp(name: CommandName): Promise<string> {
  const entry = entryOf(name);
  return commanderOf(entry, await entry.load())
    .helpInformation()
    .trimEnd();
}

/** The command as commander knows it: to parse with, and for its help. */
export function commanderOf(entry: Entry, spec: CliCommand): Command {
  const command = new Command(`sky ${spec.name}`).exitOverride();
  command.configureHelp({ helpWidth });
  command.configureOutput({
    outputError: (text, write) => write(text.replace(/^error: /, "Error: ")),
  });
  applySpec(command, spec);
  const help = command.helpInformation.bind(command);
  command.helpInformation = () => `${help()}${tailText(entry, spec)}`;
  const tip = spec.tip === undefined ? "" : `\n${spec.tip}`;
  command.showHelpAfterError(`See sky ${spec.name} --help.${tip}`);
  return command;
}

const outcomesOf = { job: outcomeTexts, transfer: transferOutcomes } as const;

/** What follows the flags. */
function tailText({ follows }: Entry, { examples }: CliCommand): string {
  const outcomes = follows === undefined ? undefined : outcomesOf[follows];
  const lines = [
    ...(examples.length === 0 ? [] : ["", "Examples:"]),
    ...examples.map((line) => `  ${line}`),
    ...(outcomes === undefined ? [] : ["", "Exit codes:"]),
    ...(outcomes ?? []).map(([code, text]) => `  ${String(code).padEnd(3)}  ${text}`),
  ];
  return lines.length === 0 ? "" : `${lines.join("\n")}\n`;
}
