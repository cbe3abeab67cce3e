// Reading and writing the small files of a rank's directory (see `rank-files.ts`).
//
// Synchronous: a handful of tiny local files per rank, each call in the tens of microseconds, and
// the order of these steps matters. The log itself is never read here.

import { appendFileSync, mkdirSync, renameSync, statSync, writeFileSync } from "node:fs";
import { SkyError } from "../model/errors.ts";
import type { Exit } from "../model/job.ts";
import type { ProcessReport, ProcessSpec } from "../runtime/process.ts";
import { freeBytes, isNoRoom, noRoom } from "../runtime/room-os.ts";
import { outputDescriptor } from "./launcher.ts";
import {
  childrenOf,
  isAbsent,
  isAlive,
  linkOf,
  namesIn,
  readText,
  signalProcess,
} from "./proc-os.ts";
import type { Claim, ExitEvidence } from "./rank-files.ts";
import {
  blankText,
  exitOf,
  parseClaim,
  parseExitLine,
  parseStarted,
  pipeNameOf,
  rankFiles,
} from "./rank-files.ts";

/** @throws SkyError `process/claimed` if there is anything in the rank's directory already. */
export function refuseIfClaimed(dir: string): void {
  if (namesIn(dir).length > 0) throw new SkyError("process/claimed", { dir });
}

/** Less room than this, and no rank begins: its records, and some of its log. */
const roomBytesMin = 2_097_152;

/** @throws SkyError `disk/full`: what begins where there is no room could not say how it ends. */
export function demandRoom(dir: string): void {
  if (freeBytes(dir) < roomBytesMin) throw noRoom(dir, undefined);
}

/**
 * The pipe of a slot that stands ready. Its keeper holds it from before the slot is ready until
 * after its end; its logger may at first still have what it was forked with.
 */
export function outputOf({ keeper }: Claim): string | undefined {
  const path = pipeNameOf(linkOf(`/proc/${keeper.pid}/fd/${outputDescriptor}`));
  return isAlive(keeper) ? path : undefined;
}

/**
 * Makes a slot's directory the rank's. The rename is the claim: it succeeds onto nothing or onto an
 * empty directory, so for the first slot only. Nothing is created on this way, because a new file
 * can cost a millisecond (see docs/decisions/warm-shims.md); the script's file is there, and holds
 * nothing that the script does not overwrite.
 * @throws SkyError `process/claimed` if there is anything in the rank's directory already.
 */
export function claimRankDir(slotDir: string, spec: ProcessSpec, output: string): void {
  const script = spec.script.endsWith("\n") ? spec.script : `${spec.script}\n`;
  try {
    writeFileSync(`${slotDir}/${rankFiles.script}`, script, { flag: "r+" });
    appendFileSync(`${slotDir}/${rankFiles.claim}`, `${output}\n`);
    renameSync(slotDir, spec.dir);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    const isTaken = code === "ENOTEMPTY" || code === "EEXIST";
    if (!isTaken) throw failed("making the rank's directory", error);
    throw new SkyError("process/claimed", { dir: spec.dir }, { cause: error });
  }
}

/**
 * Why nothing can run in this working directory, or `undefined`. One below the node's own home is
 * made anew: a job may delete the directory that it runs in, and the next one must not wait for it.
 */
export function placeProblem({ cwd, home }: ProcessSpec): string | undefined {
  try {
    return statSync(cwd).isDirectory() ? undefined : `${cwd} is no directory`;
  } catch (error) {
    if (!isAbsent(error)) throw error;
    if (cwd !== home && !cwd.startsWith(`${home}/`)) return `${cwd} does not exist`;
    mkdirSync(cwd, { recursive: true });
    return undefined;
  }
}

export function failed(what: string, cause: unknown): SkyError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new SkyError("process/failed", { what, why }, { cause });
}

export function readClaim(dir: string): Claim | undefined {
  return parseClaim(readText(`${dir}/${rankFiles.claim}`) ?? "");
}

/** A small file whose presence and time are the fact. False if there was no room for it. */
export function mark(dir: string, name: string, text = ""): boolean {
  try {
    writeFileSync(`${dir}/${name}`, text, { mode: 0o600 });
    return true;
  } catch (error) {
    if (isNoRoom(error)) return false;
    throw error;
  }
}

export function isMarked(dir: string, name: string): boolean {
  return changedAt(dir, name) !== undefined;
}

/** Whether the exit code is written, and not only its file there. */
export function hasExit(dir: string): boolean {
  return (statFile(dir, rankFiles.exit)?.size ?? 0) > blankText.length;
}

/** When a file was last changed, in milliseconds since the epoch. */
export function changedAt(dir: string, name: string): number | undefined {
  return statFile(dir, name)?.mtimeMs;
}

export function logBytes(dir: string): number {
  return statFile(dir, rankFiles.log)?.size ?? 0;
}

function statFile(dir: string, name: string) {
  try {
    return statSync(`${dir}/${name}`);
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

/** When the rank started, if it did. Exact where its shell knows the time to the microsecond. */
export function startedAt(dir: string, claim = readClaim(dir)): number | undefined {
  if (claim?.started === undefined) return undefined;
  return parseStarted(`${claim.started}\n`) ?? changedAt(dir, rankFiles.claim);
}

/** How the rank ended, if its directory says so. */
export function readExit(dir: string, oomKills: number): Exit | undefined {
  const lost = readText(`${dir}/${rankFiles.lost}`);
  if (lost !== undefined) return { kind: "unknown", evidence: lost.trim() };
  const code = parseExitLine(readText(`${dir}/${rankFiles.exit}`));
  if (code === undefined) return undefined;
  const evidence: ExitEvidence = {
    logLost: isMarked(dir, rankFiles.logCut) ? undefined : readText(`${dir}/${rankFiles.logLost}`),
    killedByUs: isMarked(dir, rankFiles.killed),
    leaseExpired: isMarked(dir, rankFiles.leaseExpired),
    oomKills,
  };
  return exitOf(code, evidence);
}

/** Whether a process of the rank's shim lives, in this boot. */
export function keeperLives(claim: Claim, bootId: string): boolean {
  return claim.bootId === bootId && isAlive(claim.keeper);
}

/** Ends the writer of a log, with the cat that it waits for. */
export function endLogger({ logger }: Claim): void {
  if (!isAlive(logger)) return;
  const cats = childrenOf(logger.pid);
  for (const pid of [logger.pid, ...cats]) signalProcess(pid, "KILL");
}

/** What a directory tells of its rank. `undefined` if nobody ever claimed it. */
export function readReport(
  dir: string,
  { bootId, closed }: { readonly bootId: string; readonly closed: boolean },
): ProcessReport | undefined {
  const claim = readClaim(dir);
  if (claim === undefined) {
    return isMarked(dir, rankFiles.script) ? { phase: "never-started", dir } : undefined;
  }
  const startedWallMs = startedAt(dir, claim);
  const lives = !closed && keeperLives(claim, bootId);
  if (startedWallMs === undefined && !isMarked(dir, rankFiles.lost)) {
    return { phase: lives ? "prepared" : "never-started", dir };
  }
  const { pid } = claim.runner;
  if (lives) return { phase: "running", dir, pid, startedWallMs: startedWallMs ?? 0 };
  const exit = readExit(dir, 0) ?? { kind: "unknown", evidence: deathOf(claim, bootId) };
  const endedWallMs = endedAt(dir, startedWallMs ?? 0);
  return { phase: "exited", dir, pid, startedWallMs, exit, endedWallMs, logBytes: logBytes(dir) };
}

/** When the rank ended. File times are coarse: none is before the start. */
export function endedAt(dir: string, startedWallMs: number): number {
  const ended =
    changedAt(dir, rankFiles.lost) ??
    (hasExit(dir) ? changedAt(dir, rankFiles.exit) : undefined) ??
    changedAt(dir, rankFiles.log) ??
    startedWallMs;
  return Math.max(ended, startedWallMs);
}

/** Why there is no exit code. */
export function deathOf(claim: Claim, bootId: string): string {
  return claim.bootId === bootId
    ? "the shim was killed, so nobody saw how the rank ended"
    : "the machine was restarted while the rank ran";
}
