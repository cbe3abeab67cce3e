// What a command has around it: the terminal, the home, the head and Ctrl-C.
//
// stdout carries what was asked for (tables, logs, ids); stderr carries talk about it, so that a
// pipe gets only the former. Nothing is coloured and nothing spins: output is the same everywhere.

import type { Home } from "../../model/home.ts";
import type { Head } from "../head.ts";
import { WrongUse } from "./exit-codes.ts";

export interface Shell {
  readonly home: Home;
  /** Aborted by Ctrl-C. */
  readonly interrupt: AbortSignal;
  /** A line on stdout. */
  print(line: string): void;
  /** A line on stderr. */
  say(line: string): void;
  /** Bytes on stdout; resolves when more may come. */
  write(bytes: Uint8Array): Promise<void>;
  /** Connects with its first call. Loads what that needs only now. */
  head(): Promise<Head>;
  now(): number;
  /** Whether somebody can answer. */
  readonly interactive: boolean;
  /** Asks; a refusal is false. @throws WrongUse where nobody can answer. */
  confirm(question: string): Promise<boolean>;
}

export interface ShellOptions {
  readonly home: Home;
  readonly interrupt: AbortSignal;
}

export function terminalShell({ home, interrupt }: ShellOptions): Shell {
  let head: Promise<Head> | undefined;
  const say = (line: string): void => {
    process.stderr.write(`${line}\n`);
  };
  const interactive = process.stdin.isTTY && process.stdout.isTTY;
  return {
    home,
    interrupt,
    interactive,
    print: (line) => {
      process.stdout.write(`${line}\n`);
    },
    say,
    write: writeOut,
    head: () => {
      head ??= openHead(home, (text) => say(`Warning: ${text}`));
      return head;
    },
    now: () => Date.now(),
    confirm: (question) => {
      if (interactive) return confirm(question, interrupt);
      throw new WrongUse(`"${question}" cannot be asked without a terminal: pass -y to say yes`);
    },
  };
}

async function openHead(home: Home, onWarning: (text: string) => void): Promise<Head> {
  const [{ connectHead }, { headOver }] = await Promise.all([
    import("../connect-os.ts"),
    import("../head-grpc.ts"),
  ]);
  return headOver((signal) => connectHead({ home, onWarning }, signal));
}

async function writeOut(bytes: Uint8Array): Promise<void> {
  if (process.stdout.write(bytes)) return;
  await new Promise<void>((resolve) => process.stdout.once("drain", resolve));
}

async function confirm(question: string, signal: AbortSignal): Promise<boolean> {
  const { confirm: ask, isCancel } = await import("@clack/prompts");
  const answer = await ask({ message: question, initialValue: true, signal });
  return !isCancel(answer) && answer;
}
