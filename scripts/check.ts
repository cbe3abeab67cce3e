// `npm run check`: "am I done?" in under a minute, without a server or a cloud.
//
// Generated code in step, protos linted and compatible, format and lint, types, the rules of the
// house, pure tests, contracts of the memory versions, a simulation smoke, transcripts. One line
// for each step with its seconds; two steps run at a time. The exit code is 0 if all hold.

import { spawn } from "node:child_process";
import { join } from "node:path";
import { env, execPath, exit } from "node:process";
import { checkout, detailsOf, runLayer, testFiles } from "./layers.ts";

env["PATH"] = `${join(checkout, "node_modules/.bin")}:${env["PATH"]}:/usr/sbin:/sbin`;
env["SKY_TEST_SEEDS"] ??= "8";

interface Step {
  readonly name: string;
  /** Resolves with what is wrong; empty if nothing is. */
  readonly run: () => Promise<string>;
}

interface Outcome {
  readonly name: string;
  readonly problem: string;
  readonly ms: number;
}

const bin = (name: string) => join(checkout, "node_modules/.bin", name);

/** The slow ones first, so that the two lanes end together. */
const steps: readonly Step[] = [
  tests("unit", testFiles("test/unit")),
  command("types", [bin("tsc"), "--noEmit"]),
  tests("sim smoke", testFiles("test/sim")),
  command("lint", [bin("biome"), "check", "."]),
  tests("memory contracts", testFiles("test/contract", /-memory\.test\.ts$/)),
  tests("golden", testFiles("test/golden")),
  command("generated code", [execPath, "scripts/gen.ts", "--check"]),
  command("protos", [execPath, "scripts/contracts.ts"]),
  tests("tidy", ["test/tidy.test.ts"]),
];

await main();

async function main(): Promise<void> {
  const startedAt = performance.now();
  const waiting = [...steps];
  const outcomes: Outcome[] = [];
  const lane = async (): Promise<void> => {
    for (let step = waiting.shift(); step !== undefined; step = waiting.shift()) {
      const outcome = await timed(step);
      console.log(lineOf(outcome));
      outcomes.push(outcome);
    }
  };
  await Promise.all([lane(), lane()]);
  const wrong = outcomes.filter(({ problem }) => problem !== "");
  for (const { name, problem } of wrong) console.log(`\n== ${name}\n${problem}`);
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  console.log(
    `\n${wrong.length === 0 ? "all is well" : `${wrong.length} steps failed`}, ${seconds} s`,
  );
  exit(wrong.length === 0 ? 0 : 1);
}

async function timed({ name, run }: Step): Promise<Outcome> {
  const startedAt = performance.now();
  const problem = await run();
  return { name, problem, ms: performance.now() - startedAt };
}

function lineOf({ name, problem, ms }: Outcome): string {
  const seconds = `${(ms / 1000).toFixed(1)} s`;
  return `${problem === "" ? "ok    " : "FAILED"} ${name.padEnd(20)}${seconds.padStart(8)}`;
}

function command(name: string, [program = "", ...args]: readonly string[]): Step {
  return {
    name,
    run: () =>
      new Promise((resolve) => {
        const child = spawn(program, args, { cwd: checkout, stdio: ["ignore", "pipe", "pipe"] });
        let output = "";
        for (const stream of [child.stdout, child.stderr]) {
          stream.on("data", (bytes: Buffer) => {
            output += bytes.toString();
          });
        }
        child.once("error", (error) => resolve(error.message));
        child.once("close", (code) => resolve(code === 0 ? "" : output || `exit code ${code}`));
      }),
  };
}

function tests(name: string, files: readonly string[]): Step {
  return {
    name,
    run: async () => {
      if (files.length === 0) return "there are no such tests";
      const result = await runLayer({ name, files, concurrency: 1, fileTimeoutMs: 60_000 });
      return result.failed === 0 ? "" : detailsOf(result);
    },
  };
}
