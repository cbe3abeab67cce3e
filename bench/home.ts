// A SKY_HOME for a benchmark: the bundled head in a folder of its own, taken down at the end.
//
// Benchmarks measure what users run, so the SDK is the one of `dist/`, and so is the head that it
// starts. What must always hold: nothing is left when a benchmark ends, also when it fails.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { LaunchOptions, Sky } from "../client/index.ts";

export const checkout = resolve(import.meta.dirname, "..");

export interface BenchHome {
  readonly sky: Sky;
  readonly root: string;
  /** What a `sky` process of this home gets as its environment. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The process id of the head. */
  headPid(): Promise<number>;
}

export interface HomeOptions {
  /** Lines of `config.yaml`. */
  readonly config?: string;
}

/** A disk whose flush takes that much longer. Source: 1 to 10 ms is what cloud disks take. */
export function slowDisk(fsyncMs: number): HomeOptions {
  return fsyncMs === 0 ? {} : { config: `journal:\n  extra_fsync_ms: ${fsyncMs}\n` };
}

/** Runs `use` against a new home and takes everything away afterwards. */
export async function withHome<T>(
  use: (home: BenchHome) => Promise<T>,
  options: HomeOptions = {},
): Promise<T> {
  const root = mkdtempSync(join(tmpdir(), "sky-bench-"));
  if (options.config !== undefined) writeFileSync(join(root, "config.yaml"), options.config);
  const { Sky: BundledSky }: { Sky: typeof Sky } = await import(join(checkout, "dist/index.js"));
  const sky = new BundledSky({ home: root });
  const env = { ...process.env, SKY_HOME: root };
  let pid: number | undefined;
  try {
    pid = (await sky.version()).pid;
    const head = pid;
    return await use({ sky, root, env, headPid: async () => head });
  } finally {
    await takeDown(sky, pid);
    rmSync(root, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** A cluster of `cpus` declared on each of `numNodes` nodes. */
export async function bringUp(
  home: BenchHome,
  cluster: string,
  options: Omit<LaunchOptions, "cluster"> = {},
): Promise<void> {
  await home.sky.launch(undefined, { cluster, ...options });
}

/** Whether a process runs: exists, and is not waiting to be collected. */
function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return !/\) [ZX] /.test(stat);
  } catch {
    // No such process.
    return false;
  }
}

async function takeDown(sky: Sky, pid: number | undefined): Promise<void> {
  for (const { name } of await sky.status()) await sky.down(name);
  sky.close();
  if (pid === undefined) return;
  if (isAlive(pid)) process.kill(pid, "SIGTERM");
  for (let waited = 0; isAlive(pid); waited += 20) {
    if (waited > 10_000) throw new Error(`the head ${pid} does not end`);
    await pause(20);
  }
}
