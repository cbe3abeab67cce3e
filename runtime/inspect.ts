// What `sky debug` shows of a live system: its actors as a table, from what `System.inspect`
// reports. Who asks, and over what, is decided elsewhere. The busiest actors come first: whoever
// looks has a reason.

import { addressText } from "../model/address.ts";
import type { ActorReport } from "./actor.ts";

/** One line an actor, the busiest first. Columns are padded for a terminal. */
export function actorTable(reports: readonly ActorReport[]): string {
  const rows = [
    ["ACTOR", "LIFE", "TURNS", "WAITING", "UNSAVED", "TIMERS"],
    ...busiestFirst(reports).map((report) => [
      addressText(report.address),
      String(report.incarnation),
      String(report.turns),
      String(report.mailboxCount),
      String(report.commitsPending),
      report.timers.join(" ") || "-",
    ]),
  ];
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  return rows
    .map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  "))
    .map((line) => `${line.trimEnd()}\n`)
    .join("");
}

function busiestFirst(reports: readonly ActorReport[]): ActorReport[] {
  return reports.toSorted((a, b) => b.turns - a.turns);
}
