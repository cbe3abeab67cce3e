// Clusters on the hosts of a lab, for the tests of this folder: a SKY_HOME whose pools file names
// the hosts, the commands that every test gives, and the look that nothing was left on a host.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { type Place, type PlaceOptions, place, type Result, until } from "../support/programs.ts";
import { type Host, isClean, type Lab } from "./lab.ts";

/** A home whose pool `lab` is these hosts; all of them, otherwise. */
export function labPlace(
  t: TestContext | undefined,
  lab: Lab,
  options: PlaceOptions & { readonly hosts?: readonly Host[] } = {},
): Place {
  const { hosts, ...rest } = options;
  const here = place(t, { ...rest, cloud: "none", env: { ...lab.client.env, ...rest.env } });
  writePools(here, lab.pools("lab", hosts));
  return here;
}

/** Ends the home and then its hosts, whatever came of the home. */
export async function closeBoth(here: Place | undefined, lab: Lab | undefined): Promise<void> {
  try {
    await here?.close();
  } finally {
    await lab?.close();
  }
}

export function writePools(here: Place, text: string): void {
  writeFileSync(join(here.home, "ssh_node_pools.yaml"), text);
}

/** The words of a launch on the pool; the task's words follow. */
export function launching(cluster: string, nodes: number): readonly string[] {
  return ["launch", "-y", "-c", cluster, "--infra", "ssh/lab", "--num-nodes", String(nodes)];
}

/** Runs `sky` and gives its output; fails with all that was said unless it ends with `code`. */
export async function ok(here: Place, args: readonly string[], code = 0): Promise<string> {
  const result = await here.sky(args, { timeoutMs: 120_000 });
  assert.equal(result.code, code, `sky ${args.join(" ")}: ${told(here, result)}`);
  return result.stdout;
}

/** What a command said, and the end of what its head said. */
export function told(here: Place, { stdout, stderr }: Pick<Result, "stdout" | "stderr">): string {
  return `${stdout}\n${stderr}\n${headLog(here)}`;
}

export function headLog(here: Place): string {
  try {
    const text = readFileSync(join(here.home, "head/skyhead.log"), "utf8");
    return text.split("\n").slice(-30).join("\n");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "there is no head";
    throw error;
  }
}

export interface SeenCluster {
  readonly name: string;
  readonly status: string;
  readonly nodes: readonly {
    readonly name: string;
    readonly ip: string;
    readonly phase?: string;
  }[];
}

export async function statusOf(here: Place, cluster: string): Promise<SeenCluster | undefined> {
  const rows: readonly SeenCluster[] = JSON.parse(await ok(here, ["status", "-o", "json"]));
  return rows.find(({ name }) => name === cluster);
}

/** Waits until a cluster has the status; `undefined`: until it is gone. */
export async function reaches(
  here: Place,
  cluster: string,
  status: string | undefined,
): Promise<void> {
  let last: string | undefined;
  const look = async (): Promise<boolean> => {
    last = (await statusOf(here, cluster))?.status;
    return last === status;
  };
  await until(`${cluster} is ${status ?? "gone"}`, look, {
    deadlineMs: 60_000,
    describe: () => `it is ${last ?? "gone"}\n${headLog(here)}`,
  });
}

/** Waits until the hosts are as they were when they were new. */
export async function areAsNew(hosts: readonly Host[]): Promise<void> {
  for (const host of hosts) {
    await until(`nothing of ours is left on ${host.name}`, () => isClean(host.sweep()), {
      describe: () => JSON.stringify(host.sweep(), undefined, 1),
    });
  }
}

/** Kills what a host runs whose command line matches; how many that were. */
export function strike(host: Host, pattern: RegExp): number {
  const hit = host.processes().filter(({ command }) => pattern.test(command));
  for (const { pid } of hit) host.kill(pid);
  return hit.length;
}

/** What the roles look like on a host's list of processes. */
export const roles = {
  head: /skyhead\.js.* --hosted/,
  skylet: /skylet\.js host/,
  bus: /nats-server/,
  supervisor: /run\.sh/,
} as const;
