// Cluster names on a command line: exact ones and globs.
//
// Source: SkyPilot 0.3.0: SQLite's GLOB. Ours differs for an exact name that nobody knows:
// that is wrong use, and nothing is done; a glob without a match says so and is not an error.

import { unknownCluster } from "../cluster-name.ts";
import { globMatches, isGlob } from "../glob.ts";

export interface NamesFound {
  readonly names: readonly string[];
  /** The globs that matched nothing. */
  readonly unmatched: readonly string[];
}

/** The known names that were meant, in the known order. @throws SkyError `cluster/not-found`. */
export function namesMeant(given: readonly string[], known: readonly string[]): NamesFound {
  const meant = new Set<string>();
  const unmatched: string[] = [];
  for (const name of given) {
    const matching = known.filter((candidate) => globMatches(name, candidate));
    if (matching.length === 0 && !isGlob(name)) throw unknownCluster(name, known);
    if (matching.length === 0) unmatched.push(name);
    for (const match of matching) meant.add(match);
  }
  return { names: known.filter((name) => meant.has(name)), unmatched };
}
