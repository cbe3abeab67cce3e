// Which links are measured, and which of them at the same time. Pure.
//
// What must always hold: no gateway is in two tests at once, and neither is the machine of the
// home, whose head and local nodes share its processors: one link is measured, not their sum.

import type { GatewaySite } from "../../transfer/gateway/doors.ts";
import { dialling, isHere } from "../../transfer/gateway/reach.ts";

/** A link in its direction. */
export interface LinkTest {
  readonly from: GatewaySite;
  readonly to: GatewaySite;
}

/** Every link along which bytes can go, each direction by itself, in rounds of tests. */
export function profileRounds(sites: readonly GatewaySite[]): readonly (readonly LinkTest[])[] {
  let left = sites.flatMap((from) =>
    sites.flatMap((to) => (from !== to && dialling(from, to) !== undefined ? [{ from, to }] : [])),
  );
  const rounds: (readonly LinkTest[])[] = [];
  while (left.length > 0) {
    const round = apart(left);
    rounds.push(round);
    left = left.filter((test) => !round.includes(test));
  }
  return rounds;
}

/** As many as come first and have no machine in common. */
function apart(tests: readonly LinkTest[]): readonly LinkTest[] {
  const busy = new Set<string>();
  return tests.filter(({ from, to }) => {
    const ends = [machineOf(from), machineOf(to)];
    if (ends.some((end) => busy.has(end))) return false;
    for (const end of ends) busy.add(end);
    return true;
  });
}

function machineOf(site: GatewaySite): string {
  return isHere(site) ? "the machine of the home" : site.gateway;
}
