// A shell without a terminal for tests of commands: it answers questions as told and keeps what was
// printed, said and asked. The head is what the test gives.

import { WrongUse } from "../../client/cli/exit-codes.ts";
import type { Shell } from "../../client/cli/shell.ts";
import type { Head } from "../../client/head.ts";
import type { ClusterView } from "../../model/cluster.ts";
import { homeAt } from "../../model/home.ts";

export interface Stage {
  readonly shell: Shell;
  readonly printed: readonly string[];
  readonly said: readonly string[];
  readonly asked: readonly string[];
}

export interface StageOptions {
  readonly head: Partial<Head>;
  /** What a person at the terminal answers; absent = there is nobody. */
  readonly answer?: boolean;
  /** Milliseconds since the epoch. */
  readonly now?: number;
}

export function stage({ head, answer, now = 0 }: StageOptions): Stage {
  const [printed, said, asked]: [string[], string[], string[]] = [[], [], []];
  const shell: Shell = {
    home: homeAt("/nowhere"),
    interrupt: new AbortController().signal,
    print: (line) => void printed.push(line),
    say: (line) => void said.push(line),
    progress: () => {},
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
  };
  return { shell, printed, said, asked };
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
