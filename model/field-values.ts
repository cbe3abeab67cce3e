// The types of a task's fields: each reader takes a tree and gives the value, or notes a problem.
//
// A reader never throws and never stops the others; it gives `undefined` for what it refused and
// for an explicit null, which in a task file means "not given".

import type { Place, Problem } from "./problem.ts";
import { hintText } from "./suggest.ts";
import type { Entry, Tree } from "./value-tree.ts";
import { isNull, shown } from "./value-tree.ts";

/** Where readers put what they find. Local to one validation. */
export interface Findings {
  readonly problems: Problem[];
  /** What is accepted and has no effect here: told, never an error. */
  readonly notes: Problem[];
}

export function refuse(found: Findings, place: Place, what: string): undefined {
  found.problems.push({ place, what });
  return undefined;
}

export function readText(tree: Tree, name: string, found: Findings): string | undefined {
  if (isNull(tree)) return undefined;
  if (tree.kind !== "scalar" || typeof tree.value !== "string") {
    return refuse(found, tree.place, `${name} should be a string, not ${shown(tree)}`);
  }
  if (tree.value.includes("\0")) return refuse(found, tree.place, `${name} has a NUL character`);
  return tree.value;
}

/** YAML 1.1 had `yes` and `on` too; files from that time keep their meaning. */
export function readFlag(tree: Tree, name: string, found: Findings): boolean | undefined {
  if (isNull(tree)) return undefined;
  const text = tree.kind === "scalar" ? tree.text.toLowerCase() : "";
  if (["true", "yes", "on"].includes(text)) return true;
  if (["false", "no", "off"].includes(text)) return false;
  return refuse(found, tree.place, `${name} should be true or false, not ${shown(tree)}`);
}

/**
 * Whether a number has two readings, which is then a problem: of a leading zero YAML 1.1 makes a
 * number in base 8, or a text, and YAML 1.2 one in base 10.
 * Source: yaml.org/type/int.html, which PyYAML follows; YAML 1.2.2, 10.3.2.
 */
export function isAmbiguous(tree: Tree, name: string, found: Findings): boolean {
  const isNumber = tree.kind === "scalar" && typeof tree.value === "number";
  // What a flag or a program says is no YAML.
  if (!isNumber || tree.place.kind !== "text" || !/^[-+]?0[0-9]+$/.test(tree.text)) return false;
  const here = String(tree.value);
  const sign = here.startsWith("-") ? "-" : "";
  const there = /[89]/.test(tree.text)
    ? "a text"
    : `${sign}${Number.parseInt(tree.text.replace(/^[-+]/, ""), 8)}`;
  if (here === there) return false;
  const right = there === "a text" ? here : `${here} or ${there}`;
  const what = `${name}: ${tree.text} is ${here} to YAML 1.2 and ${there} to YAML 1.1`;
  refuse(found, tree.place, `${what}: write ${right}`);
  return true;
}

interface WholeRule {
  readonly name: string;
  readonly least: number;
  /** As in "should be a positive int". */
  readonly called: string;
}

/** An integer that was written as one: `1.0` is not. */
export function readWhole(tree: Tree, rule: WholeRule, found: Findings): number | undefined {
  if (isNull(tree) || isAmbiguous(tree, rule.name, found)) return undefined;
  const whole =
    tree.kind === "scalar" &&
    typeof tree.value === "number" &&
    Number.isSafeInteger(tree.value) &&
    !/[.e]/i.test(tree.text) &&
    tree.value >= rule.least;
  if (whole) return Number(tree.value);
  return refuse(found, tree.place, `${rule.name} should be ${rule.called}, not ${shown(tree)}`);
}

export function entriesOf(tree: Tree, name: string, found: Findings): readonly Entry[] {
  if (isNull(tree)) return [];
  if (tree.kind === "map") return tree.entries;
  refuse(found, tree.place, `${name} should be a mapping, not ${shown(tree)}`);
  return [];
}

/** An entry that no table knows: with the close names that it may have meant. */
export function unknownField(
  entry: Entry,
  among: { readonly of: string; readonly known: readonly string[] },
  found: Findings,
): void {
  const typed = JSON.stringify(entry.key);
  if (entry.key.startsWith("_")) {
    const what = `${typed} is internal to SkyPilot: its programs write it, a file of yours cannot`;
    refuse(found, entry.keyPlace, what);
    return;
  }
  const hint = hintText(entry.key, among.known);
  const end = hint === "" ? `; its fields are ${among.known.join(", ")}` : `.${hint}`;
  refuse(found, entry.keyPlace, `${typed} is no field of ${among.of}${end}`);
}
