// The numbers of the SDK's calls, checked before anything is asked.
//
// A program without types may pass anything; what it passes goes to the head as a number, so what
// is none has one clear error here and starts nothing.

import { SkyError } from "../model/errors.ts";
import type { IdleRule } from "./head.ts";
import type { IdleOptions } from "./sky-options.ts";

/** A job's id; without one 0, which means the latest. @throws SkyError `request/invalid`. */
export function jobNumber(job: number | undefined): number {
  if (job === undefined) return 0;
  if (Number.isSafeInteger(job) && job > 0) return job;
  throw invalid("job", "a job's id, a whole number from 1 on", job);
}

/** A transfer's number; without one `absent`, where that may be. @throws `request/invalid`. */
export function transferNumber(transfer: number | undefined, absent?: number): number {
  if (transfer === undefined && absent !== undefined) return absent;
  if (Number.isSafeInteger(transfer) && Number(transfer) > 0) return Number(transfer);
  throw invalid("transfer", "a transfer's number, a whole number from 1 on", transfer);
}

/** The ids of jobs, each given. @throws SkyError `request/invalid`. */
export function jobNumbers(jobs: number | readonly number[]): number[] {
  return [jobs].flat().map((job) => {
    if (typeof job === "number") return jobNumber(job);
    throw invalid("job", "a job's id, a whole number from 1 on", job);
  });
}

/** A rank, an offset, a number of lines. @throws SkyError `request/invalid`. */
export function countOf(field: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw invalid(field, "a whole number from 0 on", value);
}

/** The time of an idle rule in seconds, if it has one. @throws SkyError `request/invalid`. */
export function idleSecondsOf(options: IdleOptions): number | undefined {
  const { idleMinutes, idleSeconds } = options;
  if (idleMinutes !== undefined && idleSeconds !== undefined) {
    const why = "exclude each other: give one of them";
    throw new SkyError("request/invalid", { field: "idleMinutes and idleSeconds", why });
  }
  const [field, value] =
    idleMinutes === undefined
      ? (["idleSeconds", idleSeconds] as const)
      : (["idleMinutes", idleMinutes] as const);
  if (value === undefined) return undefined;
  if (!Number.isFinite(value)) throw invalid(field, "a number", value);
  return idleMinutes === undefined ? value : value * 60;
}

/**
 * What a launch arms; undefined = nothing. `down` alone changes what the task says to a down, and
 * without that it is at once after the job.
 * @throws SkyError `request/invalid`.
 */
export function launchRule(options: IdleOptions, ofTask?: IdleRule): IdleRule | undefined {
  const seconds = idleSecondsOf(options);
  if (seconds !== undefined && seconds < 0) {
    const why = "should be 0 or more; `autostop(cluster, null)` disarms";
    throw new SkyError("request/invalid", { field: "idle time", why });
  }
  const { down } = options;
  if (seconds !== undefined) return { idleSeconds: seconds, down: down ?? false };
  if (ofTask !== undefined) return { ...ofTask, down: down ?? ofTask.down };
  return down === true ? { idleSeconds: 0, down } : undefined;
}

/** What `start` arms. @throws SkyError `request/invalid` for `down` without a time. */
export function startRule(options: IdleOptions): IdleRule | undefined {
  const rule = launchRule(options);
  if (rule === undefined || idleSecondsOf(options) !== undefined) return rule;
  const why = "needs a time: idleMinutes or idleSeconds";
  throw new SkyError("request/invalid", { field: "down", why });
}

/** What `autostop` sets; null disarms. 0 stays 0. @throws SkyError `request/invalid`. */
export function autostopRule(options: IdleOptions | null): IdleRule | null {
  if (options === null) return null;
  const idleSeconds = idleSecondsOf(options);
  if (idleSeconds === undefined) {
    const why = "is missing, in minutes or seconds; `null` disarms";
    throw new SkyError("request/invalid", { field: "idle time", why });
  }
  return idleSeconds < 0 ? null : { idleSeconds, down: options.down ?? false };
}

function invalid(field: string, wanted: string, value: unknown): SkyError {
  const shown = typeof value === "string" ? JSON.stringify(value.slice(0, 40)) : String(value);
  return new SkyError("request/invalid", { field, why: `should be ${wanted}, not ${shown}` });
}
