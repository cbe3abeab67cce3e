// `npm run docs:cli`: prints docs/cli.md from the tables of flags.
//
// Nothing of it is written by hand but the few sentences here, so it says what the program does;
// `test/golden/cli-docs.test.ts` keeps the page true.

import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { CliCommand } from "../client/cli/command.ts";
import { allCommands } from "../client/cli/commands.ts";
import { outcomeTexts } from "../client/cli/exit-codes.ts";
import type { Flag } from "../client/cli/flags.ts";
import { globalFlags } from "../client/cli/help.ts";
import { laterNames, laterText } from "../client/cli/later.ts";

export const cliPage = join(resolve(import.meta.dirname, ".."), "docs/cli.md");

/** The page as it should be. */
export async function cliText(): Promise<string> {
  const all = await allCommands();
  const groups = [...new Set(all.map(([{ group }]) => group))];
  const lines = [
    "# The command line",
    "",
    "Printed from the tables of flags by `npm run docs:cli`. `sky help COMMAND` shows the same in a",
    "terminal, but for what is only understood for SkyPilot's sake. Commands, flags and columns are",
    "SkyPilot's; see [errors](errors.md) for messages and [settings](config.md) for what a home can be",
    "told once and for all.",
    "",
    "Results go to stdout, talk goes to stderr. On a terminal tables are cut to its width, columns are",
    "left out where it is too narrow for them, and statuses are coloured, unless `NO_COLOR` is set; in",
    "a pipe everything is whole and plain. `-o json` prints what programs read.",
    "",
    "On a terminal `cancel`, `autostop`, `stop`, `start` and `down` ask before they act. Without a",
    "terminal what is named exactly is done without asking, and nothing is read from stdin; `--all`,",
    "`-u` and globs need `-y`. `launch` and the interactive nodes need it for a cluster that is new or",
    "stopped. `cp` and `sync` show their plan and ask on a terminal; a `sync --delete` that would delete",
    "needs `-y` without one. In a pipe they print one JSON object a line: see [transfers](transfers.md).",
    "",
    ...groups.map((group) => {
      const names = all.filter(([entry]) => entry.group === group).map(([, { name }]) => name);
      return `- ${group}: ${names.map((name) => `[${name}](#sky-${name})`).join(", ")}`;
    }),
    "",
    "Options without a command:",
    "",
    ...tableOf(
      ["option", "what it does"],
      globalFlags.map(([usage, about]) => [`\`${usage}\``, about]),
    ),
    "",
    "## Exit codes",
    "",
    "For `launch`, `exec` and `logs` the outcome of the job is the exit code. `cp`, `sync` and",
    "`transfers ID --follow` exit with 0 only if everything arrived and was proven, with 1 if anything",
    "failed or the transfer was cancelled, and with 130 on Ctrl-C: the transfer runs on.",
    "",
    ...tableOf(
      ["code", "when"],
      outcomeTexts.map(([code, text]) => [String(code), text]),
    ),
    ...all.flatMap(([, spec]) => commandLines(spec)),
    "",
    "## Not there yet",
    "",
    ...tableOf(
      ["command", "why"],
      laterNames.map((name) => [`\`sky ${name}\``, reasonOf(name)]),
    ),
    "",
  ];
  return lines.join("\n");
}

function commandLines(spec: CliCommand): readonly string[] {
  const { name, args, about, flags, examples } = spec;
  const shown = flags.filter(({ hidden }) => hidden !== true);
  const quiet = flags.filter(({ hidden }) => hidden === true);
  return [
    "",
    `## sky ${name}`,
    "",
    about,
    "",
    "```",
    `sky ${name} [options]${args === "" ? "" : ` ${args}`}`,
    "```",
    "",
    ...tableOf(["option", "what it does"], [...shown, helpFlag].map(flagCells)),
    ...(quiet.length === 0 ? [] : ["", "Understood for SkyPilot's sake:", ""]),
    ...(quiet.length === 0 ? [] : tableOf(["option", "what becomes of it"], quiet.map(quietCells))),
    ...(examples.length === 0 ? [] : ["", "```", ...examples, "```"]),
  ];
}

const helpFlag: Flag = { usage: "-h, --help", about: "Show this help." };

function flagCells({ usage, about, values }: Flag): readonly string[] {
  const choice = values === undefined ? "" : ` One of ${values.join(", ")}.`;
  return [`\`${usage}\``, `${about}${choice}`];
}

function quietCells({ usage, about, needsCloud, refused }: Flag): readonly string[] {
  if (needsCloud === true) return [`\`${usage}\``, "Refused: it needs a cloud."];
  if (refused !== undefined) return [`\`${usage}\``, `Refused: ${refused}.`];
  return [`\`${usage}\``, about];
}

function reasonOf(name: string): string {
  const [, why = ""] = /yet: (.*)\. What can/.exec(laterText(name) ?? "") ?? [];
  return why;
}

function tableOf(
  titles: readonly string[],
  rows: readonly (readonly string[])[],
): readonly string[] {
  const line = (cells: readonly string[]): string => {
    return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  };
  return [line(titles), line(titles.map(() => "---")), ...rows.map(line)];
}

if (resolve(process.argv[1] ?? "") === import.meta.filename) {
  writeFileSync(cliPage, await cliText());
  console.log("docs/cli.md");
}
