// What a machine has, from what its tools print. Pure.
//
// Source: `nvidia-smi --query-gpu=name --format=csv,noheader`, one line per device; /proc/meminfo,
// proc(5); cgroups(7) for the limits of a container.

import type { Accelerators, Capacity } from "../model/resources.ts";

/** Marketing words around the name that people use: "NVIDIA A100-SXM4-80GB" is an `A100-80GB`. */
const knownNames: readonly (readonly [pattern: RegExp, name: string])[] = [
  [/\bA100.*80GB/, "A100-80GB"],
  [/\bGH200\b/, "GH200"],
  [/\bB200\b/, "B200"],
  [/\bH200\b/, "H200"],
  [/\bH100\b/, "H100"],
  [/\bA100\b/, "A100"],
  [/\bL40S\b/, "L40S"],
  [/\bL40\b/, "L40"],
  [/\bL4\b/, "L4"],
  [/\bA10G\b/, "A10G"],
  [/\bA10\b/, "A10"],
  [/\bV100.*32GB/, "V100-32GB"],
  [/\bV100\b/, "V100"],
  [/\bP100\b/, "P100"],
  [/\bT4\b/, "T4"],
  [/\bK80\b/, "K80"],
  [/\bM60\b/, "M60"],
];

/** SkyPilot's name of a device; one that nobody knows keeps its own, without vendor and spaces. */
export function acceleratorName(product: string): string {
  for (const [pattern, name] of knownNames) if (pattern.test(product)) return name;
  return product
    .replace(/^(NVIDIA|Tesla|GeForce|Quadro)\s+/g, "")
    .replace(/^GeForce\s+/, "")
    .trim()
    .replace(/\s+/g, "-");
}

/** Devices by name, in the order in which they were first seen. */
export function parseAccelerators(output: string): readonly Accelerators[] {
  const counts = new Map<string, number>();
  for (const line of output.split("\n")) {
    if (line.trim() === "") continue;
    const name = acceleratorName(line.trim());
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return [...counts].map(([name, count]) => ({ name, count }));
}

/** Bytes of memory of the machine, or `undefined` if the text does not say. */
export function parseMemTotal(meminfo: string): number | undefined {
  const match = /^MemTotal:\s+(\d+) kB$/m.exec(meminfo);
  return match === null ? undefined : Number(match[1]) * 1024;
}

/** `cpu.max` of cgroup v2: CPUs that we may use, or `undefined` for no limit. */
export function parseCpuMax(text: string): number | undefined {
  const [quota, period] = text.trim().split(" ").map(Number);
  if (quota === undefined || period === undefined) return undefined;
  return quota > 0 && period > 0 ? quota / period : undefined;
}

/** `memory.max` of cgroup v2 in bytes, or `undefined` for no limit. */
export function parseMemoryMax(text: string): number | undefined {
  const bytes = Number(text.trim());
  return text.trim() !== "" && Number.isFinite(bytes) ? bytes : undefined;
}

/** The smaller of what the machine has and what we may use of it. */
export function capacityOf(seen: {
  readonly cpus: number;
  readonly cpusMax: number | undefined;
  readonly memoryBytes: number;
  readonly memoryBytesMax: number | undefined;
  readonly accelerators: readonly Accelerators[];
}): Capacity {
  return {
    cpus: Math.min(seen.cpus, seen.cpusMax ?? seen.cpus),
    memoryBytes: Math.min(seen.memoryBytes, seen.memoryBytesMax ?? seen.memoryBytes),
    accelerators: seen.accelerators,
  };
}
