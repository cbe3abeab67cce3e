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
  /** Titles of columns that are left out where cutting is not enough; the first one first. */
  readonly drop?: readonly string[];
  /** Gives a cell its colour, after everything is measured. */
  readonly paint?: (title: string, cell: string) => string;
}

/** What stays of a column that is cut, if its title is not longer. */
const widthMin = 10;
const gap = 2;

export interface PrintedTable extends Pick<TableText, "columns" | "rows" | "shrink" | "drop"> {
  /** Whether everything was asked for, even where its lines wrap. */
  readonly whole?: boolean;
}

/** A table on stdout: cut and coloured on a terminal, whole and plain elsewhere. */
export function printTable(shell: Shell, { whole = false, ...table }: PrintedTable): void {
  const { columns: width, colours } = shell;
  const look = {
    ...(width === undefined || whole ? {} : { width }),
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
  const shown = fitted(columns, wanted, fit);
  const titles = shown.map(({ column }) => columns[column] ?? "");
  const widths = shown.map(({ width }) => width);
  const lines = cells.map((row, index) => {
    const cut = shown.map(({ column, width }) => {
      const cell = row[column] ?? "";
      return width < (wanted[column] ?? 0) ? truncated(cell, width) : cell;
    });
    const look = paint === undefined || index === 0 ? cut : paintedRow(titles, cut, paint);
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

/** A column that is shown, by its index. */
interface Fitted {
  readonly column: number;
  readonly width: number;
}

type Fit = Pick<TableText, "width" | "shrink" | "drop">;

/** Cuts what may be cut, then leaves out what may be left out; what is left over is cut off. */
function fitted(
  columns: readonly string[],
  wanted: readonly number[],
  { width, shrink = [], drop = [] }: Fit,
): readonly Fitted[] {
  let shown = wanted.map((wide, column) => ({ column, width: wide }));
  if (width === undefined) return shown;
  for (let dropped = 0; ; dropped += 1) {
    const cut = shrunk(columns, shown, { width, shrink });
    const title = drop[dropped];
    if (title === undefined || wholeWidth(cut) <= width) return cutOff(cut, width);
    shown = shown.filter(({ column }) => columns[column] !== title);
  }
}

function wholeWidth(shown: readonly Fitted[]): number {
  return shown.reduce((sum, { width }) => sum + width, gap * (shown.length - 1));
}

function shrunk(
  columns: readonly string[],
  shown: readonly Fitted[],
  { width, shrink }: { readonly width: number; readonly shrink: readonly string[] },
): readonly Fitted[] {
  let cut = shown;
  for (const title of shrink) {
    const over = wholeWidth(cut) - width;
    cut = cut.map((one) => {
      if (columns[one.column] !== title || over <= 0) return one;
      const least = Math.min(one.width, Math.max(widthMin, displayWidth(title)));
      return { ...one, width: Math.max(least, one.width - over) };
    });
  }
  return cut;
}

/** What stands beyond the width is not shown: a line that wraps is no row of a table. */
function cutOff(shown: readonly Fitted[], width: number): readonly Fitted[] {
  let begin = 0;
  return shown.flatMap((one) => {
    const room = width - begin;
    begin += one.width + gap;
    return room <= 0 ? [] : [{ ...one, width: Math.min(one.width, room) }];
  });
}

/** At most `width` wide, with `...` (or what of it fits) in place of what was cut. */
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
  return `${out}${"...".slice(0, Math.max(0, width))}`;
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
