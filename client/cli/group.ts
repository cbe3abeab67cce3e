// What autostop, stop, start and down do with several clusters: choose, ask once, act on all at the
// same time, report each. A failure of one never stops the others; --all is all of one's own.
// Source: SkyPilot 0.3.0, and newer for --all-users.

import type { ClusterView } from "../../model/cluster.ts";
import { isGlob } from "../glob.ts";
import type { Head } from "../head.ts";
import { userName } from "../world-os.ts";
import { consent } from "./consent.ts";
import { type ExitCode, exitCodeOfError, exitCodes, WrongUse } from "./exit-codes.ts";
import { isSet, type Parsed, wordsAt } from "./flags.ts";
import { reasonText } from "./message.ts";
import { namesMeant } from "./names.ts";
import { checkReserved, isReserved } from "./reserved.ts";
import type { Shell } from "./shell.ts";

export interface GroupAction {
  /** The command's name: `down`. */
  readonly verb: string;
  /** `Terminating`, as in "Terminating 2 clusters: a, b. Proceed?" */
  readonly doing: string;
  /** The line for one that worked. */
  readonly done: (name: string) => string;
  /** Said of one that there is nothing to do for; it is left alone. */
  readonly skips?: (cluster: ClusterView) => string | undefined;
  /** What is asked instead of `doing` and the names, if there is more to say. */
  readonly plan?: (clusters: readonly ClusterView[]) => string;
  /** Without a name it means the only cluster there is. */
  readonly guesses?: boolean;
  act(head: Head, name: string, cluster: ClusterView): Promise<string | undefined>;
}

/** `act` gives the line to print instead of `done`, if it has a better one. */
export async function actOnGroup(
  shell: Shell,
  parsed: Parsed,
  action: GroupAction,
): Promise<ExitCode> {
  const words = wordsAt(parsed, 0);
  const all = isSet(parsed, "all") || isSet(parsed, "allUsers");
  if (words.length === 0 && !all && action.guesses !== true) throw nameThem(action);
  if (all && words.length > 0) {
    const flag = isSet(parsed, "all") ? "--all" : "--all-users";
    shell.say(`Both ${flag} and clusters (${words.join(", ")}) given: ${flag} takes effect.`);
  }
  if (!all) checkReserved(words, action.verb);
  const head = await shell.head();
  const known = await head.status([], shell.interrupt);
  const chosen = all ? ofAll(shell, parsed, known) : named(shell, words, { known, action });
  const meant = chosen.filter((cluster) => {
    const line = action.skips?.(cluster);
    if (line !== undefined) shell.print(line);
    return line === undefined;
  });
  if (chosen.length === 0) shell.print("Cluster(s) not found (tip: see `sky status`).");
  if (meant.length === 0) return exitCodes.done;
  const question = `${action.plan?.(meant) ?? planText(action.doing, meant)}. Proceed?`;
  await consent(shell, parsed, { question, exact: !all && !words.some(isGlob) });
  return actOnAll(shell, { head, clusters: meant, action });
}

function nameThem({ verb }: GroupAction): WrongUse {
  return new WrongUse(`sky ${verb}: name the clusters, or pass --all`);
}

/** One's own, and those that are nobody's; with -u everybody's. */
function ofAll(
  shell: Shell,
  parsed: Parsed,
  known: readonly ClusterView[],
): readonly ClusterView[] {
  const selectable = known.filter(({ name }) => !isReserved(name));
  if (isSet(parsed, "allUsers")) return selectable;
  const asker = userName();
  const own = selectable.filter(({ user }) => user === asker || user === "");
  const others = selectable.length - own.length;
  if (others > 0) {
    const what = others === 1 ? "1 cluster of another user is" : `${others} of other users are`;
    shell.say(`${what} left alone: -u means the clusters of all.`);
  }
  return own;
}

interface Choice {
  readonly known: readonly ClusterView[];
  readonly action: GroupAction;
}

function named(
  shell: Shell,
  words: readonly string[],
  { known, action }: Choice,
): readonly ClusterView[] {
  if (words.length === 0) {
    if (known.length > 1) throw nameThem(action);
    return known;
  }
  const { names, unmatched } = namesMeant(
    words,
    known.map(({ name }) => name),
  );
  for (const glob of unmatched) shell.say(`Cluster ${glob} not found.`);
  const exact = (name: string): boolean => words.includes(name) || !isReserved(name);
  return known.filter(({ name }) => names.includes(name) && exact(name));
}

/** `Terminating 2 clusters: a, b`. */
export function planText(doing: string, clusters: readonly ClusterView[]): string {
  const count = clusters.length === 1 ? "1 cluster" : `${clusters.length} clusters`;
  return `${doing} ${count}: ${clusters.map(({ name }) => name).join(", ")}`;
}

interface Work {
  readonly head: Head;
  readonly clusters: readonly ClusterView[];
  readonly action: GroupAction;
}

async function actOnAll(shell: Shell, { head, clusters, action }: Work): Promise<ExitCode> {
  let ended = 0;
  const show = (): void => {
    const all = clusters.length;
    if (shell.interactive && all > 1) shell.progress(`${action.doing} ${ended} of ${all}...`);
  };
  show();
  const codes = await Promise.all(
    clusters.map(async (cluster) => {
      const code = await actOnOne(shell, { head, cluster, action });
      ended += 1;
      show();
      return code;
    }),
  );
  shell.progress(undefined);
  return worstOf(codes);
}

interface One {
  readonly head: Head;
  readonly cluster: ClusterView;
  readonly action: GroupAction;
}

async function actOnOne(shell: Shell, { head, cluster, action }: One): Promise<ExitCode> {
  const { name } = cluster;
  try {
    shell.print((await action.act(head, name, cluster)) ?? action.done(name));
    return exitCodes.done;
  } catch (error) {
    if (shell.interrupt.aborted) throw error;
    shell.say(`${action.doing} cluster ${name}...failed. Reason: ${reasonText(error)}`);
    return exitCodeOfError(error);
  }
}

/** The code of the only one; 1 if some of several failed. */
function worstOf(codes: readonly ExitCode[]): ExitCode {
  const [only] = codes;
  if (codes.length === 1 && only !== undefined) return only;
  return codes.every((code) => code === exitCodes.done) ? exitCodes.done : exitCodes.refused;
}
