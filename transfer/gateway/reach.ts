// Who of two gateways dials the other, and where. Pure.
//
// An address of 127.0.0.0/8 means the machine that dials: only gateways of this machine (its head,
// and the nodes of local clusters) reach each other there. The receiver dials where both could: its
// end is the one that reads sockets fastest (`StreamPort` of a dialler).

import type { GatewaySite } from "./doors.ts";
import { homeGateway } from "./program.ts";

/** The region of everything that is on the machine of the home. */
export const localRegion = "local";

/**
 * Of a gateway that sends (`first`) and one that receives; `undefined`: neither reaches the other.
 */
export function dialling(first: GatewaySite, second: GatewaySite): "first" | "second" | undefined {
  if (addressFor(second, first) !== undefined) return "second";
  return addressFor(first, second) === undefined ? undefined : "first";
}

/** Where `dialler` finds `listener`; `undefined` if it cannot. */
export function addressFor(dialler: GatewaySite, listener: GatewaySite): string | undefined {
  if (!listener.canListen) return undefined;
  return listener.addresses.find((address) => isHere(dialler) || !isLoopback(address));
}

/** Whether it is on the machine of the home. */
export function isHere({ gateway, region }: Pick<GatewaySite, "gateway" | "region">): boolean {
  return gateway === homeGateway || region === localRegion;
}

export function isLoopback(address: string): boolean {
  return address.startsWith("127.") || address === "::1" || address === "localhost";
}
