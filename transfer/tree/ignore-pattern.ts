// One line of an ignore file, as git reads it, and which names it matches.
//
// Names and patterns are raw bytes, one character each (latin1): what git compares, and what also
// holds for names that are no UTF-8. `*` and `?` stop at slashes, `**` between slashes does not; a
// pattern that has no slash but at its end is matched with the last step of a path, any other with
// the whole path below the folder of its file.
//
// Source: gitignore(5); git's dir.c (`parse_path_pattern`, `trim_trailing_spaces`) and wildmatch.c.

export interface IgnorePattern {
  /** It takes back what lines before it ignore. */
  readonly isNegative: boolean;
  readonly folderOnly: boolean;
  /** It is about the last step of a path, not about the whole. */
  readonly isName: boolean;
  readonly matches: (text: string) => boolean;
}

/** The pattern of a line; `undefined` for comments and for lines that say nothing. */
export function ignorePattern(line: string): IgnorePattern | undefined {
  const ended = cutAtNul(line);
  if (ended === "" || ended.startsWith("#")) return undefined;
  const kept = withoutTrailingSpaces(ended);
  const isNegative = kept.startsWith("!");
  const said = isNegative ? kept.slice(1) : kept;
  const folderOnly = said.endsWith("/");
  const text = folderOnly ? said.slice(0, -1) : said;
  if (text === "") return undefined;
  const isName = !text.includes("/");
  const anchored = text.startsWith("/") ? text.slice(1) : text;
  return { isNegative, folderOnly, isName, matches: matcherOf(anchored) };
}

/** The patterns of a file, in its order. */
export function ignorePatterns(content: string): readonly IgnorePattern[] {
  const text = content.startsWith(byteOrderMark) ? content.slice(byteOrderMark.length) : content;
  return text.split("\n").flatMap((line) => {
    return ignorePattern(line.endsWith("\r") ? line.slice(0, -1) : line) ?? [];
  });
}

const byteOrderMark = "\xEF\xBB\xBF";
const special = /[*?[\\]/;

function cutAtNul(line: string): string {
  const end = line.indexOf("\0");
  return end < 0 ? line : line.slice(0, end);
}

/** Spaces at the end, unless a backslash stands before them. */
function withoutTrailingSpaces(line: string): string {
  let end = 0;
  for (let at = 0; at < line.length; at += 1) {
    if (line[at] === "\\") {
      at += 1;
      if (at >= line.length) return line;
      end = at + 1;
    } else if (line[at] !== " ") {
      end = at + 1;
    }
  }
  return line.slice(0, end);
}

function matcherOf(pattern: string): (text: string) => boolean {
  if (!special.test(pattern)) return (text) => text === pattern;
  const tail = pattern.slice(1);
  const isTail = pattern.startsWith("*") && !special.test(tail) && !tail.includes("/");
  // A name has no slash; the star of a path stops at them.
  if (isTail) return (text) => text.endsWith(tail) && !text.includes("/");
  const source = new Translation(pattern).done();
  if (source === undefined) return () => false;
  const whole = new RegExp(`^${source}$`, "s");
  return (text) => whole.test(text);
}

/** A pattern on its way to a regular expression. */
class Translation {
  readonly #pattern: string;
  #at = 0;

  constructor(pattern: string) {
    this.#pattern = pattern;
  }

  /** `undefined` if it can match nothing: something in it does not end. */
  done(): string | undefined {
    const parts: string[] = [];
    while (this.#at < this.#pattern.length) {
      const part = this.#next();
      if (part === undefined) return undefined;
      parts.push(part);
    }
    return parts.join("");
  }

  #next(): string | undefined {
    const character = this.#take();
    switch (character) {
      case "*":
        return this.#stars();
      case "?":
        return "[^/]";
      case "[":
        return this.#set();
      case "\\": {
        const escaped = this.#take();
        return escaped === undefined ? undefined : exactly(escaped);
      }
      case undefined:
        return undefined;
      default:
        return exactly(character);
    }
  }

  /** Behind the first of them. */
  #stars(): string {
    const start = this.#at - 1;
    while (this.#pattern[this.#at] === "*") this.#at += 1;
    const isStep = start === 0 || this.#pattern[start - 1] === "/";
    const rest = this.#pattern.slice(this.#at);
    if (this.#at - start < 2 || !isStep) return "[^/]*";
    if (rest === "") return ".*";
    if (rest.startsWith("\\/")) return ".*";
    if (!rest.startsWith("/")) return "[^/]*";
    this.#at += 1;
    return "(?:.*/)?";
  }

  /** Behind the bracket that opens it. A slash is in no set, also where the set says so. */
  #set(): string | undefined {
    const isNot = this.#pattern[this.#at] === "!" || this.#pattern[this.#at] === "^";
    if (isNot) this.#at += 1;
    const ranges: string[] = [];
    let before: string | undefined;
    for (let isFirst = true; ; isFirst = false) {
      const character = this.#take();
      if (character === undefined) return undefined;
      if (character === "]" && !isFirst) break;
      const item = this.#item(character, before);
      if (item === undefined) return undefined;
      ranges.push(item.range);
      before = item.before;
    }
    const set = ranges.join("");
    return `(?!/)[${isNot ? "^" : ""}${set}]`;
  }

  /** One character of a set, a range that ends with what comes, or a class. */
  #item(character: string, before: string | undefined): SetItem | undefined {
    if (character === "\\") {
      const escaped = this.#take();
      return escaped === undefined ? undefined : { range: inSet(escaped), before: escaped };
    }
    const next = this.#pattern[this.#at];
    if (character === "-" && before !== undefined && next !== undefined && next !== "]") {
      return this.#range(before);
    }
    if (character === "[" && next === ":") return this.#class();
    return { range: inSet(character), before: character };
  }

  #range(from: string): SetItem | undefined {
    const first = this.#take();
    const to = first === "\\" ? this.#take() : first;
    if (to === undefined) return undefined;
    return { range: from <= to ? `${inSet(from)}-${inSet(to)}` : "", before: undefined };
  }

  /** Behind the bracket of `[:alpha:]`, which is no class if it does not end as one. */
  #class(): SetItem | undefined {
    const end = this.#pattern.indexOf("]", this.#at + 1);
    if (end < 0) return undefined;
    if (end - 1 <= this.#at || this.#pattern[end - 1] !== ":") {
      return { range: inSet("["), before: "[" };
    }
    const range = classes[this.#pattern.slice(this.#at + 1, end - 1)];
    if (range === undefined) return undefined;
    this.#at = end + 1;
    return { range, before: undefined };
  }

  #take(): string | undefined {
    const character = this.#pattern[this.#at];
    this.#at += 1;
    return character;
  }
}

interface SetItem {
  /** As it stands in a set of a regular expression. */
  readonly range: string;
  /** What a range after it would begin with. */
  readonly before: string | undefined;
}

/** Source: git's ctype.c, by which only ASCII is in a class, and which has four spaces. */
const classes: Readonly<Record<string, string>> = {
  alnum: "0-9A-Za-z",
  alpha: "A-Za-z",
  blank: " \\t",
  cntrl: "\\x00-\\x1f\\x7f",
  digit: "0-9",
  graph: "\\x21-\\x7e",
  lower: "a-z",
  print: "\\x20-\\x7e",
  punct: "!-/:-@\\[-`{-~",
  space: " \\t\\n\\r",
  upper: "A-Z",
  xdigit: "0-9A-Fa-f",
};

function exactly(character: string): string {
  return /[A-Za-z0-9]/.test(character) ? character : inSet(character);
}

function inSet(character: string): string {
  return `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
}
