// Running programs for the lab: to their end, with what they said; and in a process's namespaces.

import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly stdin?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** A code that is no failure to `run`. */
  readonly mayFail?: boolean;
}

/** Runs a program to its end. Fails with what it said, unless it may fail. */
export function run(command: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const [program = "", ...args] = command;
  const child = spawn(program, args, {
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...process.env, PATH: toolPath(), ...options.env },
  });
  // A program that ends without reading its input is no failure.
  child.stdin.on("error", () => {});
  child.stdin.end(options.stdin ?? "");
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on("data", (bytes: Buffer) => out.push(bytes));
  child.stderr.on("data", (bytes: Buffer) => err.push(bytes));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => {
      const stdout = Buffer.concat(out).toString();
      const stderr = Buffer.concat(err).toString();
      if (code === 0 || options.mayFail === true) return resolve({ code, stdout, stderr });
      // A whole script as an argument tells nobody anything.
      const shown = command.filter((word) => !word.includes("\n")).join(" ");
      reject(new Error(`${shown} ended with ${code}: ${stdout}${stderr}`));
    });
  });
}

/** With the folders of what root uses, which are not on everybody's path. */
export function toolPath(): string {
  return `${process.env["PATH"] ?? "/usr/bin:/bin"}:/usr/sbin:/sbin`;
}

/** The only child of a process, or of its only child, `depth` times. */
export function childOf(pid: number, depth = 1): number {
  if (depth === 0) return pid;
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ");
  const [only] = children;
  if (children.length !== 1 || only === undefined || only === "") {
    throw new Error(`process ${pid} has the children "${children.join(" ")}" instead of one`);
  }
  return childOf(Number(only), depth - 1);
}

/** When a process started, in the kernel's ticks: with the pid it names one process for ever. */
export function startOf(pid: number): string | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? undefined : fields[19];
  } catch {
    return undefined; // There is no such process.
  }
}

/** Ends one process for good, if it is still the one that is meant. */
export function killOne(pid: number, start: string | undefined): void {
  if (start === undefined || startOf(pid) !== start) return;
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
