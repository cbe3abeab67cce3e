// The last lines of the process that a job failed for, for `sky why`.
//
// They are in the head's log store, masked as they came from the node. The end of a log may be on
// its way when the job's end is known already: it is waited for a moment.

import type { Job, RankKey } from "../model/job.ts";
import type { LogStore } from "./log-store-os.ts";

/** Source of the number: SkyPilot shows as many of a setup that failed. */
export const lastLinesMax = 10;
/** A line may be of any length: so much of the end is shown. */
const shownBytesMax = 16 * 1024;
const lateMs = 2_000;

type Logs = Pick<LogStore, "follow" | "tailStart">;

/** As a part of an explanation; empty where there is none, or nothing was written. */
export async function lastLinesText(logs: Logs, job: Job, until: Until): Promise<string> {
  const failed = failedProcess(job);
  if (failed === undefined) return "";
  const lines = await lastLines(logs, failed, until);
  if (lines.length === 0) return "";
  const { phase, index } = failed.key;
  const what = phase === "setup" ? "the setup" : `rank ${index}`;
  const shown = lines.map((line) => `\n  ${line}`);
  return `\nThe last lines of ${what} on ${failed.node}:${shown.join("")}`;
}

interface Until {
  readonly signal: AbortSignal;
  /** How long the end of the log is waited for. */
  readonly waitMs?: number;
}

interface Failed {
  readonly key: RankKey;
  readonly node: string;
  /** As long as its log is, if that is known. */
  readonly logBytes: number | undefined;
}

/** The process that the reason names. */
export function failedProcess({ id, attempt, reason, setups, ranks }: Job): Failed | undefined {
  const isSetup = reason?.code === "setup-failed";
  if (!isSetup && reason?.code !== "rank-failed" && reason?.code !== "exit-unknown") {
    return undefined;
  }
  const index = Number(reason.params["rank"]);
  const found = (isSetup ? setups : ranks).find(({ rank }) => rank === index);
  if (found === undefined) return undefined;
  const phase = isSetup ? "setup" : "run";
  return { key: { job: id, attempt, phase, index }, node: found.node, logBytes: found.logBytes };
}

async function lastLines(
  logs: Logs,
  { key, logBytes = 0 }: Failed,
  { signal, waitMs = lateMs }: Until,
): Promise<readonly string[]> {
  const start = await logs.tailStart(key, lastLinesMax);
  const offset = Math.max(start, logBytes - shownBytesMax);
  let end = Buffer.alloc(0);
  const late = AbortSignal.timeout(waitMs);
  const either = AbortSignal.any([signal, late]);
  try {
    for await (const { bytes } of logs.follow({ key, offset, wait: true, signal: either })) {
      end = Buffer.concat([end, bytes]).subarray(-shownBytesMax);
    }
  } catch (error) {
    // What has come is shown: a node that is lost never says how its log ends.
    if (!late.aborted || signal.aborted) throw error;
  }
  const text = end.toString().replace(/\n$/, "");
  return text === "" ? [] : text.split("\n").slice(-lastLinesMax);
}
