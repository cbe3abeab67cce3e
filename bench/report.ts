// What a benchmark says, and how it prints: numbers, counts on the path, the budget beside them.
//
// Budgets are goals to design for, never timed tests: a row that misses its budget is marked and
// nothing fails. Counts (commits, spawns, polls) do not depend on the machine, so they are what two
// runs on different machines may be compared by.

/** One line of a benchmark's table. */
export interface Row {
  readonly what: string;
  /** Formatted values by column: `p50`, `p99`, `max`, `rate`, … Columns are joined over rows. */
  readonly values: Readonly<Record<string, string>>;
  /** The budget in words, and whether this run kept it. Absent for floors and facts. */
  readonly budget?: { readonly text: string; readonly kept: boolean };
}

export interface Report {
  readonly title: string;
  readonly rows: readonly Row[];
  /** What was counted on the path, as sentences: `2 commits in sequence, 1 spawn, 0 polls`. */
  readonly notes: readonly string[];
}

export interface Spread {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** The distribution of some measurements. @throws RangeError if there are none. */
export function spreadOf(samples: readonly number[]): Spread {
  if (samples.length === 0) throw new RangeError("nothing was measured");
  const sorted = [...samples].sort((a, b) => a - b);
  const at = (share: number) =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
  return { count: sorted.length, p50: at(0.5) ?? 0, p99: at(0.99) ?? 0, max: sorted.at(-1) ?? 0 };
}

/** Milliseconds as columns `p50 p99 max`. */
export function msColumns(spread: Spread): Record<string, string> {
  const { p50, p99, max, count } = spread;
  return { p50: msText(p50), p99: msText(p99), max: msText(max), n: String(count) };
}

export function msText(ms: number): string {
  return `${ms < 10 ? ms.toFixed(2) : ms.toFixed(1)} ms`;
}

export function rateText(perSecond: number, unit = "/s"): string {
  const digits = perSecond < 10 ? 1 : 0;
  return `${perSecond.toLocaleString("en-US", { maximumFractionDigits: digits })}${unit}`;
}

/** The report as text for a terminal of any width. */
export function printed(report: Report): string {
  const columns = [...new Set(report.rows.flatMap((row) => Object.keys(row.values)))];
  const header = ["", ...columns, "budget"];
  const body = report.rows.map((row) => [
    row.what,
    ...columns.map((column) => row.values[column] ?? ""),
    row.budget === undefined ? "" : `${row.budget.kept ? "kept  " : "MISSED"} ${row.budget.text}`,
  ]);
  const widths = header.map((_, i) => Math.max(...[header, ...body].map((r) => r[i]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) =>
        i === 0 || i === cells.length - 1
          ? cell.padEnd(widths[i] ?? 0)
          : cell.padStart(widths[i] ?? 0),
      )
      .join("  ")
      .trimEnd();
  const notes = report.notes.map((note) => `  ${note}`);
  return [report.title, line(header), ...body.map(line), ...notes, ""].join("\n");
}
