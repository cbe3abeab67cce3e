// A dotenv file as variables: `KEY=VALUE` lines, comments, `export`, quotes, `${NAME}`. Pure.
//
// In double quotes `\n`, `\t`, `\"` and the like mean what they say, and a value may have several
// lines; in single quotes only `\'` and `\\` do, and nothing is filled in. Without quotes a `#`
// behind a space begins a comment. A key without `=` takes its value from the command's own
// environment. Source: python-dotenv, which SkyPilot reads these files with.

import type { Place, Problem } from "../model/problem.ts";
import type { NamedValue } from "./task-flags.ts";

export type DotenvReading =
  | { readonly ok: true; readonly values: readonly NamedValue[] }
  | { readonly ok: false; readonly problems: readonly Problem[] };

type Environment = Readonly<Record<string, string | undefined>>;

/** A name given twice takes the last. `file` is how it is called in problems. */
export function parseDotenv(text: string, file: string, environment: Environment): DotenvReading {
  const problems: Problem[] = [];
  const values = new Map<string, string>();
  const reader: Reader = { text, file, at: 0 };
  while (reader.at < text.length) {
    const line = readLine(reader);
    if (line.kind === "problem") problems.push(line.problem);
    if (line.kind === "name") {
      const value = environment[line.name];
      if (value === undefined) {
        const what = `${line.name} has no value here and is not set in the local environment`;
        problems.push({ place: placeAt(reader, line.at, line.name.length), what });
      } else values.set(line.name, value);
    }
    if (line.kind === "value") {
      const { name, value, fills } = line;
      values.set(name, fills ? filled(value, values, environment) : value);
    }
  }
  if (problems.length > 0) return { ok: false, problems };
  return { ok: true, values: [...values].map(([name, value]) => ({ name, value })) };
}

interface Reader {
  readonly text: string;
  readonly file: string;
  /** Where the next line begins. */
  at: number;
}

type Line =
  | { readonly kind: "nothing" }
  | { readonly kind: "name"; readonly name: string; readonly at: number }
  | {
      readonly kind: "value";
      readonly name: string;
      readonly value: string;
      readonly fills: boolean;
    }
  | { readonly kind: "problem"; readonly problem: Problem };

const blankPattern = /[^\S\n]*(?:#[^\n]*)?(?:\n|$)/y;
const keyPattern = /[^\S\n]*(?:export[^\S\n]+)?([A-Za-z_][\w.-]*)[^\S\n]*(=?)/y;
const doublePattern = /[^\S\n]*"((?:[^"\\]|\\[\s\S])*)"/y;
const singlePattern = /[^\S\n]*'((?:[^'\\]|\\[\s\S])*)'/y;
const barePattern = /[^\n]*/y;

function readLine(reader: Reader): Line {
  if (taken(reader, blankPattern) !== undefined) return { kind: "nothing" };
  const begin = reader.at;
  const key = taken(reader, keyPattern);
  if (key === undefined) return wrong(reader, begin, "should be KEY=VALUE");
  const [whole, name = "", equals] = key;
  const nameAt = begin + whole.lastIndexOf(name);
  if (equals !== "=") {
    if (taken(reader, blankPattern) !== undefined) return { kind: "name", name, at: nameAt };
    return wrong(reader, begin, "should be KEY=VALUE");
  }
  return readValue(reader, name);
}

function readValue(reader: Reader, name: string): Line {
  const begin = reader.at;
  const double = taken(reader, doublePattern)?.[1];
  if (double !== undefined) {
    return ended(reader, { kind: "value", name, value: unescaped(double), fills: true });
  }
  const single = taken(reader, singlePattern)?.[1];
  if (single !== undefined) {
    const value = single.replace(/\\([\\'])/g, "$1");
    return ended(reader, { kind: "value", name, value, fills: false });
  }
  const bare = taken(reader, barePattern)?.[0] ?? "";
  reader.at += 1;
  if (/^\s*["']/.test(bare)) {
    const at = begin + (/\S/.exec(bare)?.index ?? 0);
    return problem(reader, at, `the quote of ${name} is not closed`);
  }
  const value = bare.replace(/(^|\s)#.*$/, "").trim();
  return { kind: "value", name, value, fills: true };
}

/** Behind a quoted value there is nothing but a comment. */
function ended(reader: Reader, line: Line): Line {
  const begin = reader.at;
  if (taken(reader, blankPattern) !== undefined) return line;
  return wrong(reader, begin, "should be a comment or the end of the line, behind a quoted value");
}

function wrong(reader: Reader, begin: number, should: string): Line {
  const end = reader.text.indexOf("\n", begin);
  const rest = reader.text.slice(begin, end < 0 ? reader.text.length : end);
  const at = begin + (/\S/.exec(rest)?.index ?? 0);
  reader.at = begin + rest.length + 1;
  // What stands there may be a secret that lost its name: the place is all that is told.
  return problem(reader, at, `this ${should}`);
}

function problem(reader: Reader, at: number, what: string): Line {
  return { kind: "problem", problem: { place: placeAt(reader, at, 1), what } };
}

/** The line itself is left out: it may hold a secret. */
function placeAt({ text, file }: Reader, at: number, width: number): Place {
  const before = text.slice(0, at);
  const line = before.split("\n").length;
  const column = at - (before.lastIndexOf("\n") + 1) + 1;
  return { kind: "text", file, line, column, width, lineText: "" };
}

function taken(reader: Reader, pattern: RegExp): RegExpExecArray | undefined {
  pattern.lastIndex = reader.at;
  const match = pattern.exec(reader.text);
  if (match === null) return undefined;
  reader.at = pattern.lastIndex;
  return match;
}

const escapes: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r", "\n": "" };

function unescaped(text: string): string {
  return text.replace(/\\([\s\S])/g, (whole, letter: string) => {
    if (/["'\\$`]/.test(letter)) return letter;
    return escapes[letter] ?? whole;
  });
}

/** `${NAME}` and `${NAME:-default}`: of the file so far, then of the environment. */
function filled(
  value: string,
  values: ReadonlyMap<string, string>,
  environment: Environment,
): string {
  return value.replace(/\$\{([A-Za-z_]\w*)(?::-([^}]*))?\}/g, (_, name: string, otherwise = "") => {
    return values.get(name) ?? environment[name] ?? otherwise;
  });
}
