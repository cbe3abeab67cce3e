// What may come next on a command line: the answer to a shell's Tab.
//
// The first line says which names of files the shell adds by itself (`none`, `yaml`, `dirs`,
// `files`); each other line is a candidate, a tab, and what it is. Everything comes from the
// tables of flags; names of clusters and ids of jobs come from a head that runs. None is started,
// and one that does not answer at once is not waited for.

import type { Head } from "../head.ts";
import type { CliCommand } from "./command.ts";
import { allCommands, entryOf, isCommand } from "./commands.ts";
import { shells } from "./completion.ts";
import { argumentsOf, type Flag, longName } from "./flags.ts";
import { globalFlags } from "./help.ts";
import type { Shell } from "./shell.ts";

/** A person waits at the keyboard. */
const answerMsMax = 1_000;
const jobsMax = 50;
const transfersMax = 50;

type Files = "none" | "yaml" | "dirs" | "files";

type Candidate = readonly [value: string, about: string];

interface Next {
  readonly files: Files;
  readonly candidates: readonly Candidate[];
}

const nothing: Next = { files: "none", candidates: [] };

/** `words` are those behind `sky`; the last one is being typed and may be empty. */
export async function completions(
  shell: Shell,
  words: readonly string[],
): Promise<readonly string[]> {
  const current = words.at(-1) ?? "";
  const { files, candidates } = await nextOf(shell, words.slice(0, -1), current);
  const typed = current === "=" ? "" : current;
  const fitting = candidates.filter(([value]) => value.startsWith(typed));
  return [files, ...fitting.map(([value, about]) => `${value}\t${about}`)];
}

async function nextOf(shell: Shell, before: readonly string[], current: string): Promise<Next> {
  const [first, ...rest] = before;
  if (first === undefined) return firstWords(current);
  if (first === "help") return { files: "none", candidates: await commandWords() };
  if (/^--(un)?install-shell-completion$/.test(first)) return values([...shells, "auto"]);
  if (!isCommand(first)) return nothing;
  return ofCommand(shell, { spec: await entryOf(first).load(), before: rest, current });
}

async function firstWords(current: string): Promise<Next> {
  if (!current.startsWith("-")) return { files: "none", candidates: await commandWords() };
  const candidates = globalFlags.flatMap(([usage, about]) => spellings(usage, about));
  return { files: "none", candidates };
}

async function commandWords(): Promise<readonly Candidate[]> {
  return (await allCommands()).map(([, { name, about }]) => [name, about]);
}

interface Line {
  readonly spec: CliCommand;
  readonly before: readonly string[];
  readonly current: string;
}

async function ofCommand(shell: Shell, { spec, before, current }: Line): Promise<Next> {
  const { given, flag, ended } = read(spec, before, current);
  if (flag !== undefined) return ofFlag(shell, flag, current);
  if (current.startsWith("-") && !ended) {
    const shown = spec.flags.filter(({ hidden }) => hidden !== true);
    const candidates = shown.flatMap(({ usage, about }) => spellings(usage, about));
    return { files: "none", candidates: [...candidates, ["--help", "Show this help."]] };
  }
  const parts = argumentsOf(spec);
  const part = parts[given.length] ?? parts.at(-1) ?? "";
  if (given.length >= parts.length && !part.includes("...")) return nothing;
  if (part.includes("ENTRYPOINT")) {
    return { files: given.length >= parts.length ? "files" : "yaml", candidates: [] };
  }
  if (part.includes("SRC") || part.includes("DST")) return places(shell);
  if (part.includes("TRANSFER")) return transfersNext(shell, given);
  if (part.includes("CLUSTER")) return { files: "none", candidates: await clusters(shell) };
  if (part.includes("CLOUDS")) return values((await import("../task-clouds.ts")).cloudNames);
  const [cluster = ""] = given;
  if (part.includes("JOB")) return { files: "none", candidates: await jobs(shell, spec, cluster) };
  return part.includes("|") ? values(part.replace(/[<[\]>]/g, "").split("|")) : nothing;
}

interface Reading {
  /** The arguments that are complete. */
  readonly given: readonly string[];
  /** What is being typed is the value of it. */
  readonly flag?: Flag;
  /** Behind `--`. */
  readonly ended: boolean;
}

function read({ flags }: CliCommand, before: readonly string[], current: string): Reading {
  const given: string[] = [];
  // bash makes words of `--output=js`: `--output`, `=`, `js`.
  const words = before.filter((word, index) => word !== "=" || before[index - 1] === undefined);
  const all = current === "=" ? words : [...words];
  let flag: Flag | undefined;
  for (const word of all) {
    if (flag !== undefined) flag = undefined;
    else if (word === "--")
      return { given: [...given, ...all.slice(all.indexOf("--") + 1)], ended: true };
    else if (!word.startsWith("-") || word === "-") given.push(word);
    else if (!word.includes("=")) flag = flags.find((one) => takesValue(one) && isNamed(one, word));
  }
  const [name, value] = current.split("=");
  const inOne = value === undefined ? undefined : flags.find((one) => isNamed(one, name ?? ""));
  const found = flag ?? (current.startsWith("--") ? inOne : undefined);
  return { given, ended: false, ...(found === undefined ? {} : { flag: found }) };
}

function takesValue({ usage }: Flag): boolean {
  return usage.includes("<");
}

function isNamed({ usage }: Flag, word: string): boolean {
  return usage.split(/[\s,]+/).includes(word);
}

async function ofFlag(shell: Shell, flag: Flag, current: string): Promise<Next> {
  const what = /<(.*)>/.exec(flag.usage)?.[1] ?? "";
  // `--output=json` in one word: the candidates are whole words too.
  const prefix = current.startsWith("--") ? `${longName(flag)}=` : "";
  if (flag.values !== undefined) return values(flag.values.map((value) => prefix + value));
  if (what === "CLUSTER") {
    const known = await clusters(shell);
    return { files: "none", candidates: known.map(([name, about]) => [prefix + name, about]) };
  }
  if (what === "TRANSFER") return { files: "none", candidates: await transfers(shell, false) };
  if (what === "DIR") return { files: "dirs", candidates: [] };
  return { files: what === "FILE" ? "files" : "none", candidates: [] };
}

function values(all: readonly string[]): Next {
  return { files: "none", candidates: all.map((value) => [value, ""]) };
}

/** `-c, --cluster <CLUSTER>` is two candidates. */
function spellings(usage: string, about: string): readonly Candidate[] {
  const names = usage.split(/[\s,]+/).filter((word) => word.startsWith("-"));
  return names.map((name) => [name, about]);
}

async function clusters(shell: Shell): Promise<readonly Candidate[]> {
  return asked(shell, async (head, signal) => {
    const known = await head.status([], signal);
    return known.map(({ name, status, resources }) => [name, `${status} ${resources}`]);
  });
}

/** Files of this machine, and the nodes of clusters. */
async function places(shell: Shell): Promise<Next> {
  const known = await clusters(shell);
  return { files: "files", candidates: known.map(([name, about]) => [`${name}:`, about]) };
}

/** Of `transfers`: the word `cancel`, and behind it those that run; otherwise all. */
async function transfersNext(shell: Shell, given: readonly string[]): Promise<Next> {
  const isCancel = given[0] === "cancel";
  if (given.length > 0 && !isCancel) return nothing;
  const found = await transfers(shell, isCancel);
  const words: readonly Candidate[] = isCancel ? [] : [["cancel", "End a transfer."]];
  return { files: "none", candidates: [...words, ...found] };
}

async function transfers(shell: Shell, skipFinished: boolean): Promise<readonly Candidate[]> {
  return asked(shell, async (head, signal) => {
    const all = await head.listTransfers({ skipFinished, countMax: transfersMax }, signal);
    return all.map(({ id, status, source }) => [String(id), `${status} ${source}`]);
  });
}

async function jobs(
  shell: Shell,
  { name: command }: CliCommand,
  cluster: string,
): Promise<readonly Candidate[]> {
  return asked(shell, async (head, signal) => {
    const skipFinished = command === "cancel";
    const found = await head.listJobs({ cluster, skipFinished, countMax: jobsMax }, signal);
    return found.map(({ id, name, status }) => [String(id), `${status} ${name}`.trim()]);
  });
}

/** Of a head that runs; nothing where none does, or where it cannot tell at once. */
async function asked(
  shell: Shell,
  ask: (head: Head, signal: AbortSignal) => Promise<readonly Candidate[]>,
): Promise<readonly Candidate[]> {
  const { runningHead } = await import("../doctor-head-os.ts");
  const head = await runningHead(shell.home);
  try {
    return head === undefined ? [] : await ask(head, AbortSignal.timeout(answerMsMax));
  } catch {
    // A Tab that finds nothing is better than a message in the middle of a line.
    return [];
  } finally {
    head?.close();
  }
}
