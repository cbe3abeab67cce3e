// Two network namespaces with a cable between them whose rate is limited by the kernel.
//
// The limit is a token bucket (`tbf`) at the end that sends. Making namespaces needs root. What
// must always hold: nothing of it is left, also when a measurement fails or is interrupted.

import { execFileSync } from "node:child_process";
import { has, type Place } from "./wire-processes.ts";

/** Why there can be none here; `undefined` = there can. */
export function namespacesMissing(): string | undefined {
  if (process.getuid?.() !== 0) return "needs root: network namespaces are skipped";
  if (!has("ip") || !has("tc")) return "needs ip and tc (iproute2): namespaces are skipped";
  return undefined;
}

export const namespaceHosts = ["10.213.71.1", "10.213.71.2"] as const;

/** Runs `use` with both ends of the cable, and takes all away afterwards. */
export async function withCable<T>(
  megabitsPerSecond: number,
  use: (places: readonly [Place, Place]) => Promise<T>,
): Promise<T> {
  const names = [0, 1].map((end) => `sky-wire-${process.pid}-${end}`);
  const [first = "", second = ""] = names;
  const [here, there] = namespaceHosts;
  const removeAll = (): void => {
    for (const name of names) quietly(["netns", "del", name]);
  };
  const stop = (): never => process.exit(130);
  process.once("exit", removeAll);
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, stop);
  try {
    for (const name of names) ip(["netns", "add", name]);
    const ends = [`skyw${process.pid}a`, `skyw${process.pid}b`].map((end) => end.slice(0, 15));
    const [near = "", far = ""] = ends;
    ip(["-n", first, "link", "add", near, "type", "veth", "peer", "name", far, "netns", second]);
    raise(first, near, here);
    raise(second, far, there);
    limit(first, near, megabitsPerSecond);
    return await use([
      { core: 0, host: here, namespace: first },
      { core: 1, host: there, namespace: second },
    ]);
  } finally {
    removeAll();
    process.removeListener("exit", removeAll);
    for (const signal of ["SIGINT", "SIGTERM"]) process.removeListener(signal, stop);
  }
}

function raise(namespace: string, device: string, host: string): void {
  ip(["-n", namespace, "addr", "add", `${host}/24`, "dev", device]);
  ip(["-n", namespace, "link", "set", device, "up"]);
  ip(["-n", namespace, "link", "set", "lo", "up"]);
}

function limit(namespace: string, device: string, megabitsPerSecond: number): void {
  const rate = `${megabitsPerSecond}mbit`;
  // A bucket of a few milliseconds, and a queue of a twentieth of a second.
  const bucket = ["burst", `${Math.max(64, megabitsPerSecond)}kb`, "latency", "50ms"];
  const where = ["qdisc", "add", "dev", device, "root", "tbf", "rate", rate, ...bucket];
  execFileSync("tc", ["-n", namespace, ...where], { stdio: "pipe" });
}

function ip(args: readonly string[]): void {
  execFileSync("ip", args, { stdio: "pipe" });
}

function quietly(args: readonly string[]): void {
  try {
    ip(args);
  } catch {
    // It was not made.
  }
}
