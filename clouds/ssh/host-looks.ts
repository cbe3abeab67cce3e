// Looking at the hosts of one cluster: what became of its nodes there, as its fleet wants to know.
//
// All hosts are asked at once, and each has its time. What should run there and does not is started
// by the way.

import type { Machine } from "../cloud.ts";
import type { ClusterRecord, RecordNode } from "../cluster-record.ts";
import type { ClusterBundle } from "./cluster-bundle.ts";
import type { HostRaising } from "./host-raising.ts";
import { guessedPhase, mayRetry, retryMs, verdictOf } from "./host-standing.ts";
import type { HostStatus } from "./host-steps.ts";
import { type Away, type HostWorks, hostOf, troubleText, type Work } from "./host-works.ts";

/** A node that was seen so lately is not looked at again while its cluster comes up. */
const freshMs = 5_000;
/** A host that stays away for so long while its cluster comes up is not waited for. */
const awayMs = 30_000;

export interface LookingPorts {
  readonly works: HostWorks;
  readonly spread: ClusterBundle;
  readonly raising: HostRaising;
}

/** The machines that there are. A host that cannot be reached is as it was, with its trouble. */
export async function lookAtHosts(
  ports: LookingPorts,
  record: ClusterRecord,
  signal: AbortSignal,
): Promise<readonly Machine[]> {
  const looks = record.nodes.map((node) => lookAtHost(ports, { record, node, signal }));
  return (await Promise.all(looks)).flatMap((machine) => machine ?? []);
}

interface Look {
  readonly record: ClusterRecord;
  readonly node: RecordNode;
  readonly signal: AbortSignal;
}

async function lookAtHost(ports: LookingPorts, look: Look): Promise<Machine | undefined> {
  const { works, raising } = ports;
  const { record, node, signal } = look;
  const work = works.work(node);
  if (work.removed) return undefined;
  if (work.busy !== undefined) return works.machine(node, busyPhase(work), work.fault);
  const now = { atMs: works.nowMs(), askedAt: record.launchedAt };
  if (work.fault !== undefined && record.goal === "running") {
    const { fault } = work;
    if (!mayRetry(fault, now)) return works.machine(node, "starting", fault);
    raising.raise([node.id]);
    // What was asked about anew is told no more.
    const isSame = fault.askedAt === now.askedAt;
    return works.machine(node, "starting", isSame ? { ...fault, stuck: false } : undefined);
  }
  const isFresh = record.status === "INIT" && now.atMs - work.seenMs < freshMs;
  if (isFresh && work.phase !== undefined) return works.machine(node, work.phase, undefined);
  if (work.away === undefined || !isUnwatched(record) || isDue(work, work.away, now.atMs)) {
    try {
      const status = await works.status(await works.place(record, node), signal);
      work.away = undefined;
      return judged(ports, look, status);
    } catch (error) {
      if (signal.aborted) throw error;
      work.away = awayAgain(work.away, {
        ...{ why: troubleText(hostOf(node), error), atMs: works.nowMs() },
        askedAt: record.launchedAt,
      });
    }
  }
  const machine = works.machine(node, work.phase ?? guessedPhase(record), undefined);
  const { why, sinceMs, atMs } = work.away;
  const isStuck = record.status === "INIT" && atMs - sinceMs >= awayMs;
  return { ...machine, trouble: why, ...(isStuck && { stuck: true }) };
}

function awayAgain(before: Away | undefined, now: Pick<Away, "why" | "atMs" | "askedAt">): Away {
  const isSame = before?.askedAt === now.askedAt;
  if (before === undefined || !isSame) return { ...now, tries: 1, sinceMs: now.atMs };
  return { ...now, tries: before.tries + 1, sinceMs: before.sinceMs };
}

/** It is looked at again and again, perhaps for days, and nobody waits for the next look. */
function isUnwatched({ status, busy }: ClusterRecord): boolean {
  return status === "STOPPING" || (status === "INIT" && busy === undefined);
}

/** What waits to remove it tries by itself. */
function isDue({ wake }: Work, { tries, atMs }: Away, nowMs: number): boolean {
  return wake === undefined && nowMs - atMs >= retryMs(tries);
}

function judged(
  { works, spread, raising }: LookingPorts,
  { record, node }: Look,
  status: HostStatus,
): Machine | undefined {
  const work = works.work(node);
  // Something may have begun while the host was asked.
  if (work.busy !== undefined) return works.machine(node, busyPhase(work), undefined);
  const verdict = verdictOf(status, record.goal);
  if (verdict.kind === "absent") {
    spread.forget(node);
    return undefined;
  }
  works.saw(node, verdict.phase);
  work.endedAfter = status.ended && record.launchedAt;
  if (verdict.kind === "raise") raising.raise([node.id]);
  return works.machine(node, verdict.phase, undefined);
}

/** One that runs is up also while a later version is put in its place. */
function busyPhase({ phase }: Work): Machine["phase"] {
  return phase === "up" ? "up" : "starting";
}
