// A cable of their own between two hosts of a lab, beside the bridge: what one sends to the other's
// address goes along it and nowhere else, as fast as it is, while everybody else is reached over
// the bridge. So a way over a third host has other limits, and its bytes are counted apart.

import type { Host } from "./lab-host.ts";
import { bytesSent, limitsOf } from "./lab-network.ts";
import { run } from "./lab-run.ts";

export interface DirectCable {
  /** What the first has sent to the second along it. */
  sentBytes(): number;
  /** And over the bridge, to whomever. */
  sentOverBridge(): number;
}

const device = "direct0";

/** Until a host is halted. Limits are those of who sends: nothing that left is dropped later. */
export async function directCable(
  first: Host,
  second: Host,
  rates: { readonly direct: number; readonly bridge: number },
): Promise<DirectCable> {
  await inside(first, [
    "ip",
    ...["link", "add", device, "type", "veth"],
    ...["peer", "name", device, "netns", String(second.pid)],
  ]);
  for (const [host, other] of [
    [first, second],
    [second, first],
  ] as const) {
    await inside(host, ["ip", "link", "set", device, "up"]);
    await limit(host, device, rates.direct);
    await inside(host, ["ip", "route", "add", `${other.address}/32`, "dev", device]);
    await limit(host, "eth0", rates.bridge);
  }
  return {
    sentBytes: () => bytesSent(`/proc/${first.pid}/net/dev`, device),
    sentOverBridge: () => first.sentBytes(),
  };
}

/** What a host sends by one of its links, in bytes a second. */
export async function limit(host: Host, link: string, bytesPerSecond: number): Promise<void> {
  await inside(host, [
    "tc",
    "qdisc",
    "add",
    "dev",
    link,
    "root",
    "tbf",
    ...limitsOf(bytesPerSecond),
  ]);
}

async function inside(host: Host, command: readonly string[]): Promise<void> {
  await run(["nsenter", "--target", String(host.pid), "--net", ...command]);
}
