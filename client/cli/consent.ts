// When to ask before acting.
//
// A terminal is always asked. Without one, what is named exactly is done, because a script has no
// typing errors to be guarded from; --all and globs may reach further than meant and need -y.
// stdin is not read then: in a loop of a script it is the loop's.

import { isSet, type Parsed } from "./flags.ts";
import type { Shell } from "./shell.ts";

export interface Intent {
  readonly question: string;
  /** Whether the user named each thing, and nothing else can be meant. */
  readonly exact: boolean;
}

/** Returns when it may be done. @throws WrongUse when not. */
export async function consent(
  shell: Shell,
  parsed: Parsed,
  { question, exact }: Intent,
): Promise<void> {
  if (isSet(parsed, "yes") || (exact && !shell.interactive)) return;
  if (!(await shell.confirm(question))) throw new Error("Aborted.");
}
