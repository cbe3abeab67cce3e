// When a job may have ended otherwise than planned: never by itself. Imports nothing of ours.
//
// The record names a reason and a rank or a node, and one of exactly those was struck, before the
// job's end, by a fault that makes that reason true. What nobody struck ends as planned.

import type { Facts, Hit, SeenJob } from "./evidence.ts";
import { jobLabel, killedCode, rankKey, setupKey } from "./evidence.ts";

export function isExcused(facts: Facts, job: SeenJob): boolean {
  const { reason = "", reasonText = "", status, cluster } = job;
  const [, rank = "", node = ""] = /^rank (\d+) on (\S+) /.exec(reasonText) ?? [];
  const key = rankKey(job, Number(rank));
  switch (reason) {
    case "exit-unknown":
      return status === "FAILED" && isUnknown(facts, key);
    case "rank-failed":
      return status === "FAILED" && wasKilled(facts, job, Number(rank));
    case "setup-failed":
      return status === "FAILED_SETUP" && setupWasStruck(facts, job);
    case "never-started":
      return status === "FAILED" && isPartOfGang(facts, job, `${cluster}/${node}`);
    case "node-lost":
      return status === "FAILED" && wasSilent(facts, job);
    default:
      return false;
  }
}

function wasKilled(facts: Facts, job: SeenJob, rank: number): boolean {
  const key = rankKey(job, rank);
  const { exitCode } = job.ranks[rank] ?? {};
  if (exitCode === killedCode) return facts.killed(key, ["shell"]);
  // Its very first command, which tells it who it is, was killed.
  return exitCode === 99 && facts.killed(key, ["child"]) && facts.said(key, "start") === undefined;
}

/** Its shim or the writer of its log was killed, or it was itself before its first act. */
export function isUnknown(facts: Facts, key: string): boolean {
  const early = facts.said(key, "start") === undefined;
  return facts.killed(key, early ? ["keeper", "logger", "shell"] : ["keeper", "logger"]);
}

function setupWasStruck(facts: Facts, job: SeenJob): boolean {
  const keys = (job.setups ?? []).map(({ rank }) => rankKey(job, rank, "setup"));
  return [...keys, setupKey(job)].some((key) =>
    facts.killed(key, ["keeper", "logger", "shell", "child"]),
  );
}

/**
 * An agent or a shim died between the barrier and the first act of its rank, so that rank never
 * started, and others had. At most once is kept, so the gang is not run anew. True only of a gang,
 * only if the rank said nothing, and only if something on its node was struck.
 */
function isPartOfGang(facts: Facts, job: SeenJob, node: string): boolean {
  const ran = job.ranks.filter(({ rank }) => facts.said(rankKey(job, rank), "start") !== undefined);
  const struck = facts.hits.some((hit) => hit.node === node && isWithin(hit, job, 0));
  const orHead = facts.hits.some((hit) => hit.role === "head" && isWithin(hit, job, 0));
  return ran.length > 0 && ran.length < job.ranks.length && (struck || orHead);
}

/** The patience is ten seconds; a node may have been silent for a while before the job came. */
const silenceMs = 30_000;

function wasSilent(facts: Facts, job: SeenJob): boolean {
  const [, name = ""] = /^node (\S+) was lost/.exec(job.reasonText ?? "") ?? [];
  const node = `${job.cluster}/${name}`;
  return facts.hits.some((hit) => {
    const silences = hit.node === node && ["skylet", "join"].includes(hit.role);
    const parts = hit.role === "bus wire" && hit.kind === "freeze";
    // The skylets of a local cluster end with their head, and join the next one.
    const restarts = hit.role === "head" && hit.kind === "kill";
    return (silences || parts || restarts) && isWithin(hit, job, silenceMs);
  });
}

function isWithin(hit: Hit, { submittedAt, endedAt }: SeenJob, beforeMs: number): boolean {
  return hit.until >= submittedAt - beforeMs && hit.from <= (endedAt ?? 0);
}

/** What the head holds of a log may end early, if its node was lost while it was written. */
export function mayBeCut(facts: Facts, key: string): boolean {
  const job = facts.jobs.find((one) => key.startsWith(`${jobLabel(one)}-`));
  if (job === undefined) return false;
  const [, , attempt, , index] = key.split("-");
  if (Number(attempt) !== job.attempt) return true;
  const text = job.ranks[Number(index)]?.outcome ?? "";
  return job.reason === "node-lost" || /a node was lost/.test(text);
}
