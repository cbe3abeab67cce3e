// Destinations of a transfer that take nothing more, for good: full, denied, gone.
//
// They are on record in the ledger, so that later rounds leave them out. What was to go there has
// failed; a transfer that is resumed tries them again.

import type { Ledger } from "../../transfer/job/ledger.ts";

const hopelessFact = "hopeless";

interface Hopeless {
  readonly at: number;
  readonly why: string;
}

export function hopelessIn(ledger: Ledger): ReadonlySet<number> {
  return new Set(allIn(ledger).map(({ at }) => at));
}

/** How many there are now. */
export function noteHopeless(ledger: Ledger, at: number, why: string): number {
  const all = [...allIn(ledger).filter((one) => one.at !== at), { at, why }];
  ledger.setFact(hopelessFact, JSON.stringify(all));
  return all.length;
}

/** What is to go there has failed. */
export function failHopeless(ledger: Ledger): void {
  for (const { at, why } of allIn(ledger)) ledger.failAt(at, why);
}

export function forgetHopeless(ledger: Ledger): void {
  ledger.setFact(hopelessFact, "");
}

function allIn(ledger: Ledger): readonly Hopeless[] {
  return JSON.parse(ledger.fact(hopelessFact) ?? "[]") as readonly Hopeless[];
}
