// Which files of a folder stay out of its tree.
//
// `.skyignore` at the root counts alone; without one, `.gitignore` in every folder counts for what
// is in it, and `.git/info/exclude` before them. The last line that matches decides, and a file
// deeper down before one further up. What is in a folder that is left out is never looked at, so
// no line can take it back. Whether git tracks a file makes no difference. `.git` itself is left
// out unless a line of `.skyignore` takes it back.

import { type IgnorePattern, ignorePatterns } from "./ignore-pattern.ts";

/** The rules that hold in one folder, besides the one about `.git`. */
export interface IgnoreRules {
  /** Nothing further down counts. */
  readonly isAlone: boolean;
  readonly lines: IgnoreLines | undefined;
}

/** Those of one file, the last first, and of the files that count after it. */
export interface IgnoreLines {
  readonly patterns: readonly IgnorePattern[];
  /** So many bytes of a path below the root lead to the folder of these patterns. */
  readonly from: number;
  readonly above: IgnoreLines | undefined;
}

export const noRules: IgnoreRules = { isAlone: false, lines: undefined };
export const skyignore = ".skyignore";
export const gitignore = ".gitignore";
export const gitFolder = ".git";
/** In `.git`, a step in a step. */
export const gitExclude = ["info", "exclude"] as const;

/** With the lines of a file that lies in a folder, whose path below the root is `folder`. */
export function rulesWith(rules: IgnoreRules, folder: string, content: string): IgnoreRules {
  const patterns = ignorePatterns(content);
  if (patterns.length === 0) return rules;
  const from = folder === "" ? 0 : folder.length + 1;
  return { ...rules, lines: { patterns: patterns.toReversed(), from, above: rules.lines } };
}

export interface Candidate {
  readonly name: string;
  /** Of its folder below the root; empty at the root. All in latin1: a character is a byte. */
  readonly folder: string;
  readonly isFolder: boolean;
}

export function isLeftOut({ isAlone, lines }: IgnoreRules, it: Candidate): boolean {
  const decided = lines === undefined ? undefined : decision(lines, it);
  // git's own files cannot say anything about it.
  if (it.name === gitFolder) return isAlone ? (decided ?? true) : true;
  return decided ?? false;
}

function decision(lines: IgnoreLines, { name, folder, isFolder }: Candidate): boolean | undefined {
  const path = folder === "" ? name : `${folder}/${name}`;
  for (let at: IgnoreLines | undefined = lines; at !== undefined; at = at.above) {
    const { patterns, from } = at;
    const below = from === 0 ? path : path.slice(from);
    const found = patterns.find(({ folderOnly, isName, matches }) => {
      return (isFolder || !folderOnly) && matches(isName ? name : below);
    });
    if (found !== undefined) return !found.isNegative;
  }
  return undefined;
}
