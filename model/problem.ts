// What is wrong with a task, and where: a line of a file with a caret, a flag, or a field of an
// object that the SDK was given.
//
// A validator collects every problem before it answers, so that one run of the command shows all
// of them. A place carries its own line of text: printing needs nothing but the problem.

/** Where a problem is. Lines and columns count from 1. */
export type Place =
  | {
      readonly kind: "text";
      readonly file: string;
      readonly line: number;
      readonly column: number;
      /** How many characters of the line it covers, at least 1. */
      readonly width: number;
      /** Empty for an empty line, and for one that may hold a secret: nothing is shown of it. */
      readonly lineText: string;
    }
  /** `--num-nodes`, or `task.resources.cpus`. */
  | { readonly kind: "value"; readonly path: string };

export interface Problem {
  readonly place: Place;
  /** What is wrong, and what would be right: one sentence without a full stop. */
  readonly what: string;
  /** A line to copy, where there is an obvious one. */
  readonly help?: string;
}

/** The longest piece of a source line that is shown; a longer line is cut around the caret. */
const excerptCharactersMax = 100;

/** All problems as one text, without a final newline. */
export function problemsText(problems: readonly Problem[]): string {
  return inOrder(problems).map(problemText).join("\n");
}

/** Those of a file in its order, behind all others. */
function inOrder(problems: readonly Problem[]): readonly Problem[] {
  const at = ({ place }: Problem): readonly [number, number] =>
    place.kind === "text" ? [place.line, place.column] : [0, 0];
  return problems.toSorted((a, b) => at(a)[0] - at(b)[0] || at(a)[1] - at(b)[1]);
}

function problemText({ place, what, help }: Problem): string {
  const lines =
    place.kind === "value"
      ? [`${place.path}: ${what}`]
      : [`${place.file}:${place.line}:${place.column}: ${what}`, ...excerpt(place)];
  if (help !== undefined) lines.push(`  help: ${help}`);
  return lines.join("\n");
}

function excerpt(place: Extract<Place, { kind: "text" }>): readonly string[] {
  if (place.lineText === "") return [];
  const gutter = `${place.line}`;
  const from = Math.max(0, place.column - 1 - excerptCharactersMax / 2);
  const text = place.lineText.slice(from, from + excerptCharactersMax).replaceAll("\t", " ");
  const before = place.column - 1 - from;
  const carets = "^".repeat(Math.max(1, Math.min(place.width, text.length - before)));
  const blank = " ".repeat(gutter.length);
  return [`  ${gutter} | ${text}`.trimEnd(), `  ${blank} | ${" ".repeat(before)}${carets}`];
}
