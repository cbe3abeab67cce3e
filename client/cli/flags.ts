// Flags are data: each command has a table of them, and parsing, help, the pages of the
// documentation and completion come from it.
//
// commander does the parsing; this file and `main.ts` are the only ones that know it.

import type { Command } from "commander";
import { SkyError } from "../../model/errors.ts";
import { hintText } from "../../model/suggest.ts";
import { WrongUse } from "./exit-codes.ts";

export interface Flag {
  /**
   * As commander writes it: `-c, --cluster <CLUSTER>`. What stands in the brackets tells what is
   * completed: CLUSTER, DIR, FILE.
   */
  readonly usage: string;
  readonly about: string;
  /** May be given many times: the values come as a list. */
  readonly repeated?: boolean;
  /** Repeated, and its place among other such flags matters: read by `orderedFlags`. */
  readonly ordered?: boolean;
  /** Left out of the help. */
  readonly hidden?: boolean;
  /** The only values that it takes. */
  readonly values?: readonly string[];
  /** SkyPilot has it and it needs a cloud: it is refused with `cloud/needed`. */
  readonly needsCloud?: boolean;
  /** SkyPilot has it and we have not: why, as the end of a sentence. */
  readonly refused?: string;
}

export interface CommandSpec {
  readonly name: string;
  /** `<CLUSTER> [JOBS...]`. The words tell what is completed: CLUSTER, JOB, ENTRYPOINT. */
  readonly args: string;
  /** One line, for the list of commands. */
  readonly about: string;
  /** Shown after the flags. */
  readonly examples: readonly string[];
  readonly flags: readonly Flag[];
  /** Said after a flag that nobody knows. */
  readonly tip?: string;
}

/** What was parsed: arguments by position, flags by their camel-case names. */
export interface Parsed {
  readonly args: readonly (string | readonly string[])[];
  readonly flags: Readonly<Record<string, unknown>>;
}

/** The words of `<CLUSTER> [JOBS...]`, one by one. */
export function argumentsOf({ args }: CommandSpec): readonly string[] {
  return args.split(/\s+(?![^[<]*[\]>])/).filter((text) => text !== "");
}

/** `--cluster`, of `-c, --cluster <CLUSTER>`. */
export function longName({ usage }: Flag): string {
  return /--[a-z][\w-]*/.exec(usage)?.[0] ?? usage;
}

/** Adds everything in the table to a commander command. */
export function applySpec(command: Command, spec: CommandSpec): void {
  command.description(spec.about).helpOption("-h, --help", "Show this help.");
  for (const part of argumentsOf(spec)) command.argument(part);
  let place = 0;
  for (const flag of spec.flags) {
    const option = command.createOption(flag.usage, flag.about);
    if (flag.repeated === true) option.argParser(appended);
    if (flag.ordered === true) {
      const placed = (text: string, before: unknown): readonly Placed[] => {
        place += 1;
        return [...((before ?? []) as readonly Placed[]), { text, place }];
      };
      option.argParser(placed);
    }
    if (flag.hidden === true) option.hideHelp();
    command.addOption(option);
  }
}

function appended(value: string, before: unknown): readonly string[] {
  return [...(Array.isArray(before) ? before : []), value];
}

/**
 * What the table itself rules out: a value that is none of the flag's, a flag that cannot be done
 * here. @throws WrongUse; SkyError `cloud/needed`; Error.
 */
export function checkFlags(spec: CommandSpec, parsed: Parsed): void {
  const given = spec.flags.filter((flag) => isGiven(flag, parsed));
  for (const flag of given) checkValues(flag, parsed);
  const cloudy = given.filter(({ needsCloud }) => needsCloud === true).map(longName);
  if (cloudy.length > 0) {
    const verb = cloudy.length === 1 ? "needs" : "need";
    const problems = `${cloudy.join(", ")} ${verb} a cloud: see \`sky check\``;
    throw new SkyError("cloud/needed", { problems });
  }
  for (const flag of given) {
    if (flag.refused !== undefined) throw new Error(`${longName(flag)}: ${flag.refused}`);
  }
}

/** `--no-x` is given when x is false, `--x` when it is anything else. */
function isGiven(flag: Flag, { flags }: Parsed): boolean {
  const value = flags[keyOf(flag)];
  const negated = longName(flag).startsWith("--no-");
  return negated ? value === false : value !== undefined && value !== false;
}

/** `useSpot`, of `--use-spot` and of `--no-use-spot`. */
function keyOf(flag: Flag): string {
  const words = longName(flag).replace(/^--(no-)?/, "");
  return words.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
}

function checkValues(flag: Flag, parsed: Parsed): void {
  const { values } = flag;
  const value = textFlag(parsed, keyOf(flag));
  if (values === undefined || value === undefined || values.includes(value)) return;
  const last = values.at(-1) ?? "";
  const choice = values.length === 1 ? last : `${values.slice(0, -1).join(", ")} or ${last}`;
  const hint = hintText(value, values);
  throw new WrongUse(`${longName(flag)} should be ${choice}, not '${value}'.${hint}`);
}

export function textFlag(parsed: Parsed, name: string): string | undefined {
  const value = parsed.flags[name];
  return typeof value === "string" ? value : undefined;
}

export function isSet(parsed: Parsed, name: string): boolean {
  return parsed.flags[name] === true;
}

export function textsFlag(parsed: Parsed, name: string): readonly string[] {
  const value = parsed.flags[name];
  return Array.isArray(value) ? value.map(String) : [];
}

/** A value of an `ordered` flag. */
interface Placed {
  readonly text: string;
  readonly place: number;
}

/** The values of `ordered` flags, each with the flag's name, in the order of the command line. */
export function orderedFlags<N extends string>(
  parsed: Parsed,
  names: readonly N[],
): readonly { readonly name: N; readonly text: string }[] {
  const all = names.flatMap((name) => {
    const values = (parsed.flags[name] ?? []) as readonly Placed[];
    return values.map((value) => ({ name, ...value }));
  });
  return all.sort((a, b) => a.place - b.place).map(({ name, text }) => ({ name, text }));
}

/** The argument at `index`, where the table says that there is one word. */
export function wordAt(parsed: Parsed, index: number): string | undefined {
  const value = parsed.args[index];
  return typeof value === "string" ? value : undefined;
}

/** The arguments from `index` on, where the table says that there are many. */
export function wordsAt(parsed: Parsed, index: number): readonly string[] {
  const value = parsed.args[index];
  return typeof value === "string" ? [value] : (value ?? []);
}

/** A number, or `undefined` if the flag is not given. @throws WrongUse with the flag's name. */
export function numberFlag(
  parsed: Parsed,
  name: string,
  rule: { readonly flag: string; readonly least: number; readonly whole?: boolean },
): number | undefined {
  const text = textFlag(parsed, name);
  if (text === undefined) return undefined;
  const value = /^[-+]?(\d+(\.\d*)?|\.\d+)$/.test(text) ? Number(text) : Number.NaN;
  const fits = value >= rule.least && (rule.whole !== true || Number.isSafeInteger(value));
  if (fits) return value;
  const kind = rule.whole === true ? "a whole number" : "a number";
  throw new WrongUse(`${rule.flag} should be ${kind} of at least ${rule.least}, not '${text}'`);
}
