// What the user reads of a failure: one clear message, no stack.
// Problems of a task already say where they are; everything else begins with "Error:".

import { errorText, isSkyError } from "../../model/errors.ts";

export function failureText(error: unknown): string {
  if (isSkyError(error, "task/invalid") || isSkyError(error, "pools/invalid")) return error.message;
  // What a task needs a cloud for has its place in the file, too.
  const isPlaced = isSkyError(error, "cloud/needed") && /^[^\s:]+:\d+:\d+: /.test(error.message);
  if (isPlaced) return error.message;
  if (isSkyError(error, "job/not-found") && Number(error.params["id"]) === 0) {
    return `Error: there is no job on cluster '${error.params["name"]}' yet.`;
  }
  return `Error: ${reasonText(error)}`;
}

/** The error in words, with what brings a cluster up where that is what it lacks. */
export function reasonText(error: unknown): string {
  const text = errorText(error);
  if (!isSkyError(error, "cluster/not-up")) return text;
  const { name, status } = error.params;
  const start = `sky start ${name}`;
  if (status === "STOPPED") return `${text}\nTo bring it up:  ${start}`;
  return `${text}\nWait until \`sky status ${name}\` says UP; if it never does:  ${start}`;
}
