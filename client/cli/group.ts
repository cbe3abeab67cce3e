// What autostop, stop, start and down do with several clusters: choose, ask once, act on all at the
// same time, report each. A failure of one never stops the others. Source: SkyPilot 0.3.0.

import { errorText } from "../../model/errors.ts";
import { isGlob } from "../glob.ts";
import type { Head } from "../head.ts";
import { consent } from "./consent.ts";
import { type ExitCode, exitCodeOfError, exitCodes, WrongUse } from "./exit-codes.ts";
import { isSet, type Parsed, wordsAt } from "./flags.ts";
import { namesMeant } from "./names.ts";
import type { Shell } from "./shell.ts";

export interface GroupAction {
  /** `Terminating`, as in "Terminating 2 clusters: a, b. Proceed?" */
  readonly doing: string;
  /** The line for one that worked. */
  readonly done: (name: string) => string;
  act(head: Head, name: string): Promise<string | undefined>;
}

/** `act` gives the line to print instead of `done`, if it has a better one. */
export async function actOnGroup(
  shell: Shell,
  parsed: Parsed,
  action: GroupAction,
): Promise<ExitCode> {
  const words = wordsAt(parsed, 0);
  const all = isSet(parsed, "all");
  if (words.length === 0 && !all) throw new WrongUse("name the clusters, or pass --all");
  const head = await shell.head();
  const known = (await head.status([], shell.interrupt)).map(({ name }) => name);
  if (all && words.length > 0) shell.say("Both --all and clusters given: --all takes effect.");
  const { names, unmatched } = all ? { names: known, unmatched: [] } : namesMeant(words, known);
  for (const glob of unmatched) shell.say(`Cluster ${glob} not found.`);
  if (names.length === 0) {
    shell.print("Cluster(s) not found (tip: see `sky status`).");
    return exitCodes.done;
  }
  const count = names.length === 1 ? "1 cluster" : `${names.length} clusters`;
  const question = `${action.doing} ${count}: ${names.join(", ")}. Proceed?`;
  await consent(shell, parsed, { question, exact: !all && !words.some(isGlob) });
  const codes = await Promise.all(names.map((name) => actOnOne(shell, { head, name, action })));
  return worstOf(codes);
}

interface One {
  readonly head: Head;
  readonly name: string;
  readonly action: GroupAction;
}

async function actOnOne(shell: Shell, { head, name, action }: One): Promise<ExitCode> {
  try {
    shell.print((await action.act(head, name)) ?? action.done(name));
    return exitCodes.done;
  } catch (error) {
    if (shell.interrupt.aborted) throw error;
    shell.say(`${action.doing} cluster ${name}...failed. Reason: ${errorText(error)}`);
    return exitCodeOfError(error);
  }
}

/** The code of the only one; 1 if some of several failed. */
function worstOf(codes: readonly ExitCode[]): ExitCode {
  const [only] = codes;
  if (codes.length === 1 && only !== undefined) return only;
  return codes.every((code) => code === exitCodes.done) ? exitCodes.done : exitCodes.refused;
}
