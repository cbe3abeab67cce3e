// A table in SkyPilot's look: left-aligned columns, two spaces between them, no lines.
//
// Own code, because it is this short and a library would be loaded by the quickest commands.
// Widths count characters, wide ones (CJK, emoji) as two.

export interface TableText {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** Without a final newline. Control characters in cells are shown, not sent to the terminal. */
export function tableText({ columns, rows }: TableText): string {
  const cells = [columns, ...rows.map((row) => row.map(printable))];
  const widths = columns.map((_, column) => {
    return Math.max(...cells.map((row) => displayWidth(row[column] ?? "")));
  });
  return cells.map((row) => lineText(row, widths)).join("\n");
}

/** At most `width` wide, with `...` in place of what was cut. */
export function truncated(text: string, width: number): string {
  const plain = printable(text);
  if (displayWidth(plain) <= width) return plain;
  let out = "";
  for (const character of plain) {
    if (displayWidth(out + character) > width - 3) break;
    out += character;
  }
  return `${out}...`;
}

function lineText(row: readonly string[], widths: readonly number[]): string {
  const padded = widths.map((width, column) => {
    const cell = row[column] ?? "";
    return cell + " ".repeat(width - displayWidth(cell));
  });
  return padded.join("  ").trimEnd();
}

function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return text.replace(/\s+/g, " ").replace(/[\u0000-\u001f\u007f-\u009f]/g, "?");
}

/** East Asian wide and full-width characters, and emoji. Source: Unicode UAX #11. */
const wide = new RegExp(
  [
    "[\\u1100-\\u115f\\u2e80-\\ua4cf\\uac00-\\ud7a3\\uf900-\\ufaff]",
    "[\\ufe30-\\ufe6f\\uff00-\\uff60]",
    "\\p{Emoji_Presentation}",
  ].join("|"),
  "u",
);

function displayWidth(text: string): number {
  let width = 0;
  for (const character of text) width += wide.test(character) ? 2 : 1;
  return width;
}
