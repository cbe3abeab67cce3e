// A source and its sinks in network namespaces, joined by a bridge in one of their own; what
// leaves the source is limited by the kernel.
//
// Making namespaces needs root. What must always hold: nothing of it is left, also when a
// measurement fails or is interrupted.

import { execFileSync } from "node:child_process";

export interface NamespacePlace {
  readonly name: string;
  readonly host: string;
}

/** Runs `use` with `count` places, the first of which sends no faster than that. */
export async function withBridge<T>(
  { count, megabitsPerSecond }: { readonly count: number; readonly megabitsPerSecond: number },
  use: (places: readonly NamespacePlace[]) => Promise<T>,
): Promise<T> {
  const bridge = `sky-fan-${process.pid}`;
  const places = Array.from({ length: count }, (_, index) => ({
    name: `sky-fan-${process.pid}-${index}`,
    host: `10.213.72.${index + 1}`,
  }));
  const removeAll = (): void => {
    for (const name of [bridge, ...places.map((place) => place.name)]) remove(name);
  };
  process.once("exit", removeAll);
  try {
    ip("netns", "add", bridge);
    ip("-n", bridge, "link", "add", "br0", "type", "bridge");
    ip("-n", bridge, "link", "set", "br0", "up");
    for (const [index, place] of places.entries()) join(bridge, place, index);
    limit(places[0]?.name ?? "", megabitsPerSecond);
    return await use(places);
  } finally {
    removeAll();
    process.removeListener("exit", removeAll);
  }
}

function join(bridge: string, { name, host }: NamespacePlace, index: number): void {
  const port = `port${index}`;
  ip("netns", "add", name);
  const peer = ["peer", "name", "eth0", "netns", name];
  ip("-n", bridge, "link", "add", port, "type", "veth", ...peer);
  ip("-n", bridge, "link", "set", port, "master", "br0", "up");
  ip("-n", name, "addr", "add", `${host}/24`, "dev", "eth0");
  ip("-n", name, "link", "set", "eth0", "up");
  ip("-n", name, "link", "set", "lo", "up");
}

function limit(namespace: string, megabitsPerSecond: number): void {
  const rate = ["rate", `${megabitsPerSecond}mbit`];
  // A bucket of a few milliseconds, and a queue of a twentieth of a second.
  const bucket = ["burst", `${Math.max(64, megabitsPerSecond)}kb`, "latency", "50ms"];
  const where = ["qdisc", "add", "dev", "eth0", "root", "tbf", ...rate, ...bucket];
  execFileSync("tc", ["-n", namespace, ...where], { stdio: "pipe" });
}

function remove(name: string): void {
  try {
    ip("netns", "del", name);
  } catch {
    // It was not made.
  }
}

function ip(...args: readonly string[]): void {
  execFileSync("ip", args, { stdio: "pipe" });
}
