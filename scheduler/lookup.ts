// Finding what a request names, or saying what is closest. Pure.

import type { ClusterRecord } from "../clouds/cluster-record.ts";
import { SkyError } from "../model/errors.ts";
import type { Job } from "../model/job.ts";
import { hintText } from "../model/suggest.ts";
import type { Board } from "./board.ts";
import type { FieldProblem } from "./submission.ts";

interface Clusters<H> {
  readonly fleets: {
    record(name: string): ClusterRecord | undefined;
    records(): readonly ClusterRecord[];
  };
  readonly heads: { whenOpen(name: string, signal: AbortSignal): Promise<H | undefined> };
}

/** What a request names, and for which act: `Tailing logs`. */
export interface Wanted {
  readonly cluster: string;
  readonly what: string;
  readonly signal: AbortSignal;
}

/** @throws SkyError `cluster/not-found`, with the names that are close. */
export function recordOf<H>({ fleets }: Clusters<H>, name: string): ClusterRecord {
  const record = fleets.record(name);
  if (record !== undefined) return record;
  const known = fleets.records().map((one) => one.name);
  throw new SkyError("cluster/not-found", { name: `'${name}'`, hint: hintText(name, known) });
}

/** The head of a cluster in any state. @throws SkyError `cluster/not-found`, `cluster/not-up`. */
export async function headOf<H>(clusters: Clusters<H>, wanted: Wanted): Promise<H> {
  const { cluster: name, what, signal } = wanted;
  recordOf(clusters, name);
  const head = await clusters.heads.whenOpen(name, signal);
  // Asked again: it may have gone while we waited.
  const { status } = recordOf(clusters, name);
  if (head === undefined) throw new SkyError("cluster/not-up", { what, name, status });
  return head;
}

/** The head of a cluster that is UP. @throws SkyError `cluster/not-found`, `cluster/not-up`. */
export async function upHeadOf<H>(clusters: Clusters<H>, wanted: Wanted): Promise<H> {
  demandUp(clusters, wanted);
  return await headOf(clusters, wanted);
}

/** @throws SkyError `cluster/not-found`, `cluster/not-up`. */
export function demandUp<H>(
  clusters: Clusters<H>,
  { cluster: name, what }: Pick<Wanted, "cluster" | "what">,
): void {
  const { status } = recordOf(clusters, name);
  if (status !== "UP") throw new SkyError("cluster/not-up", { what, name, status });
}

/** The job of an id; 0 is the latest. @throws SkyError `job/not-found`. */
export async function jobOf(
  board: Pick<Board, "find" | "latest">,
  cluster: string,
  id: number,
): Promise<Job> {
  const job = await (id === 0 ? board.latest() : board.find(id));
  if (job === undefined) throw new SkyError("job/not-found", { id, name: cluster });
  return job;
}

/** @throws SkyError `job/not-found` for the first that is not there. */
export async function jobsOf(
  board: Pick<Board, "find" | "latest">,
  cluster: string,
  ids: readonly number[],
): Promise<readonly Job[]> {
  const jobs: Job[] = [];
  for (const id of ids) jobs.push(await jobOf(board, cluster, id));
  return jobs;
}

/** @throws SkyError `request/invalid`. */
export function demandValid(problem: FieldProblem | undefined): void {
  if (problem !== undefined) throw new SkyError("request/invalid", { ...problem });
}
