// The rule for a cluster's name, with a message that says what would be right.
// It is checked before anything is asked or started: a name ends up in paths and subjects.

import { SkyError } from "../model/errors.ts";
import { clusterNameLengthMax, clusterPattern } from "../model/ids.ts";
import { hintText } from "../model/suggest.ts";

/** Of the clusters from which SkyPilot manages jobs and services. */
export const reservedPattern = /^sky-(spot|jobs|serve)-controller-/;

/** @throws SkyError `request/invalid`. */
export function checkedClusterName(name: string): string {
  const rule = "lower-case letters, digits and dashes, beginning with a letter";
  if (!clusterPattern.test(name)) {
    const why = `${JSON.stringify(name)} should be made of ${rule} and not ending in a dash`;
    throw new SkyError("request/invalid", { field: "cluster", why });
  }
  if (name.length > clusterNameLengthMax) {
    const why = `the name has ${name.length} characters, at most ${clusterNameLengthMax} are taken`;
    throw new SkyError("request/invalid", { field: "cluster", why });
  }
  return name;
}

/**
 * The name that a call gave, as it is: what is no name could be no cluster's.
 * @throws SkyError `request/invalid` where there is none.
 */
export function givenCluster(name: string): string {
  // A program without types may pass anything.
  if (typeof name === "string" && name.trim() !== "") return name;
  const shown = typeof name === "string" ? JSON.stringify(name) : typeof name;
  const why = `should be the name of a cluster, not ${name === null ? "null" : shown}`;
  throw new SkyError("request/invalid", { field: "cluster", why });
}

/** One for a cluster of one's own. @throws SkyError `request/invalid`. */
export function launchableName(name: string): string {
  if (!reservedPattern.test(name)) return checkedClusterName(name);
  const why = `'${name}' is reserved for a controller: choose another name`;
  throw new SkyError("request/invalid", { field: "cluster", why });
}

/** A name that nobody knows, with the one that was probably meant. */
export function unknownCluster(name: string, known: readonly string[]): SkyError {
  return new SkyError("cluster/not-found", { name: `'${name}'`, hint: hintText(name, known) });
}
