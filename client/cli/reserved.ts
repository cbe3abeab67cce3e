// Names that SkyPilot keeps for the clusters from which it manages jobs and services: neither
// --all nor a glob ever means one, and only `sky down` takes one, by its exact name and alone.
// Source: SkyPilot 0.3.0 and newer.

import { reservedPattern } from "../cluster-name.ts";
import { WrongUse } from "./exit-codes.ts";

export function isReserved(name: string): boolean {
  return reservedPattern.test(name);
}

/** For launch, exec and the interactive nodes. @throws WrongUse. */
export function refuseReserved(name: string, doing: string): void {
  if (!isReserved(name)) return;
  throw new WrongUse(`${doing} '${name}' is not supported: the name is reserved for a controller`);
}

/** For a command on several clusters, of what was typed. @throws WrongUse. */
export function checkReserved(typed: readonly string[], verb: string): void {
  const named = typed.filter(isReserved);
  if (named.length === 0) return;
  const names = named.join(", ");
  if (verb !== "down") {
    throw new WrongUse(`sky ${verb} of reserved cluster(s) ${names} is currently not supported`);
  }
  if (typed.length > 1) {
    throw new WrongUse(`sky down of reserved cluster(s) ${names} goes alone, without other names`);
  }
}
