// What a failed setup leaves behind, in the terminal: the exit codes of its nodes and the last
// lines of the node that failed, each behind its prefix.
//
// It is said at the end of every look at such a job, so that it is there also for those who have
// launched with -d and ask later. Source of the list of codes: SkyPilot's detached setup.

import { setTimeout as pause } from "node:timers/promises";
import { exitCode, type Job, type RankRecord } from "../../model/job.ts";
import { followLog, type LogPiece } from "../log-follow.ts";
import { linePrefix } from "../prefix.ts";
import type { Shell } from "./shell.ts";

const linesMax = 10;
/** A last line may be of any length: so much of the end is shown. */
const shownBytesMax = 16 * 1024;
const namesMax = 4;

export interface SetupFailure {
  readonly cluster: string;
  readonly job: Job;
  readonly clusterNodes: number;
  /** Whether the terminal shows the failed node's log already, and nothing after it. */
  readonly seen: boolean;
}

export async function reportSetup(shell: Shell, failure: SetupFailure): Promise<void> {
  const { job, clusterNodes, seen } = failure;
  if (job.setups.length > 1) shell.say(`Exit codes of the setup: ${setupCodes(job.setups)}.`);
  const failed = failedSetup(job);
  if (failed === undefined || seen) return;
  const lines = await lastLines(shell, failure, failed);
  if (lines.length === 0) return;
  const where = job.setups.length > 1 ? ` on ${failed.node}` : "";
  shell.say(`The last lines of the setup${where}:`);
  const prefix = linePrefix({ phase: "setup", ...failed }, { taskName: job.name, clusterNodes });
  for (const line of lines) shell.say(`${prefix}${line}`);
}

/** `0 (head), 7 (worker1), 137 (worker2, worker3)`: by code, smallest first. */
export function setupCodes(setups: readonly RankRecord[]): string {
  const nodesOf = new Map<string, string[]>();
  for (const { exit, node } of setups) {
    const code = exit === undefined ? undefined : exitCode(exit);
    const text = code === undefined ? "unknown" : String(code);
    nodesOf.set(text, [...(nodesOf.get(text) ?? []), node]);
  }
  const byCode = [...nodesOf].sort(([a], [b]) => Number(a) - Number(b));
  return byCode.map(([code, nodes]) => `${code} (${namesText(nodes)})`).join(", ");
}

function namesText(nodes: readonly string[]): string {
  const more = nodes.length - namesMax;
  if (more <= 0) return nodes.join(", ");
  return `${nodes.slice(0, namesMax).join(", ")} and ${more} more`;
}

/** The node that the reason names; without one the first that did not exit with 0. */
function failedSetup({ setups, reason }: Job): RankRecord | undefined {
  const named = setups.find(({ node }) => node === reason?.params["node"]);
  return named ?? setups.find(({ exit }) => exit !== undefined && exitCode(exit) !== 0);
}

async function lastLines(
  shell: Shell,
  { cluster, job }: SetupFailure,
  failed: RankRecord,
): Promise<readonly string[]> {
  const head = await shell.head();
  const signal = shell.interrupt;
  const query = { cluster, job: job.id, follow: false, offsets: [], ranks: [] };
  const ports = {
    open: (again: Parameters<typeof head.tailLogs>[0]) => head.tailLogs(again, signal),
    pause: (ms: number) => pause(ms, undefined, { signal }),
  };
  let end = Buffer.alloc(0);
  for await (const event of followLog({ ...query, tailLines: linesMax }, ports)) {
    if (event.kind !== "piece" || !isOf(event.piece, failed)) continue;
    end = Buffer.concat([end, event.piece.bytes]).subarray(-shownBytesMax);
  }
  const text = end.toString().replace(/\n$/, "");
  return text === "" ? [] : text.split("\n").slice(-linesMax);
}

function isOf({ key }: LogPiece, { rank }: RankRecord): boolean {
  return key.phase === "setup" && key.index === rank;
}
