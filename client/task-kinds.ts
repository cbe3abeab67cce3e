// What a field may be: one description that reads it, tells an editor, and names it on the page.
//
// A kind's `schema` is for editors, and never stricter than `read`: a test compares the two.
// Kinds of single values are here, of lists and mappings in `task-groups.ts`.

import type { Findings } from "../model/field-values.ts";
import { isAmbiguous, readFlag, readText, readWhole, refuse } from "../model/field-values.ts";
import type { AtLeast } from "../model/task.ts";
import type { Tree } from "../model/value-tree.ts";
import { isNull, shown } from "../model/value-tree.ts";

/** A fragment of JSON Schema, draft 7. */
export type Schema = Readonly<Record<string, unknown>>;

export interface Kind<T> {
  readonly schema: Schema;
  /** As in "should be …". */
  readonly called: string;
  /** The value, or `undefined` for null and for what was refused. */
  read(tree: Tree, name: string, found: Findings): T | undefined;
}

/** A field of a table: what it may be, what it is for, and how it is written. */
export interface Field<T> {
  readonly kind: Kind<T>;
  /** For the page: sentences. */
  readonly about: string;
  /** YAML, as it stands in a file. */
  readonly example: string;
}

export const text: Kind<string> = {
  schema: { type: "string" },
  called: "a string",
  read: readText,
};

/** Text of a form. The pattern covers all of it, and has no flags: schemas know none. */
export function textLike(pattern: RegExp, called: string): Kind<string> {
  return {
    schema: { type: "string", pattern: pattern.source },
    called,
    read: (tree, name, found) => {
      const value = readText(tree, name, found);
      if (value === undefined || pattern.test(value)) return value;
      return refuse(found, tree.place, `${name} should be ${called}, not ${shown(tree)}`);
    },
  };
}

/** One of a few words, in any case. It comes out as it is spelt here. */
export function oneOf<W extends string>(words: readonly W[]): Kind<W> {
  const called = `one of ${words.join(", ")}`;
  return {
    schema: { type: "string", pattern: `^(${words.map(anyCase).join("|")})$` },
    called,
    read: (tree, name, found) => {
      const value = readText(tree, name, found);
      if (value === undefined) return undefined;
      const word = words.find((known) => known.toLowerCase() === value.toLowerCase());
      if (word !== undefined) return word;
      return refuse(found, tree.place, `${name} should be ${called}, not ${shown(tree)}`);
    },
  };
}

/** A pattern for `word` in any case. Source: SkyPilot's case-insensitive enums. */
export function anyCase(word: string): string {
  return [...word]
    .map((letter) => {
      const [low, high] = [letter.toLowerCase(), letter.toUpperCase()];
      return low === high ? letter.replace(/[.*+?]/, "\\$&") : `[${low}${high}]`;
    })
    .join("");
}

/** An integer that was written as one. Both ends are allowed. */
export function whole(rule: {
  readonly least?: number;
  readonly most?: number;
  readonly called: string;
}): Kind<number> {
  const { least = Number.MIN_SAFE_INTEGER, most = Number.MAX_SAFE_INTEGER, called } = rule;
  return {
    schema: { type: "integer", minimum: least, maximum: most },
    called,
    read: (tree, name, found) => {
      const value = readWhole(tree, { name, least, called }, found);
      if (value === undefined || value <= most) return value;
      return refuse(found, tree.place, `${name} should be ${called}, not ${shown(tree)}`);
    },
  };
}

/** A number of at least 0, or above it, and no more than `most`. */
export function number(rule: {
  readonly above0?: boolean;
  readonly most?: number;
  readonly called: string;
}): Kind<number> {
  const { above0 = false, most, called } = rule;
  return {
    schema: {
      type: "number",
      [above0 ? "exclusiveMinimum" : "minimum"]: 0,
      ...(most === undefined ? {} : { maximum: most }),
    },
    called,
    read: (tree, name, found) => {
      if (isNull(tree) || isAmbiguous(tree, name, found)) return undefined;
      const value = tree.kind === "scalar" ? tree.value : undefined;
      const fits = typeof value === "number" && value >= 0 && value <= (most ?? Number.MAX_VALUE);
      if (fits && (value > 0 || !above0)) return value;
      return refuse(found, tree.place, `${name} should be ${called}, not ${shown(tree)}`);
    },
  };
}

export const flag: Kind<boolean> = {
  schema: {
    anyOf: [
      { type: "boolean" },
      {
        type: "string",
        pattern: `^(${["true", "false", "yes", "no", "on", "off"].map(anyCase).join("|")})$`,
      },
    ],
  },
  called: "true or false",
  read: readFlag,
};

/** A scalar that reads as `pattern` says, as text or as a number. */
export function scalarLike<T>(rule: {
  /** Without flags, covers all of the text. */
  readonly pattern: RegExp;
  /** Which numbers are fine when written without quotes. */
  readonly numbers?: Schema;
  readonly called: string;
  /** `undefined` refuses. */
  readonly of: (text: string) => T | undefined;
}): Kind<T> {
  const { pattern, numbers, called, of } = rule;
  const textual = { type: "string", pattern: pattern.source };
  return {
    schema: numbers === undefined ? textual : { anyOf: [numbers, textual] },
    called,
    read: (tree, name, found) => {
      if (isNull(tree) || isAmbiguous(tree, name, found)) return undefined;
      const written = tree.kind === "scalar" && typeof tree.value !== "boolean" ? tree.text : "";
      const isNumber = tree.kind === "scalar" && typeof tree.value === "number";
      const taken = pattern.test(written) && !(isNumber && numbers === undefined);
      const value = taken ? of(written) : undefined;
      if (value !== undefined) return value;
      return refuse(found, tree.place, `${name} should be ${called}, not ${shown(tree)}`);
    },
  };
}

/** `4`, `0.5`, `4+`. Above zero. */
export const cpuCount: Kind<AtLeast> = scalarLike({
  pattern: /^\s*([0-9]+(\.[0-9]*)?|\.[0-9]+)\+?\s*$/,
  numbers: { type: "number", exclusiveMinimum: 0 },
  called: "a positive number such as 4 or 4+",
  of: (written) => atLeastOf(written, Number(written.replace("+", ""))),
});

/** In GB where no unit is given: `16`, `16+`, `16GB`, `512MB`. */
export const memorySize: Kind<AtLeast> = scalarLike({
  pattern: /^\s*([0-9]+(\.[0-9]*)?|\.[0-9]+)\s*([kKmMgGtTpP]([iI]?[bB]|[iI])?)?\+?\s*$/,
  numbers: { type: "number", exclusiveMinimum: 0 },
  called: "a positive number of GB such as 16 or 16+",
  of: (written) => atLeastOf(written, gigabytesOf(written)),
});

/** In GB where no unit is given: `256`, `"1TB"`. Whole. */
export const diskSize: Kind<number> = scalarLike({
  pattern: /^[0-9]+([kKmMgGtTpP]([iI]?[bB]|[iI])?)?$/,
  numbers: { type: "integer", minimum: 1 },
  called: "a positive int, in GB",
  of: (written) => {
    const size = Math.floor(gigabytesOf(written));
    return size >= 1 && Number.isSafeInteger(size) ? size : undefined;
  },
});

function atLeastOf(written: string, amount: number): AtLeast | undefined {
  if (!Number.isFinite(amount) || amount <= 0) return undefined;
  return { amount, orMore: written.trim().endsWith("+") };
}

/** Units are of 1,024. Source: SkyPilot's memory sizes. */
function gigabytesOf(written: string): number {
  const [, digits = "", unit = "g"] = /^\s*([0-9.]+)\s*([a-zA-Z])?/.exec(written) ?? [];
  const power = "kmgtp".indexOf(unit.toLowerCase()) - 2;
  return Number(digits) * 1_024 ** power;
}

const unitMs = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const;

/** A time in milliseconds: a bare number counts `bare` units, `1h30m` says its own. Above zero. */
export function duration(bare: keyof typeof unitMs): Kind<number> {
  return scalarLike({
    pattern:
      /^([0-9]+(\.[0-9]+)?|([0-9]+[wW])?([0-9]+[dD])?([0-9]+[hH])?([0-9]+[mM])?([0-9]+[sS])?)$/,
    numbers: { type: "number", exclusiveMinimum: 0 },
    called: `a time such as 90${bare}, 10m, 1h30m or 2d`,
    of: (written) => {
      const ms = durationMs(written, bare);
      return ms > 0 && ms <= durationMsMax ? ms : undefined;
    },
  });
}

/** A hundred years: longer than any job. */
const durationMsMax = 36_525 * unitMs.d;

function durationMs(written: string, bare: keyof typeof unitMs): number {
  if (/^[0-9.]+$/.test(written)) return Math.round(Number(written) * unitMs[bare]);
  let ms = 0;
  for (const [, digits, unit = ""] of written.matchAll(/([0-9]+)([a-zA-Z])/g)) {
    ms += Number(digits) * unitMs[unit.toLowerCase() as keyof typeof unitMs];
  }
  return ms;
}
