// Flags are data: each command has a table of them, and parsing and help both come from it.
//
// commander does the work; this file is the only one that knows it.

import type { Command } from "commander";
import { WrongUse } from "./exit-codes.ts";

export interface Flag {
  /** As commander writes it: `-c, --cluster <NAME>`. */
  readonly usage: string;
  readonly about: string;
  /** May be given many times: the values come as a list. */
  readonly repeated?: boolean;
  /** Left out of the help. */
  readonly hidden?: boolean;
}

export interface CommandSpec {
  readonly name: string;
  /** `<CLUSTER> [JOBS...]`. */
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

/** Adds everything in the table to a commander command. */
export function applySpec(command: Command, spec: CommandSpec): void {
  command.description(spec.about).helpOption("-h, --help", "Show this help.");
  for (const part of spec.args.split(/\s+(?![^[<]*[\]>])/).filter((text) => text !== "")) {
    command.argument(part);
  }
  for (const flag of spec.flags) {
    const option = command.createOption(flag.usage, flag.about);
    if (flag.repeated === true) option.argParser(appended);
    if (flag.hidden === true) option.hideHelp();
    command.addOption(option);
  }
  if (spec.examples.length > 0) command.addHelpText("after", examplesText(spec.examples));
}

function appended(value: string, before: unknown): readonly string[] {
  return [...(Array.isArray(before) ? before : []), value];
}

function examplesText(examples: readonly string[]): string {
  return `\nExamples:\n${examples.map((line) => `  ${line}`).join("\n")}`;
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
