// What the files in a rank's directory say. Pure: texts in, facts out.
//
// The directory is the rank's truth on its node: it is written by the shim (`launcher.ts`) and by
// the agent, and survives both. Its files are few, because a new file is what costs most, and serve
// again (`spare-dirs-os.ts`). One that
// another process may still be writing counts only once it ends in a newline. A rank's end is when
// its exit file was written.

import { envNamePattern, envNameProblem } from "../model/ids.ts";
import type { Exit } from "../model/job.ts";

/** The files of a rank's directory. */
export const rankFiles = {
  /** Who claimed it, by the shim; what its output is, by the agent; its start, by the shim. */
  claim: "claim",
  script: "script",
  log: "log",
  exit: "exit",
  /** The logger ended by itself and not because the output was closed: its status. */
  logLost: "log-lost",
  /** We ended the logger: something outside our reach held the output open. */
  logCut: "log-cut",
  /** We sent KILL to it. */
  killed: "killed",
  /** The watchdog ended it, because its lease was over: at which moment. */
  leaseExpired: "lease-expired",
  /** Nobody knows how it ended, and why not. Stands in for `exit`. */
  lost: "lost",
} as const;

/** A process that cannot be mistaken for a later one of the same number. */
export interface ProcessId {
  readonly pid: number;
  /** Clock ticks since the boot. Source: proc(5), field 22 of `/proc/<pid>/stat`. */
  readonly startTicks: number;
}

export interface Claim {
  readonly token: string;
  readonly bootId: string;
  /** Writes the exit code. */
  readonly keeper: ProcessId;
  /** The leader of the rank's session. */
  readonly runner: ProcessId;
  /** Writes the log, by a `cat` of its own. */
  readonly logger: ProcessId;
  /** The cgroup that the rank is in: that of its seat. */
  readonly leaf: string | undefined;
  /** The pipe that is the rank's output, as /proc names it. */
  readonly output: string | undefined;
  /** The line of its start, which is empty where the shell does not know the time. */
  readonly started: string | undefined;
  /** Its cgroup was seen empty after its end, and may be another rank's since. */
  readonly emptied: boolean;
}

/**
 * The name of a pipe, as /proc gives it; `undefined` for any other. Only a pipe is nobody else's:
 * whoever holds it belongs to the rank, and whoever holds /dev/null does not.
 */
export function pipeNameOf(path: string | undefined): string | undefined {
  return path !== undefined && /^pipe:\[\d+\]$/.test(path) ? path : undefined;
}

/**
 * What a file holds in a directory that serves again, before it is written: never nothing, because
 * ext4 flushes a file that was emptied and written again.
 */
export const blankText = "\n";

/** The claim in a text, or `undefined` if it is not (yet) a whole one. Lines not ended are not. */
export function parseClaim(text: string): Claim | undefined {
  const [first, output, started, emptied] = text.split("\n").slice(0, -1);
  if (first === undefined) return undefined;
  const words = first.split(" ");
  const [token, bootId, ...rest] = words;
  const numbers = rest.slice(0, 6).map(Number);
  const [keeper, keeperStart, runner, runnerStart, logger, loggerStart] = numbers;
  if (token === undefined || bootId === undefined) return undefined;
  if (numbers.length < 6 || numbers.some((number) => !Number.isSafeInteger(number))) return;
  return {
    token,
    bootId,
    keeper: { pid: keeper ?? 0, startTicks: keeperStart ?? 0 },
    runner: { pid: runner ?? 0, startTicks: runnerStart ?? 0 },
    logger: { pid: logger ?? 0, startTicks: loggerStart ?? 0 },
    leaf: leafOf(token, words[8]),
    output: pipeNameOf(output),
    started,
    emptied: emptied === "emptied",
  };
}

/** Ranks of agents before 0.2 name no seat: the cgroup has the name of the token. */
function leafOf(token: string, word: string | undefined): string | undefined {
  if (word === "+") return token;
  return word === "-" ? undefined : word;
}

/** The code in an exit file, or `undefined` if it is not (yet) whole. */
export function parseExitLine(text: string | undefined): number | undefined {
  const match = /^(\d{1,3})\n$/.exec(text ?? "");
  return match === null ? undefined : Number(match[1]);
}

/** The moment in a line of bash's EPOCHREALTIME, whose point depends on the locale. */
export function parseStarted(text: string): number | undefined {
  const match = /^(\d+)\D(\d{6})\n$/.exec(text);
  return match === null ? undefined : Number(match[1]) * 1_000 + Number(match[2]) / 1_000;
}

/** What is known of how a rank ended, beside its code. */
export interface ExitEvidence {
  /** The logger's own status, where it ended too early. */
  readonly logLost: string | undefined;
  readonly killedByUs: boolean;
  /** Its lease was over, and it was to be killed for it. */
  readonly leaseExpired: boolean;
  readonly oomKills: number;
}

/** Signal numbers that a shell can report as 128 + n. Source: signal(7), Linux. */
const signalMax = 64;
const killSignal = 9;

/**
 * How a rank ended. A shell cannot tell `exit 137` from SIGKILL, so above 128 there is no evidence,
 * unless we know better: our own kill, or the kernel's count of out-of-memory kills.
 */
export function exitOf(code: number, evidence: ExitEvidence): Exit {
  if (evidence.leaseExpired && code === 128 + killSignal) {
    return { kind: "stopped", why: "lease-expired" };
  }
  if (evidence.logLost !== undefined) {
    const why = `the writer of its log ended early (status ${evidence.logLost.trim()})`;
    return { kind: "unknown", evidence: `${why}; the shell then ended with ${code}` };
  }
  const signal = code - 128;
  if (signal < 1 || signal > signalMax) return { kind: "code", code };
  if (signal === killSignal && evidence.killedByUs) {
    return { kind: "signal", signal, evidence: "sent by the agent" };
  }
  if (signal === killSignal && evidence.oomKills > 0) {
    const count = `${evidence.oomKills} out-of-memory kills in its cgroup`;
    return { kind: "signal", signal, evidence: count };
  }
  return { kind: "signal", signal, evidence: "" };
}

/**
 * The spec, NUL-ended: directory, working directory, HOME, then NAME=VALUE… It lies in the slot's
 * gate until the start. @throws nothing: `specProblem` must have said `undefined`.
 */
export function encodeSpec(spec: {
  readonly dir: string;
  readonly cwd: string;
  readonly home: string;
  readonly env: Readonly<Record<string, string>>;
}): string {
  const pairs = Object.entries(spec.env).map(([name, value]) => `${name}=${value}`);
  return [spec.dir, spec.cwd, spec.home, ...pairs].map((item) => `${item}\0`).join("");
}

/** Why a rank cannot be started byte for byte as asked, or `undefined`. */
export function specProblem(spec: {
  readonly script: string;
  readonly env: Readonly<Record<string, string>>;
}): string | undefined {
  if (spec.script.includes("\0")) return "the script holds a NUL byte";
  for (const [name, value] of Object.entries(spec.env)) {
    if (!envNamePattern.test(name)) return `${JSON.stringify(name)} is no name of a variable`;
    const problem = envNameProblem(name);
    if (problem !== undefined) return problem;
    if (value.includes("\0")) return `the value of ${name} holds a NUL byte`;
  }
  return undefined;
}
