// The numbers of the SDK's calls, checked before anything is asked.
//
// A program without types may pass anything; what it passes goes to the head as an integer, so what
// is none has one clear error here and starts nothing.

import { SkyError } from "../model/errors.ts";

/** A job's id; without one 0, which means the latest. @throws SkyError `request/invalid`. */
export function jobNumber(job: number | undefined): number {
  if (job === undefined) return 0;
  if (Number.isSafeInteger(job) && job > 0) return job;
  throw invalid("job", "a job's id, a whole number from 1 on", job);
}

/** A rank, an offset, a number of lines. @throws SkyError `request/invalid`. */
export function countOf(field: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw invalid(field, "a whole number from 0 on", value);
}

function invalid(field: string, wanted: string, value: unknown): SkyError {
  const shown = typeof value === "string" ? JSON.stringify(value.slice(0, 40)) : String(value);
  return new SkyError("request/invalid", { field, why: `should be ${wanted}, not ${shown}` });
}
