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

/** Of the commands that ask what `consent.ts` says. */
export const groupYesFlag: Flag = {
  usage: "-y, --yes",
  about: "Do not ask. Without a terminal only --all, -u and globs need it.",
};

/** Of cancel, which takes no globs. */
export const cancelYesFlag: Flag = {
  usage: "-y, --yes",
  about: "Do not ask. Without a terminal only --all needs it.",
};

export const allClustersFlag: Flag = { usage: "-a, --all", about: "All clusters of yours." };

export const allUsersFlag: Flag = {
  usage: "-u, --all-users",
  about: "All clusters, whoever launched them.",
};

export const outputFlag: Flag = {
  usage: "-o, --output <FORMAT>",
  about: "json: print JSON instead of a table.",
  values: ["json", "table"],
};

/** What newer versions of SkyPilot take with every command that asks their API server. */
export const serverFlags: readonly Flag[] = [
  {
    usage: "--async",
    about: "Not here: no server goes on without the command.",
    hidden: true,
    refused: "no server goes on without the command; a shell does it with & at the end",
  },
  { usage: "--no-async", about: "Wait for the end. Always so.", hidden: true },
];

/** What newer versions of SkyPilot take with every command; launch and exec have their own. */
export const configFlag: Flag = {
  usage: "--config <CONFIG>",
  about: "Other settings for this command.",
  hidden: true,
  repeated: true,
  refused: "settings stand in config.yaml of SKY_HOME; launch and exec take some for a task",
};

/** When a cluster counts as idle. Source: newer versions of SkyPilot. */
export const waitForFlags: readonly Flag[] = [
  {
    usage: "--wait-for <WHAT>",
    about: "What keeps a cluster from being idle: its jobs, always.",
    values: ["jobs", "jobs_and_ssh", "none"],
    hidden: true,
  },
  {
    usage: "--hook <SCRIPT>",
    about: "Run before an autostop: not there yet.",
    hidden: true,
    refused: "a script that runs before an autostop is not there yet",
  },
  {
    usage: "--hook-timeout <S>",
    about: "With --hook.",
    hidden: true,
    refused: "a script that runs before an autostop is not there yet",
  },
];
