// A shell without a terminal for tests of commands: it answers questions as told and keeps what was
// printed, said and asked. The head is what the test gives.

import assert from "node:assert/strict";
import { entryOf, isCommand } from "../../client/cli/commands.ts";
import { type ExitCode, WrongUse } from "../../client/cli/exit-codes.ts";
import { checkFlags, type Parsed } from "../../client/cli/flags.ts";
import { commanderOf } from "../../client/cli/help.ts";
import type { Shell } from "../../client/cli/shell.ts";
import type { Head } from "../../client/head.ts";
import type { ClusterView } from "../../model/cluster.ts";
import { homeAt } from "../../model/home.ts";

export interface Stage {
  readonly shell: Shell;
  readonly printed: readonly string[];
  readonly said: readonly string[];
  readonly asked: readonly string[];
  /** What the lines of progress were. */
  readonly progress: readonly string[];
}

export interface StageOptions {
  readonly head: Partial<Head>;
  /** What a person at the terminal answers; absent = there is nobody. */
  readonly answer?: boolean;
  /** Milliseconds since the epoch. */
  readonly now?: number;
  /** Whether stdout and stderr are terminals. Default false. */
  readonly terminal?: boolean;
  /** Ctrl-C. */
  readonly interrupt?: AbortSignal;
}

export function stage(options: StageOptions): Stage {
  const { head, answer, now = 0, terminal = false } = options;
  const [printed, said, asked]: [string[], string[], string[]] = [[], [], []];
  const progress: string[] = [];
  const shell: Shell = {
    home: homeAt("/nowhere"),
    interrupt: options.interrupt ?? new AbortController().signal,
    print: (line) => void printed.push(line),
    say: (line) => void said.push(line),
    progress: (text) => void (text !== undefined && progress.push(text)),
    write: async (bytes) => void printed.push(Buffer.from(bytes).toString()),
    head: async () => head as Head,
    now: () => now,
    interactive: answer !== undefined,
    confirm: async (question) => {
      asked.push(question);
      if (answer === undefined) throw new WrongUse(`${question} cannot be asked`);
      return answer;
    },
    colours: false,
    isTerminal: terminal,
    showsProgress: terminal,
  };
  return { shell, printed, said, asked, progress };
}

/** Runs one command line in this process, as `main` does behind its shell. */
export async function commandLine(
  shell: Shell,
  [name = "", ...argv]: readonly string[],
): Promise<ExitCode> {
  assert.ok(isCommand(name), `there is no command ${name}`);
  const entry = entryOf(name);
  const spec = await entry.load();
  const command = commanderOf(entry, spec).exitOverride();
  let parsed: Parsed = { args: [], flags: {} };
  command.action((...given: unknown[]) => {
    const args = given.slice(0, -2).map((value) => (value ?? []) as string | readonly string[]);
    parsed = { args, flags: command.opts() };
  });
  command.parse([...argv], { from: "user" });
  checkFlags(spec, parsed);
  return spec.run(shell, parsed);
}

/** A cluster of one node without accelerators. */
export function clusterOf(over: Partial<ClusterView> = {}): ClusterView {
  const capacity = { cpus: 2, memoryBytes: 4 * 2 ** 30, accelerators: [] };
  return {
    ...{ name: "demo", status: "UP", cloud: "local", isolation: "embedded", launchedAt: 0 },
    ...{ resources: "1x Local(cpus=2)", command: "sky launch", user: "ann", lastUsedAt: 0 },
    nodes: [{ id: "head", index: 0, ip: "127.1.0.1", phase: "alive", capacity }],
    ...over,
  };
}
