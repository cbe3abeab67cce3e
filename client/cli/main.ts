// The `sky` command: finds the command, reads its flags, runs it, and turns what went wrong into
// one message and an exit code.
//
// Start-up time is felt on every call: only the named command is loaded, and it loads the heavy
// things (gRPC, YAML, prompts) when it needs them.

import { Command, CommanderError } from "commander";
import { hintText } from "../../model/suggest.ts";
import { packageVersion } from "../../runtime/version-os.ts";
import { homeOf } from "../home-os.ts";
import type { CliCommand } from "./command.ts";
import { type ExitCode, exitCodeOfError, exitCodes, WrongUse } from "./exit-codes.ts";
import { applySpec } from "./flags.ts";
import { failureText } from "./message.ts";
import { type Shell, terminalShell } from "./shell.ts";

const commands = {
  launch: async () => (await import("./launch.ts")).launch,
  exec: async () => (await import("./exec.ts")).exec,
  status: async () => (await import("./status.ts")).status,
  queue: async () => (await import("./queue.ts")).queue,
  logs: async () => (await import("./logs.ts")).logs,
  cancel: async () => (await import("./cancel.ts")).cancel,
  why: async () => (await import("./why.ts")).why,
  autostop: async () => (await import("./autostop.ts")).autostop,
  stop: async () => (await import("./stop.ts")).stop,
  start: async () => (await import("./start.ts")).start,
  down: async () => (await import("./down.ts")).down,
  check: async () => (await import("./check.ts")).check,
  doctor: async () => (await import("./doctor.ts")).doctor,
  debug: async () => (await import("./debug.ts")).debug,
  restore: async () => (await import("./restore.ts")).restore,
} as const satisfies Record<string, () => Promise<CliCommand>>;

/** Runs one command line, without the program's name. Gives the exit code. */
export async function main(argv: readonly string[]): Promise<ExitCode> {
  const interrupt = onInterrupt();
  const shell = terminalShell({ home: homeOf(undefined), interrupt });
  try {
    return await dispatched(shell, argv);
  } catch (error) {
    return failed(shell, error);
  }
}

async function dispatched(shell: Shell, argv: readonly string[]): Promise<ExitCode> {
  const [first] = argv;
  if (first === "--version" || first === "-v") {
    shell.print(`sky ${packageVersion()}`);
    return exitCodes.done;
  }
  if (first !== undefined && isCommand(first)) return runCommand(shell, first, argv.slice(1));
  if (first === undefined || first === "-h" || first === "--help" || first === "help") {
    shell.print(await helpText(argv[1]));
    return first === undefined ? exitCodes.wrongUse : exitCodes.done;
  }
  const known = Object.keys(commands);
  const hint = hintText(first, known);
  throw new WrongUse(`there is no command '${first}'.${hint === "" ? ` See sky --help.` : hint}`);
}

async function runCommand(
  shell: Shell,
  name: keyof typeof commands,
  argv: readonly string[],
): Promise<ExitCode> {
  const spec: CliCommand = await commands[name]();
  const command = commanderOf(spec);
  const reading = { code: undefined as ExitCode | undefined };
  command.action(async (...given: unknown[]) => {
    const flags = command.opts<Record<string, unknown>>();
    const args = given.slice(0, -2).map(argument);
    reading.code = await spec.run(shell, { args, flags });
  });
  try {
    await command.parseAsync([...argv], { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError) return commanderCode(error);
    throw error;
  }
  return reading.code ?? exitCodes.refused;
}

function commanderOf(spec: CliCommand): Command {
  const command = new Command(`sky ${spec.name}`).exitOverride();
  command.configureHelp({ helpWidth: 100 });
  command.configureOutput({
    outputError: (text, write) => write(text.replace(/^error: /, "Error: ")),
  });
  applySpec(command, spec);
  const tip = spec.tip === undefined ? "" : `\n${spec.tip}`;
  command.showHelpAfterError(`See sky ${spec.name} --help.${tip}`);
  return command;
}

function commanderCode(error: CommanderError): ExitCode {
  return error.exitCode === 0 ? exitCodes.done : exitCodes.wrongUse;
}

function argument(value: unknown): string | readonly string[] {
  return Array.isArray(value) ? value.map(String) : value === undefined ? [] : String(value);
}

function isCommand(name: string): name is keyof typeof commands {
  return Object.hasOwn(commands, name);
}

async function helpText(name: string | undefined): Promise<string> {
  if (name !== undefined && isCommand(name)) {
    return commanderOf(await commands[name]())
      .helpInformation()
      .trimEnd();
  }
  const specs = await Promise.all(Object.values(commands).map((load) => load()));
  const width = Math.max(...specs.map((spec) => spec.name.length));
  return [
    "Usage: sky COMMAND [OPTIONS]",
    "",
    "Runs multi-node jobs on any machines.",
    "",
    "Commands:",
    ...specs.map((spec) => `  ${spec.name.padEnd(width)}  ${spec.about}`),
    "",
    "sky COMMAND --help shows a command's options; sky --version the version.",
    "SKY_HOME names the folder for everything that sky keeps (default ~/.sky).",
  ].join("\n");
}

/** The first Ctrl-C detaches in good order, the second ends the command at once. */
function onInterrupt(): AbortSignal {
  const controller = new AbortController();
  process.on("SIGINT", () => {
    if (controller.signal.aborted) process.exit(exitCodes.interrupted);
    controller.abort();
  });
  // `sky logs | head`: nobody reads on. 141 is what a shell says of SIGPIPE.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    process.exit(error.code === "EPIPE" ? 141 : exitCodes.refused);
  });
  return controller.signal;
}

function failed(shell: Shell, error: unknown): ExitCode {
  if (shell.interrupt.aborted) {
    shell.say("Interrupted. What the head was asked for before goes on: see `sky status`.");
    return exitCodes.interrupted;
  }
  shell.say(failureText(error));
  const stack = error instanceof Error ? error.stack : undefined;
  if (process.env["SKYPILOT_DEBUG"] === "1" && stack !== undefined) shell.say(stack);
  return exitCodeOfError(error);
}
