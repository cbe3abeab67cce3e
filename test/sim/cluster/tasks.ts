// What simulated users submit: tasks of every shape, and scripts that behave in every way.
//
// A script is one program for each rank, so that one rank of a gang may fail while the others run.
// What a check must know of a task travels in its `envs`, as everything does that a rank is told.

import type { Task } from "../../../model/task.ts";
import type { ProgramStep } from "../../../runtime/process-memory.ts";
import { programText } from "../../../runtime/process-memory.ts";
import type { MemoryRandom } from "../../../runtime/random-memory.ts";

/** Set in `envs`: the share of each device that a rank may use, its cores, and its timeout. */
export const shareVariable = "SIM_SHARE";
export const cpusVariable = "SIM_CPUS";
export const timeoutVariable = "SIM_TIMEOUT";

type Program = readonly ProgramStep[];

export function randomTask(random: MemoryRandom, name: string, nodesMax: number): Task {
  const chance = (share: number): boolean => random.unit() < share;
  const share = [0.25, 0.5, 1, 2][random.below(4)] ?? 1;
  const wantsDevices = chance(0.5);
  const cpus = [0.5, 1, 2][random.below(3)] ?? 1;
  const numNodes = chance(0.5) ? 1 : 1 + random.below(nodesMax);
  const limit = timeoutOf(random.fork(`timeout of ${name}`));
  return {
    name,
    numNodes,
    resources: {
      cpus: { amount: cpus, orMore: false },
      ...(wantsDevices ? { accelerators: { name: "V100", count: share } } : {}),
    },
    envs: {
      ...{ [shareVariable]: String(Math.min(1, share)), [cpusVariable]: String(cpus) },
      ...(limit === undefined ? {} : { [timeoutVariable]: String(limit) }),
    },
    ...(limit === undefined ? {} : { timeoutMs: limit }),
    secrets: chance(0.15) ? { TOKEN: `secret of ${name}` } : {},
    priority: random.below(3),
    maxRestarts: chance(0.4) ? 1 + random.below(2) : 0,
    ...(chance(0.4) ? { setup: scriptText([setupProgram(random)]) } : {}),
    ...(chance(0.03) ? {} : { run: runScript(random, numNodes) }),
  };
}

/** Some may not take for ever, in milliseconds; a few hardly get to begin. */
function timeoutOf(random: MemoryRandom): number | undefined {
  if (random.unit() < 0.7) return undefined;
  return [20, 500, 3_000, 10_000][random.below(4)];
}

/** One that runs for a minute or so and may restart, small enough to find other nodes. */
export function lastingTask(random: MemoryRandom, name: string): Task {
  const program: Program = [
    ...(random.unit() < 0.5 ? [{ do: "ignore-term" } as const] : []),
    { do: "wait", ms: 20_000 + random.below(60_000) },
    { do: "exit", code: 0 },
  ];
  return {
    ...{ name, numNodes: 1, secrets: {}, priority: 0, maxRestarts: 2 },
    resources: { cpus: { amount: 0.5, orMore: false } },
    envs: { [shareVariable]: "1", [cpusVariable]: "0.5" },
    run: scriptText([program]),
  };
}

/** The program of one rank as a text that `process-memory.ts` runs. */
export function programOf(script: string, rank: number): string {
  if (!script.startsWith(mark)) return programText([]);
  const programs = JSON.parse(script.slice(mark.length)) as readonly Program[];
  return programText(programs[rank % programs.length] ?? []);
}

const mark = "#sim ";

function scriptText(programs: readonly Program[]): string {
  return `${mark}${JSON.stringify(programs)}`;
}

function runScript(random: MemoryRandom, numNodes: number): string {
  const usual = runProgram(random);
  const odd = random.below(numNodes);
  const differs = random.unit() < 0.3;
  const programs = Array.from({ length: numNodes }, (_, rank) =>
    differs && rank === odd ? runProgram(random) : usual,
  );
  return scriptText(programs);
}

function setupProgram(random: MemoryRandom): Program {
  const code = random.unit() < 0.15 ? 1 : 0;
  return [write("setup\n"), { do: "wait", ms: random.below(4_000) }, { do: "exit", code }];
}

function runProgram(random: MemoryRandom): Program {
  const wait = (ms: number): ProgramStep => ({ do: "wait", ms: random.below(ms) });
  const lines = [write("begin\n"), wait(3_000), write("end\n")];
  const programs: readonly Program[] = [
    [],
    [...lines, { do: "exit", code: 0 }],
    [...lines, { do: "exit", code: 0 }],
    [...lines, wait(30_000), { do: "exit", code: 0 }],
    [...lines, { do: "exit", code: 7 }],
    [wait(5_000), { do: "die", signal: 9 }],
    [wait(5_000), { do: "lose-shim" }],
    [{ do: "ignore-term" }, wait(40_000), { do: "exit", code: 0 }],
    [{ do: "leave-survivor" }, wait(5_000), { do: "exit", code: 1 }],
    [{ do: "leave-survivor" }, { do: "ignore-term" }, { do: "wait-for-ever" }],
    [write("for ever\n"), { do: "wait-for-ever" }],
  ];
  return programs[random.below(programs.length)] ?? [];
}

function write(text: string): ProgramStep {
  return { do: "write", base64: Buffer.from(text).toString("base64") };
}
