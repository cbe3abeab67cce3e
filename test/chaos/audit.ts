// What a run of chaos must have left behind, and what not. Imports nothing of ours.
//
// It reads what the outside could see: the list of acknowledged jobs, what `sky queue -o json`
// printed, the lines that the ranks appended themselves, their own copies of what they wrote, the
// files on the nodes, what followers received, and who was struck. Every sentence that it returns
// is something that was promised. A job may end otherwise than planned only if one of its own
// processes was struck, or its node, and its record says so.

import { readdirSync, readFileSync } from "node:fs";
import { bytesOf, printedOf } from "./audit-bytes.ts";
import { isExcused, isUnknown } from "./audit-truth.ts";
import type { Evidence, Facts, SeenJob } from "./evidence.ts";
import { factsOf, jobLabel, killedCode, rankKey } from "./evidence.ts";
import { commandOf } from "./left.ts";

export function audit(evidence: Evidence): readonly string[] {
  const facts = factsOf(evidence);
  return [
    ...oneOutcomeEach(facts),
    ...firstEndStays(facts),
    ...startedOnce(facts),
    ...attemptsApart(facts),
    ...facts.jobs.flatMap((job) => trueCodes(facts, job)),
    ...bytesOf(facts),
    ...printedOf(facts),
    ...survivors(facts),
  ];
}

function oneOutcomeEach(facts: Facts): readonly string[] {
  const found: string[] = [];
  const byId = Map.groupBy(facts.jobs, jobLabel);
  const byName = Map.groupBy(facts.jobs, ({ cluster, name }) => `${cluster} ${name}`);
  for (const wanted of facts.acknowledged) {
    const { cluster, name, status } = wanted;
    const label = `${jobLabel(wanted)} (${name})`;
    const seen = byId.get(jobLabel(wanted)) ?? [];
    const named = byName.get(`${cluster} ${name}`) ?? [];
    const [job] = seen;
    if (job === undefined) found.push(`${label} was acknowledged and is not there`);
    else if (job.name !== name) found.push(`${label} is called ${job.name}`);
    else if (!isAsPlanned(wanted, job) && !isExcused(facts, job)) {
      found.push(`${label} is ${job.status}, not ${status}: ${job.reasonText ?? "no reason"}`);
    } else if (job.status === "FAILED" && job.attempt <= wanted.restarts) {
      found.push(`${label} FAILED in attempt ${job.attempt}, of ${wanted.restarts + 1}`);
    }
    if (seen.length > 1) found.push(`${label} is there ${seen.length} times`);
    if (named.length > 1) found.push(`${label} became ${named.length} jobs`);
    if (!facts.following.has(jobLabel(wanted))) continue;
    const told = facts.told.get(jobLabel(wanted));
    if (told !== job?.status) found.push(`the follower of ${label} was told ${told}`);
  }
  return found;
}

function isAsPlanned({ status, code }: Facts["acknowledged"][number], job: SeenJob): boolean {
  if (job.status !== status) return false;
  return status !== "FAILED" || job.ranks.at(-1)?.exitCode === code;
}

/** What had ended had ended for ever: as long as it is listed, it is listed with the same end. */
function firstEndStays({ earlier, jobs }: Facts): readonly string[] {
  const found: string[] = [];
  const now = new Map(jobs.map((job) => [jobLabel(job), endText(job)]));
  for (const text of earlier) {
    for (const before of JSON.parse(text) as readonly SeenJob[]) {
      const later = now.get(jobLabel(before));
      if (before.endedAt === undefined || later === endText(before)) continue;
      found.push(`${jobLabel(before)} had ended as ${endText(before)}, and is now ${later}`);
    }
  }
  return found;
}

function endText({ status, reason, reasonText, endedAt, attempt, ranks }: SeenJob): string {
  const codes = ranks.map(({ exitCode, outcome }) => `${exitCode} ${outcome}`);
  return JSON.stringify([status, reason, reasonText, endedAt, attempt, codes]);
}

function startedOnce({ lines }: Facts): readonly string[] {
  const found: string[] = [];
  const counts = new Map<string, number>();
  for (const { word, key } of lines) {
    if (word !== "start" && word !== "end") continue;
    const event = `${key} ${word}s`;
    counts.set(event, (counts.get(event) ?? 0) + 1);
    if (!/^\w+-\d+-\d+-(run|setup)-\d+$/.test(key)) found.push(`${key} names no rank`);
  }
  for (const [event, count] of counts) if (count > 1) found.push(`${event} ${count} times`);
  return found;
}

/**
 * An attempt begins when the one before it is over, on every node, also on one that was lost: no
 * line of an old rank is younger than the first of a new one. No more attempts than were asked for.
 */
function attemptsApart({ written, acknowledged }: Facts): readonly string[] {
  const found: string[] = [];
  const wanted = new Map(acknowledged.map((one) => [jobLabel(one), one]));
  const byJob = Map.groupBy(timesIn(written), ({ job }) => job);
  for (const [job, times] of byJob) {
    const attempts = [...Map.groupBy(times, ({ attempt }) => attempt)].sort((a, b) => a[0] - b[0]);
    const { restarts = 0 } = wanted.get(job) ?? {};
    if (attempts.length > restarts + 1) found.push(`${job} ran in ${attempts.length} attempts`);
    for (const [index, [attempt, now]] of attempts.entries()) {
      const before = attempts[index - 1]?.[1] ?? [];
      const last = Math.max(0, ...before.map((one) => one.last));
      const first = Math.min(...now.map((one) => one.first));
      if (last > first) found.push(`${job}: attempt ${attempt} began beside the one before it`);
    }
  }
  return found;
}

/** When each rank wrote its first and its last line. */
function timesIn(dir: string) {
  return readdirSync(dir).flatMap((name) => {
    const [cluster, id, attempt, phase] = name.split("-");
    const stamps = readFileSync(`${dir}/${name}`, "latin1").match(/\d+[.,]\d{6}/g) ?? [];
    const times = stamps.map((stamp) => Number(stamp.replace(",", ".")));
    const [first] = times;
    const last = times.at(-1);
    if (phase !== "run" || first === undefined || last === undefined) return [];
    return [{ job: `${cluster}-${id}`, attempt: Number(attempt), first, last }];
  });
}

/**
 * A rank that says how it ends ends so, or was killed at that moment by a job that ended. One that
 * nobody knows the end of was struck: its shim, or the writer of its log.
 */
function trueCodes(facts: Facts, job: SeenJob): readonly string[] {
  const found: string[] = [];
  for (const { rank, exitCode, outcome } of job.ranks) {
    const key = rankKey(job, rank);
    const [start, end] = [facts.said(key, "start"), facts.said(key, "end")];
    const mayBeUnknown = exitCode === null && isUnknown(facts, key);
    const label = `${key}: ${outcome}`;
    if (job.status === "SUCCEEDED" && (exitCode !== 0 || end === undefined)) {
      found.push(`${label} in a job that succeeded`);
    }
    if (exitCode === killedCode || mayBeUnknown) continue;
    if (end === undefined && start !== undefined) {
      found.push(`${label}, and it never came to its end`);
    }
    if (end !== undefined && exitCode !== Number(end.value)) {
      found.push(`${label}, and it ended with ${end.value}`);
    }
  }
  return found;
}

/** A cancel and a failure leave no process of their job. Looked at before the clusters go down. */
function survivors({ lines, jobs }: Facts): readonly string[] {
  const byId = new Map(jobs.map((job) => [jobLabel(job), job]));
  return lines.flatMap(({ word, key, value }) => {
    if (word !== "left") return [];
    const [pid = "", mark = ""] = value.split(":");
    const job = byId.get(key.split("-").slice(0, 2).join("-"));
    const mayLive = job?.status === "SUCCEEDED";
    if (mayLive || !commandOf(pid).includes(mark)) return [];
    return [`${key}: process ${pid} outlived its job, which is ${job?.status}`];
  });
}
