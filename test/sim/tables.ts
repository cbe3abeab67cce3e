// The two tables that a run of the simulations prints: what was reached, and what was caught.
//
//     cells     machine × phase × event: how often each decision of each state machine was taken
//     mutants   a deliberate bug, what it breaks, the seed that caught it and the broken promise
//
// Tests hand them to whoever runs them as diagnostics that begin with a mark (`scripts/layers.ts`).

import { styleText } from "node:util";
import type { CellCounts } from "./cells.ts";

/** What begins a diagnostic that is a table. */
export const tableMark = "TABLE ";

export interface Caught {
  readonly mutant: string;
  readonly breaks: string;
  readonly seed: number;
  /** The promise that caught it, and how it was broken. */
  readonly promise: string;
  readonly what: string;
}

const whatMax = 90;

/** A line for each phase: `gang  draining  rank-swept 812, node-lost 31`. */
export function cellsTable(all: readonly CellCounts[]): string {
  const rows = all.flatMap(({ machine, hits }) =>
    [...hits]
      .filter(([, events]) => events.size > 0)
      .map(([phase, events]) => [
        machine,
        phase,
        [...events].map(([event, count]) => `${event} ${count}`).join(", "),
      ]),
  );
  return table("decisions taken", ["machine", "phase", "event and times"], rows);
}

export function mutantsTable(title: string, all: readonly Caught[]): string {
  const rows = all.map(({ mutant, breaks, seed, promise, what }) => [
    mutant,
    breaks,
    String(seed),
    promise,
    what.length > whatMax ? `${what.slice(0, whatMax)}…` : what,
  ]);
  return table(title, ["mutant", "what it breaks", "seed", "caught by", "as"], rows);
}

function table(
  title: string,
  heads: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const widths = heads.map((head, column) =>
    Math.max(head.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const lineOf = (row: readonly string[]): string =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd();
  return [`${title} (${rows.length})`, lineOf(heads), ...rows.map(lineOf)].join("\n");
}

/** For `npm run sim`: the title stands out. */
export function shown(text: string): string {
  const [title = "", ...lines] = text.split("\n");
  return [styleText("bold", title), ...lines, ""].join("\n");
}
