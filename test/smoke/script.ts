// A smoke test: a name and shell commands in their order, as a user would type them.
//
// The shape is that of SkyPilot's own smoke tests: each command runs in bash with the real `sky` on
// its path, the first that does not exit with 0 fails the test and its output is shown, and the
// teardown runs whatever happened. Before each test `sky status` must exit with 0. A test has a
// cluster name of its own, a file of tests has a SKY_HOME of its own, and the tests of a file run
// at the same time: they must not disturb each other.
//
// Two words more than bash has: `within S COMMAND` repeats a command until it succeeds, and
// `release CLUSTER` lets tasks go on that wait for the file `~/go` of their node.

import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync, cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { type Place, place, program } from "../support/programs.ts";

export interface Script {
  /** As SkyPilot's test is called; the cluster's name begins with it. */
  readonly name: string;
  /** Given the cluster's name. */
  readonly commands: (cluster: string) => readonly string[];
  /** Default: the cluster is taken down. */
  readonly teardown?: (cluster: string) => string;
  /** Of each command. Default: a minute. */
  readonly timeoutMs?: number;
}

const timeoutMsUsual = 60_000;
const atOnce = 3;
const tasks = join(import.meta.dirname, "tasks");

/** Runs the scripts of one file against a home of their own. */
export function smoke(title: string, scripts: readonly Script[]): void {
  const here = place(undefined);
  const env = { ...here.env, ...toolsIn(here) };
  after(() => here.close());
  describe(title, { concurrency: atOnce }, () => {
    for (const script of scripts) it(script.name, () => runScript(here, env, script));
  });
}

type Environment = Readonly<Record<string, string>>;

async function runScript(here: Place, env: Environment, script: Script): Promise<void> {
  const cluster = `${script.name.replaceAll("_", "-")}-${randomBytes(2).toString("hex")}`;
  const cwd = join(here.folder, cluster);
  cpSync(tasks, cwd, { recursive: true });
  const { timeoutMs = timeoutMsUsual } = script;
  const teardown = script.teardown?.(cluster) ?? `sky down -y ${cluster}`;
  const said: string[] = [];
  const demand = async (command: string): Promise<void> => {
    const { code, output } = await bash(command, { cwd, env, timeoutMs });
    said.push(`$ ${command}\n${output}`);
    if (code !== 0) throw new Error(`${script.name}: exit ${code} of the last:\n${said.join("")}`);
  };
  try {
    for (const command of ["sky status", ...script.commands(cluster)]) await demand(command);
  } catch (error) {
    // What failed is told, not what became of the teardown after it.
    await bash(teardown, { cwd, env, timeoutMs });
    throw error;
  }
  await demand(teardown);
}

interface Surroundings {
  readonly cwd: string;
  readonly env: Environment;
  readonly timeoutMs: number;
}

interface Ended {
  readonly code: number | string;
  readonly output: string;
}

function bash(command: string, { cwd, env, timeoutMs }: Surroundings): Promise<Ended> {
  const args = ["-o", "pipefail", "-c", command];
  // A group of its own, so that what runs over its time goes with all that it started.
  const child = spawn("bash", args, {
    cwd,
    env,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const parts: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (bytes: Buffer) => parts.push(bytes));
  }
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
  }, timeoutMs);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => {
      clearTimeout(timer);
      const output = Buffer.concat(parts).toString();
      const over = late ? `, ended after ${timeoutMs} ms` : "";
      resolve({ code: code ?? `${signal}${over}`, output });
    });
  });
}

const words = `
within() {
  local deadline=$((SECONDS + $1)) said
  shift
  until said=$(eval "$*" 2>&1); do
    if [ "$SECONDS" -ge "$deadline" ]; then
      printf '%s\\nnot in time: %s\\n' "$said" "$*"
      return 1
    fi
    sleep 0.1
  done
  printf '%s\\n' "$said"
}
release() {
  for home in "$SKY_HOME/clusters/$1"/nodes/*/home; do touch "$home/go"; done
}
`;

/** `sky` on the path, and our words in every bash that is started. */
function toolsIn({ folder, env }: Place): Environment {
  const bin = join(folder, "bin");
  mkdirSync(bin);
  const quoted = program("sky").map((word) => `'${word}'`);
  writeFileSync(join(bin, "sky"), `#!/bin/sh\nexec ${quoted.join(" ")} "$@"\n`);
  chmodSync(join(bin, "sky"), 0o755);
  writeFileSync(join(bin, "words.sh"), words);
  return { PATH: `${bin}:${env["PATH"]}`, BASH_ENV: join(bin, "words.sh") };
}
