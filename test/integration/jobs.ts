// What the integration tests do again and again: submit, look at a job, wait for its status.

import assert from "node:assert/strict";
import { type Place, until } from "../support/programs.ts";

/** A job as `sky queue -o json` prints it. */
export interface SeenJob {
  readonly id: number;
  readonly name: string;
  readonly status: string;
  readonly startedAt?: number;
  readonly endedAt?: number;
  readonly ranks: readonly SeenRank[];
  readonly waitingFor?: string;
}

export interface SeenRank {
  readonly rank: number;
  readonly node: string;
  readonly pid?: number;
  readonly startedAt?: number;
  readonly exitCode?: number | null;
  readonly signal?: number | string | null;
}

/** Submits without following and returns the job's id. */
export async function submit(
  place: Place,
  cluster: string,
  ...args: readonly string[]
): Promise<number> {
  const { code, stdout, stderr } = await place.sky(["exec", cluster, "-d", ...args]);
  assert.equal(code, 0, stdout + stderr);
  const id = /Job ID: (\d+)/.exec(stdout)?.[1];
  assert.ok(id, stdout);
  return Number(id);
}

/** All jobs of a cluster, whoever submitted them, newest first. */
export async function jobsOf(place: Place, cluster: string): Promise<readonly SeenJob[]> {
  const { code, stdout, stderr } = await place.sky(["queue", cluster, "-a", "-o", "json"]);
  assert.equal(code, 0, stderr);
  const parsed: unknown = JSON.parse(stdout);
  assert.ok(Array.isArray(parsed), stdout);
  return parsed as readonly SeenJob[];
}

/** One job; without an id the latest. */
export async function jobOf(place: Place, cluster: string, id?: number): Promise<SeenJob> {
  const jobs = await jobsOf(place, cluster);
  const job = id === undefined ? jobs[0] : jobs.find((one) => one.id === id);
  assert.ok(job, `job ${id ?? "latest"} among ${jobs.map((one) => one.id).join(" ")}`);
  return job;
}

/** Where the homes of a cluster's nodes are, in their order, as this process reaches them. */
export async function nodeHomes(place: Place, cluster: string): Promise<readonly string[]> {
  const { code, stdout, stderr } = await place.sky(["status", cluster, "-o", "json"]);
  assert.equal(code, 0, stderr);
  const [seen]: { nodes: { id: string; ip: string }[] }[] = JSON.parse(stdout);
  return (seen?.nodes ?? []).map(({ id, ip }) => {
    const host = place.hosts?.hosts.find(({ address }) => address === ip);
    if (host !== undefined) return `/proc/${host.pid}/root/home/ada`;
    return `${place.home}/clusters/${cluster}/nodes/${id}/home`;
  });
}

/** Waits until a job has the status; fails at once if it can no longer reach it. */
export async function phaseReached(
  place: Place,
  { cluster, id }: { readonly cluster: string; readonly id: number },
  status: string,
): Promise<SeenJob> {
  const final = ["SUCCEEDED", "FAILED", "FAILED_SETUP", "CANCELLED"];
  return until(
    `job ${id} is ${status}`,
    async () => {
      const job = await jobOf(place, cluster, id);
      const over = final.includes(job.status) && job.status !== status;
      assert.ok(!over, `job ${id} is ${job.status}, never ${status}`);
      return job.status === status ? job : undefined;
    },
    { deadlineMs: 40_000 },
  );
}
