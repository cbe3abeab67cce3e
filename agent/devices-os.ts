// What this machine has. Asked once, when an agent starts on a machine whose capacity nobody
// declared; a local cluster declares its own. A machine without `nvidia-smi` has no devices.

import { execFile } from "node:child_process";
import { availableParallelism, totalmem } from "node:os";
import { promisify } from "node:util";
import type { Capacity } from "../model/resources.ts";
import {
  capacityOf,
  parseAccelerators,
  parseCpuMax,
  parseMemoryMax,
  parseMemTotal,
} from "./devices.ts";
import { readText } from "./proc-os.ts";

const queryTimeoutMs = 10_000;

export async function findCapacity(): Promise<Capacity> {
  return capacityOf({
    cpus: availableParallelism(),
    cpusMax: parseCpuMax(readText("/sys/fs/cgroup/cpu.max") ?? ""),
    memoryBytes: parseMemTotal(readText("/proc/meminfo") ?? "") ?? totalmem(),
    memoryBytesMax: parseMemoryMax(readText("/sys/fs/cgroup/memory.max") ?? ""),
    accelerators: parseAccelerators(await deviceNames()),
  });
}

async function deviceNames(): Promise<string> {
  const options = { timeout: queryTimeoutMs };
  const query = ["--query-gpu=name", "--format=csv,noheader"];
  try {
    return (await promisify(execFile)("nvidia-smi", query, options)).stdout;
  } catch {
    // No such tool, or a driver that does not answer: either way no device can be used.
    return "";
  }
}
