// A table in SkyPilot's look: left-aligned columns, two spaces between them, no lines.
//
// Own code, because it is this short and a library would be loaded by the quickest commands.
// Widths count what a terminal shows: wide characters (CJK, emoji) as two, marks as none.

import { paintStatus } from "./paint.ts";
import type { Shell } from "./shell.ts";

export interface TableText {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** Columns of the terminal; absent = as wide as it comes. */
  readonly width?: number;
  /** Titles of what may be cut where the terminal is too narrow; the first one first. */
  readonly shrink?: readonly string[];
  /** Gives a cell its colour, after everything is measured. */
  readonly paint?: (title: string, cell: string) => string;
}

/** What stays of a column that is cut, if its title is not longer. */
const widthMin = 10;
const gap = 2;

/** A table on stdout: cut and coloured on a terminal, whole and plain elsewhere. */
export function printTable(
  shell: Shell,
  table: Pick<TableText, "columns" | "rows" | "shrink">,
): void {
  const { columns: width, colours } = shell;
  const look = {
    ...(width === undefined ? {} : { width }),
    ...(colours ? { paint: paintStatus } : {}),
  };
  shell.print(tableText({ ...table, ...look }));
}

/** Without a final newline. Control characters in cells are shown, not sent to the terminal. */
export function tableText({ columns, rows, paint, ...fit }: TableText): string {
  const cells = [columns, ...rows.map((row) => row.map(printable))];
  const wanted = columns.map((_, column) => {
    return Math.max(...cells.map((row) => displayWidth(row[column] ?? "")));
  });
  const widths = fittedWidths(columns, wanted, fit);
  const isCut = widths.map((width, column) => width < (wanted[column] ?? 0));
  const lines = cells.map((row, index) => {
    const cut = row.map((cell, column) => {
      return isCut[column] === true ? truncated(cell, widths[column] ?? 0) : cell;
    });
    const look = paint === undefined || index === 0 ? cut : paintedRow(columns, cut, paint);
    return lineText(cut, look, widths);
  });
  return lines.join("\n");
}

function paintedRow(
  columns: readonly string[],
  row: readonly string[],
  paint: (title: string, cell: string) => string,
): readonly string[] {
  return row.map((cell, column) => paint(columns[column] ?? "", cell));
}

/** Cuts what may be cut, in that order, until it fits; what is left over wraps. */
function fittedWidths(
  columns: readonly string[],
  wanted: readonly number[],
  { width, shrink = [] }: Pick<TableText, "width" | "shrink">,
): readonly number[] {
  const widths = [...wanted];
  const whole = widths.reduce((sum, one) => sum + one, gap * (widths.length - 1));
  let over = width === undefined ? 0 : whole - width;
  for (const title of shrink) {
    const column = columns.indexOf(title);
    const now = widths[column] ?? 0;
    const least = Math.max(widthMin, displayWidth(title));
    const cut = Math.max(0, Math.min(over, now - least));
    if (column >= 0) widths[column] = now - cut;
    over -= cut;
  }
  return widths;
}

/** At most `width` wide, with `...` in place of what was cut. */
export function truncated(text: string, width: number): string {
  const plain = printable(text);
  if (displayWidth(plain) <= width) return plain;
  let out = "";
  let used = 0;
  for (const character of charactersOf(plain)) {
    used += characterWidth(character);
    if (used > width - 3) break;
    out += character;
  }
  return `${out}...`;
}

/** `look` is what is printed, `row` is what it takes. */
function lineText(
  row: readonly string[],
  look: readonly string[],
  widths: readonly number[],
): string {
  const padded = widths.map((width, column) => {
    const room = Math.max(0, width - displayWidth(row[column] ?? ""));
    return (look[column] ?? "") + " ".repeat(room);
  });
  return padded.join(" ".repeat(gap)).trimEnd();
}

function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return text.replace(/\s+/g, " ").replace(/[\u0000-\u001f\u007f-\u009f]/g, "?");
}

/** East Asian wide and full-width characters, and emoji. Source: Unicode UAX #11. */
const wide = new RegExp(
  [
    "[\\u1100-\\u115f\\u2e80-\\ua4cf\\uac00-\\ud7a3\\uf900-\\ufaff]",
    "[\\ufe30-\\ufe6f\\uff00-\\uff60\\uffe0-\\uffe6\\u{20000}-\\u{3fffd}]",
    "\\p{Emoji_Presentation}|\\ufe0f",
  ].join("|"),
  "u",
);

/** Marks, joiners and what only steers the text. */
const narrowest = /^[\p{M}\p{Cf}]+$/u;

/** How many columns of a terminal a text takes. */
export function displayWidth(text: string): number {
  if (isAscii(text)) return text.length;
  return charactersOf(text).reduce((sum, one) => sum + characterWidth(one), 0);
}

/** Of what a reader takes for one character. */
function characterWidth(character: string): number {
  if (wide.test(character)) return 2;
  return narrowest.test(character) ? 0 : 1;
}

function charactersOf(text: string): readonly string[] {
  if (isAscii(text)) return [...text];
  const parts = new Intl.Segmenter(undefined, { granularity: "grapheme" }).segment(text);
  return [...parts].map(({ segment }) => segment);
}

function isAscii(text: string): boolean {
  return /^[ -~]*$/.test(text);
}
