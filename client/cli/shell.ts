// What a command has around it: the terminal, the home, the head and Ctrl-C.
//
// stdout carries what was asked for (tables, logs, ids); stderr carries talk about it, so that a
// pipe gets only the former. Colour, cutting to the width and the line of progress are for
// terminals; what goes into a file or a pipe is the same everywhere.

import { existsSync } from "node:fs";
import type { Home } from "../../model/home.ts";
import { emptyHomeHead } from "../empty-home.ts";
import type { Head } from "../head.ts";
import { WrongUse } from "./exit-codes.ts";
import { Terminal } from "./terminal.ts";

export interface Shell {
  readonly home: Home;
  /** Aborted by Ctrl-C. */
  readonly interrupt: AbortSignal;
  /** A line on stdout. */
  print(line: string): void;
  /** A line on stderr. */
  say(line: string): void;
  /** How far it is: lines that change on a terminal, lines of `say` elsewhere. */
  progress(text: string | undefined): void;
  /** Bytes on stdout; resolves when more may come. */
  write(bytes: Uint8Array): Promise<void>;
  /** Connects with its first call. Loads what that needs only now. */
  head(): Promise<Head>;
  now(): number;
  /** Whether somebody can answer. */
  readonly interactive: boolean;
  /** Asks; an empty line is the default, yes. @throws WrongUse where nobody can answer. */
  confirm(question: string, byDefault?: boolean): Promise<boolean>;
  /** Whether stdout is a terminal; if not, a program or a file reads it. */
  readonly isTerminal: boolean;
  /** Whether `progress` changes its lines in place. */
  readonly showsProgress: boolean;
  /** Columns of the terminal that stdout is; absent where it is none. */
  readonly columns?: number;
  /** Whether stdout is a terminal that shows colours. */
  readonly colours: boolean;
}

export interface ShellOptions {
  readonly home: Home;
  readonly interrupt: AbortSignal;
}

export function terminalShell({ home, interrupt }: ShellOptions): Shell {
  let head: Promise<Head> | undefined;
  const terminal = new Terminal(process.stdout, process.stderr);
  const interactive = process.stdin.isTTY && process.stdout.isTTY;
  const say = (line: string): void => terminal.say(line);
  const { columns } = terminal;
  return {
    home,
    interrupt,
    interactive,
    print: (line) => terminal.print(line),
    say,
    progress: (text) => terminal.progress(text),
    write: (bytes) => terminal.write(bytes),
    head: () => {
      head ??= openHead(home, (text) => say(`Warning: ${text}`));
      return head;
    },
    now: () => Date.now(),
    confirm: (text, byDefault = true) => {
      terminal.progress(undefined);
      if (interactive) return confirm({ text, byDefault }, interrupt);
      throw new WrongUse(`"${text}" cannot be asked without a terminal: pass -y to say yes`);
    },
    isTerminal: process.stdout.isTTY === true,
    showsProgress: terminal.showsProgress,
    ...(columns === undefined ? {} : { columns }),
    colours: terminal.colours(process.env),
  };
}

async function openHead(home: Home, onWarning: (text: string) => void): Promise<Head> {
  const connected = async (): Promise<Head> => {
    const [{ connectHead }, { headOver }] = await Promise.all([
      import("../connect-os.ts"),
      import("../head-grpc.ts"),
    ]);
    return headOver((signal) => connectHead({ home, onWarning }, signal));
  };
  // Without a trace of one there is no cluster, and a head is needed only to make one.
  const isEmpty = ![home.journal, home.socket, home.clusters].some((path) => existsSync(path));
  return isEmpty ? emptyHomeHead(connected) : connected();
}

async function confirm(
  asked: { readonly text: string; readonly byDefault: boolean },
  signal: AbortSignal,
): Promise<boolean> {
  const { yesOrNo } = await import("./question.ts");
  const { stdin: input, stdout: output } = process;
  return yesOrNo({ ...asked, input, output, terminal: true, signal });
}
