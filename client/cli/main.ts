// The `sky` command: finds the command, reads its flags, runs it, and turns what went wrong into
// one message and an exit code.
//
// Start-up time is felt on every call: only the named command is loaded, and it loads the heavy
// things (gRPC, YAML, prompts) when it needs them.

import { CommanderError } from "commander";
import { hintText } from "../../model/suggest.ts";
import { packageVersion } from "../../runtime/version-os.ts";
import { homeOf } from "../home-os.ts";
import { type CommandName, commandNames, entryOf, isCommand } from "./commands.ts";
import { type ExitCode, exitCodeOfError, exitCodes, WrongUse } from "./exit-codes.ts";
import { checkFlags, type Parsed } from "./flags.ts";
import { commanderOf, commandHelp, overviewText } from "./help.ts";
import { laterNames, laterText } from "./later.ts";
import { failureText } from "./message.ts";
import { type Shell, terminalShell } from "./shell.ts";

/** Runs one command line, without the program's name. Gives the exit code. */
export async function main(argv: readonly string[]): Promise<ExitCode> {
  const interrupt = onInterrupt();
  const shell = terminalShell({ home: homeOf(undefined), interrupt });
  try {
    return await dispatched(shell, argv);
  } catch (error) {
    return failed(shell, error);
  } finally {
    shell.progress(undefined);
  }
}

async function dispatched(shell: Shell, argv: readonly string[]): Promise<ExitCode> {
  const [first, ...rest] = argv;
  if (first !== undefined && isCommand(first)) return runCommand(shell, first, rest);
  if (first === "--version" || first === "-v") {
    shell.print(`sky ${packageVersion()}`);
    return exitCodes.done;
  }
  if (first === undefined || first === "-h" || first === "--help" || first === "help") {
    shell.print(await helpText(rest[0]));
    return first === undefined ? exitCodes.wrongUse : exitCodes.done;
  }
  if (first === "__complete") return complete(shell, rest);
  if (/^--(un)?install-shell-completion(=|$)/.test(first)) return completionSetUp(shell, argv);
  const later = laterText(first);
  if (later !== undefined) throw new Error(later);
  throw unknownCommand(first);
}

function unknownCommand(name: string): WrongUse {
  if (name.startsWith("-")) {
    const why = `sky has no option '${name}' before a command. See sky --help.`;
    return new WrongUse(why);
  }
  const hint = hintText(name, [...commandNames, ...laterNames]);
  return new WrongUse(`there is no command '${name}'.${hint === "" ? " See sky --help." : hint}`);
}

async function helpText(name: string | undefined): Promise<string> {
  if (name === undefined) return overviewText();
  if (isCommand(name)) return commandHelp(name);
  const later = laterText(name);
  if (later !== undefined) return later;
  throw unknownCommand(name);
}

async function runCommand(
  shell: Shell,
  name: CommandName,
  argv: readonly string[],
): Promise<ExitCode> {
  const entry = entryOf(name);
  const spec = await entry.load();
  const command = commanderOf(entry, spec);
  const reading = { code: undefined as ExitCode | undefined };
  command.action(async (...given: unknown[]) => {
    const flags = command.opts<Record<string, unknown>>();
    const parsed: Parsed = { args: given.slice(0, -2).map(argument), flags };
    checkFlags(spec, parsed);
    reading.code = await spec.run(shell, parsed);
  });
  try {
    await command.parseAsync([...argv], { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError) return commanderCode(error);
    throw error;
  }
  return reading.code ?? exitCodes.refused;
}

function commanderCode(error: CommanderError): ExitCode {
  return error.exitCode === 0 ? exitCodes.done : exitCodes.wrongUse;
}

function argument(value: unknown): string | readonly string[] {
  return Array.isArray(value) ? value.map(String) : value === undefined ? [] : String(value);
}

/** What the scripts of shells ask for at every Tab. */
async function complete(shell: Shell, words: readonly string[]): Promise<ExitCode> {
  const { completions } = await import("./complete.ts");
  for (const line of await completions(shell, words)) shell.print(line);
  return exitCodes.done;
}

async function completionSetUp(shell: Shell, argv: readonly string[]): Promise<ExitCode> {
  const { setUpCompletion } = await import("./completion-set-up.ts");
  return setUpCompletion(shell, argv);
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
