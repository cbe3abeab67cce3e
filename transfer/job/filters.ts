// Which objects of a tree are meant: include and exclude globs, the last that matches decides.
//
// A pattern is matched with an object's name below the root of its tree, and with those of the
// folders that it is in: who excludes `logs` excludes what is in it. `*` and `?` stop at slashes,
// `**` does not; `[a-z]`, `[!a]`, `{one,two}` and `\` before any of them are as in a shell. What
// begins with `/` is matched from the root; any other with the last steps, as many as it has. One
// that ends in `/` is matched with folders alone. What nothing matches is meant.
//
// Source: rsync(1), "FILTER RULES"; where rclone differs (it lets the first match decide), rsync's
// users come from further away. Order is said by whoever writes them, so the last is the nearest.

import type { Filter } from "../../model/transfer.ts";

/** Whether an object is meant, by its name below the root. */
export type Sieve = (rest: string) => boolean;

export function sieveOf(filters: readonly Filter[]): Sieve {
  const rules = filters.map(({ verb, pattern }) => ({ verb, matches: matcherOf(pattern) }));
  if (rules.length === 0) return () => true;
  return (rest) => rules.findLast(({ matches }) => matches(rest))?.verb !== "exclude";
}

function matcherOf(pattern: string): (rest: string) => boolean {
  const isAnchored = pattern.startsWith("/");
  const isFolder = pattern.endsWith("/") && pattern.length > 1;
  const body = pattern.slice(isAnchored ? 1 : 0, isFolder ? -1 : undefined);
  if (body === "") return () => false;
  const begin = isAnchored ? "^" : "^(?:.*/)?";
  // What matches a folder matches what is in it.
  const end = isFolder ? "/.*$" : "(?:/.*)?$";
  const whole = new RegExp(begin + sourceOf(body) + end, "su");
  return (rest) => whole.test(rest);
}

/** The source of a regular expression of a glob. What is not closed stands for itself. */
function sourceOf(glob: string): string {
  const signs = [...glob];
  let out = "";
  let depth = 0;
  for (let at = 0; at < signs.length; at += 1) {
    const sign = signs[at] ?? "";
    if (sign === "*" && signs[at + 1] === "*") {
      at += 1;
      // `a/**/b` has `a/b`, too.
      const isStep = signs[at + 1] === "/" && (at < 2 || signs[at - 2] === "/");
      if (isStep) at += 1;
      out += isStep ? "(?:.*/)?" : ".*";
    } else if (sign === "*") out += "[^/]*";
    else if (sign === "?") out += "[^/]";
    else if (sign === "[" && classEnd(signs, at) > at) {
      const close = classEnd(signs, at);
      out += classOf(signs.slice(at + 1, close));
      at = close;
    } else if (sign === "{" && signs.indexOf("}", at) > at) {
      depth += 1;
      out += "(?:";
    } else if (sign === "}" && depth > 0) {
      depth -= 1;
      out += ")";
    } else if (sign === "," && depth > 0) out += "|";
    else if (sign === "\\" && at + 1 < signs.length) {
      at += 1;
      out += literal(signs[at] ?? "");
    } else out += literal(sign);
  }
  return out + ")".repeat(depth);
}

/** Where the class that begins at `at` ends; a `]` that comes first is one of its members. */
function classEnd(signs: readonly string[], at: number): number {
  const first = signs[at + 1] === "!" || signs[at + 1] === "^" ? at + 2 : at + 1;
  return signs.indexOf("]", first + 1);
}

function classOf(members: readonly string[]): string {
  const isNegative = members[0] === "!" || members[0] === "^";
  const listed = isNegative ? members.slice(1) : members;
  const body = listed.map((sign, at) => (isRange(listed, at) ? "-" : literal(sign))).join("");
  return isNegative ? `(?!/)[^${body}]` : `(?!/)[${body}]`;
}

/** A `-` between two members that are in order. */
function isRange(members: readonly string[], at: number): boolean {
  const [from, to] = [members[at - 1], members[at + 1]];
  if (members[at] !== "-" || from === undefined || to === undefined) return false;
  return (from.codePointAt(0) ?? 0) <= (to.codePointAt(0) ?? 0);
}

/** As itself, also within a class. With the flag `u` only signs of the syntax may be escaped. */
function literal(sign: string): string {
  if (sign === "-") return "\\x2d";
  return /[\\^$.*+?()[\]{}|/]/.test(sign) ? `\\${sign}` : sign;
}
