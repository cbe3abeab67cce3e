// A process that ends with us, however we end.
//
// A shell holds it: it reads our pipe, and when that is closed, by us or by the kernel because we
// are dead, it ends the process. Both are in a session of their own, without a terminal that
// somebody could be asked at.
// What must always hold: `ended` resolves once, and nothing of it lives then.

import { type ChildProcess, spawn } from "node:child_process";
import { StringDecoder } from "node:string_decoder";

/** The process is `$@`. What is read is thrown away: only the end of it counts. */
const leash = `
exec 3<&0 </dev/null
"$@" 3<&- &
held=$!
(while read -r _; do :; done <&3; kill "$held") >/dev/null 2>&1 &
watch=$!
exec 3<&-
wait "$held"
code=$?
kill "$watch" 2>/dev/null
exit "$code"
`;

const pulledMsMax = 2_000;
const stderrCharsMax = 65_536;

export interface Leashed {
  /** Whole lines of its standard output. */
  readonly ended: Promise<LeashedEnd>;
  /** Ends it. Twice is harmless. */
  pull(): void;
}

export interface LeashedEnd {
  readonly code: number;
  readonly stderr: string;
}

export interface LeashedOptions {
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  readonly hear: (line: string) => void;
}

export function startLeashed(options: LeashedOptions): Leashed {
  const { program, args, cwd, env, hear } = options;
  const child = spawn("/bin/sh", ["-c", leash, "sky-leash", program, ...args], {
    ...{ cwd, env, detached: true, stdio: ["pipe", "pipe", "pipe"] },
  });
  const stderr = textOf(child);
  hearLines(child, hear);
  // What ends while we write to it: there is nothing to say to it anyway.
  child.stdin.on("error", () => {});
  let due: NodeJS.Timeout | undefined;
  const ended = new Promise<LeashedEnd>((resolve) => {
    child.once("error", (error) => resolve({ code: 127, stderr: error.message }));
    child.once("close", (code) => {
      clearTimeout(due);
      resolve({ code: code ?? 255, stderr: stderr() });
    });
  });
  return {
    ended,
    pull: () => {
      child.stdin.end();
      due ??= setTimeout(() => killGroup(child), pulledMsMax);
    },
  };
}

function textOf(child: ChildProcess): () => string {
  let text = "";
  const decoder = new StringDecoder("utf8");
  child.stderr?.on("data", (chunk: Buffer) => {
    text = (text + decoder.write(chunk)).slice(-stderrCharsMax);
  });
  return () => text;
}

function hearLines(child: ChildProcess, hear: (line: string) => void): void {
  let rest = "";
  child.stdout?.setEncoding("utf8");
  child.stdout?.on("data", (chunk: string) => {
    const lines = (rest + chunk).split("\n");
    rest = (lines.pop() ?? "").slice(-stderrCharsMax);
    for (const line of lines) hear(line.trim());
  });
}

/** The group is the session that we made: the shell, its watch, the process and what it started. */
function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // It ended by itself between the two.
  }
}
