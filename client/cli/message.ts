// What the user reads of a failure: one clear message, no stack.
// Problems of a task already say where they are; everything else begins with "Error:".

import { errorText, isSkyError } from "../../model/errors.ts";

export function failureText(error: unknown): string {
  if (isSkyError(error, "task/invalid")) return error.message;
  // What a task needs a cloud for has its place in the file, too.
  const isPlaced = isSkyError(error, "cloud/needed") && /^[^\s:]+:\d+:\d+: /.test(error.message);
  if (isPlaced) return error.message;
  if (isSkyError(error, "job/not-found") && Number(error.params["id"]) === 0) {
    return `Error: there is no job on cluster '${error.params["name"]}' yet.`;
  }
  return `Error: ${errorText(error)}`;
}
