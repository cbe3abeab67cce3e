// `-o json`: whether it was asked for, and how it is printed.
// JSON is for programs: its fields are those of the SDK's types.

import { WrongUse } from "./exit-codes.ts";
import { type Parsed, textFlag } from "./flags.ts";
import type { Shell } from "./shell.ts";

export function wantsJson(parsed: Parsed): boolean {
  const format = textFlag(parsed, "output");
  if (format === undefined || format === "table") return false;
  if (format === "json") return true;
  throw new WrongUse(`--output should be json or table, not '${format}'`);
}

export function printJson(shell: Shell, value: unknown): void {
  shell.print(JSON.stringify(value, undefined, 2));
}
