// The numbers of a run: what became of its jobs, and who was struck how often. Pure.

import type { Evidence } from "./evidence.ts";
import { factsOf } from "./evidence.ts";

export function outcomesText(evidence: Evidence): readonly string[] {
  const { jobs, lines, acknowledged, hits, following, printed } = factsOf(evidence);
  const reasons = counted(jobs.map(({ status, reason }) => `${status} (${reason})`));
  const starts = lines.filter(({ word }) => word === "start").length;
  return [
    `${acknowledged.length} jobs were acknowledged, ${starts} processes of them started`,
    `outcomes: ${reasons}`,
    `struck: ${counted(hits.map(({ kind, role }) => `${kind} ${role}`))}`,
    `followed: ${following.size} jobs through the SDK, ${printed.length} times by sky logs`,
  ];
}

function counted(words: readonly string[]): string {
  const groups = [...Map.groupBy(words, (word) => word)].sort((a, b) => b[1].length - a[1].length);
  return groups.map(([word, all]) => `${all.length} ${word}`).join(", ");
}
