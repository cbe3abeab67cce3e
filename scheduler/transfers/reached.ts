// Whether the ends of a transfer can be reached just now.

import { errorText, SkyError } from "../../model/errors.ts";
import type { GatewayDoors, GatewaySite } from "../../transfer/gateway/doors.ts";
import type { Ends, Place } from "../../transfer/job/ends.ts";

interface WithEnds {
  readonly ends: Ends;
}

/** @throws SkyError `cluster/not-up`: another round may find it. */
export function demandReading({ ends }: WithEnds, sites: readonly GatewaySite[]): void {
  demandUp(ends.source, sites);
}

/** @throws SkyError `cluster/not-up` */
export function demandWriting({ ends }: WithEnds, sites: readonly GatewaySite[]): void {
  for (const { place } of ends.destinations) demandUp(place, sites);
}

/** Who will not come back: its cluster was taken down or stopped. In words. */
export function goneFrom(
  { ends }: WithEnds,
  doors: Pick<GatewayDoors, "gone">,
): { readonly source: string | undefined; readonly destinations: ReadonlyMap<number, string> } {
  const whyOf = (place: Place): string | undefined => {
    const why = place.kind === "files" ? doors.gone?.(place.gateway) : undefined;
    return why === undefined ? undefined : errorText(why);
  };
  const destinations = ends.destinations.flatMap(({ place }, at) => {
    const why = whyOf(place);
    return why === undefined ? [] : [[at, why] as const];
  });
  return { source: whyOf(ends.source), destinations: new Map(destinations) };
}

export function absentText({ ends }: WithEnds, absent: ReadonlySet<number>): string {
  const names = [...absent].map((at) => ends.destinations[at]?.text ?? "");
  return `${names.join(", ")} cannot be reached`;
}

function demandUp(place: Place, sites: readonly GatewaySite[]): void {
  if (place.kind === "store") return;
  if (sites.some(({ gateway }) => gateway === place.gateway)) return;
  const [name = ""] = place.gateway.split("/");
  const what = `The transfer from or to ${place.gateway} is`;
  throw new SkyError("cluster/not-up", { what, name, status: "not reached" });
}
