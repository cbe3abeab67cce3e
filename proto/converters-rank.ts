// Ranks, their ends and what nodes offer: model ↔ proto, both ways, total by type.
//
// A part that must be there and is not is `codec/invalid` with its name: a rank without a key, an
// exit of no kind. Nothing is made up for it.

import type { Address } from "../model/address.ts";
import type { Exit, RankKey, RankRecord, SweepRecord } from "../model/job.ts";
import type { Accelerators, Capacity } from "../model/resources.ts";
import type { TreeRef } from "../model/tree.ts";
import { rankPhases, rankReportPhases, stopCauses } from "./enums.ts";
import { given, needed } from "./fields.ts";
import type { sky } from "./gen/sky.js";
import type { RankPlace, RankReport } from "./messages.ts";

export function rankKeyToProto(key: RankKey): sky.v1.RankKey.$Properties {
  return {
    job: key.job,
    attempt: key.attempt,
    phase: rankPhases.toProto(key.phase),
    index: key.index,
  };
}

/** @throws SkyError `codec/invalid` if it is absent. */
export function rankKeyFromProto(key: sky.v1.RankKey | null): RankKey {
  const { job, attempt, phase, index } = needed(key, "RankKey");
  return { job, attempt, phase: rankPhases.fromProto(phase), index };
}

export function treeToProto({ digest, bytes }: TreeRef): sky.v1.Tree.$Properties {
  return { digest, bytes };
}

export function treeFromProto({ digest, bytes }: sky.v1.Tree): TreeRef {
  return { digest, bytes };
}

export function addressToProto(address: Address): sky.v1.Address.$Properties {
  const { cluster, node, kind, id } = address;
  return { cluster, node, kind, id };
}

export function addressFromProto(address: sky.v1.Address | null): Address {
  const { cluster, node, kind, id } = needed(address, "Address");
  return { cluster, node, kind, id };
}

export function exitToProto(exit: Exit): sky.v1.Exit.$Properties {
  switch (exit.kind) {
    case "code":
      return { code: exit.code };
    case "signal":
      return { signal: { signal: exit.signal, evidence: exit.evidence } };
    case "stopped":
      return { stopped: stopCauses.toProto(exit.why) };
    case "unknown":
      return { unknown: { evidence: exit.evidence } };
  }
}

/** @throws SkyError `codec/invalid` if it is absent or of no kind that we know. */
export function exitFromProto(exit: sky.v1.Exit | null): Exit {
  const { kind, code, signal, stopped, unknown } = needed(exit, "Exit");
  switch (needed(kind, "Exit.kind")) {
    case "code":
      return { kind: "code", code: needed(code, "Exit.code") };
    case "signal": {
      const { signal: number, evidence } = needed(signal, "Exit.signal");
      return { kind: "signal", signal: number, evidence };
    }
    case "stopped":
      return { kind: "stopped", why: stopCauses.fromProto(needed(stopped, "Exit.stopped")) };
    case "unknown":
      return { kind: "unknown", evidence: needed(unknown, "Exit.unknown").evidence };
  }
}

export function sweepToProto(sweep: SweepRecord): sky.v1.Sweep.$Properties {
  const { node, found, killed, survivors, unproven } = sweep;
  return { node, found, killed, survivors, unproven: [...unproven] };
}

export function sweepFromProto(sweep: sky.v1.Sweep | null): SweepRecord {
  const { node, found, killed, survivors, unproven } = needed(sweep, "Sweep");
  return { node, found, killed, survivors, unproven: [...unproven] };
}

export function acceleratorsToProto(devices: Accelerators): sky.v1.Accelerators.$Properties {
  const { name, count, ids = [] } = devices;
  return { name, count, ids: [...ids] };
}

export function acceleratorsFromProto(devices: sky.v1.Accelerators | null): Accelerators {
  const { name, count, ids } = needed(devices, "Accelerators");
  return { name, count, ...(ids.length === 0 ? {} : { ids }) };
}

export function capacityToProto(capacity: Capacity): sky.v1.Capacity.$Properties {
  const { cpus, memoryBytes, accelerators } = capacity;
  return { cpus, memoryBytes, accelerators: accelerators.map(acceleratorsToProto) };
}

export function capacityFromProto(capacity: sky.v1.Capacity | null): Capacity {
  const { cpus, memoryBytes, accelerators } = needed(capacity, "Capacity");
  return { cpus, memoryBytes, accelerators: accelerators.map(acceleratorsFromProto) };
}

export function rankRecordToProto(record: RankRecord): sky.v1.Rank.$Properties {
  const { rank, node, ip, pid, startedAt, endedAt, exit, logBytes } = record;
  return {
    rank,
    node,
    ip,
    ...given("pid", pid),
    ...given("startedAt", startedAt),
    ...given("endedAt", endedAt),
    ...given("exit", exit && exitToProto(exit)),
    ...given("logBytes", logBytes),
  };
}

export function rankRecordFromProto(record: sky.v1.Rank): RankRecord {
  const { rank, node, ip, pid, startedAt, endedAt, exit, logBytes } = record;
  return {
    rank,
    node,
    ip,
    ...given("pid", pid),
    ...given("startedAt", startedAt),
    ...given("endedAt", endedAt),
    ...given("exit", exit && exitFromProto(exit)),
    ...given("logBytes", logBytes),
  };
}

export function rankPlaceFromProto(place: sky.v1.RankPlace.$Properties | null | undefined): {
  readonly place?: RankPlace;
} {
  if (place === null || place === undefined) return {};
  const { folder, inUseBy } = place;
  return { place: { folder: folder ?? "", ...given("inUseBy", inUseBy) } };
}

export function rankReportToProto(report: RankReport): sky.v1.RankReport.$Properties {
  const key = rankKeyToProto(report.key);
  const phase = rankReportPhases.toProto(report.phase);
  switch (report.phase) {
    case "preparing":
    case "ready":
      return { key, phase };
    case "running":
      return {
        ...{ key, phase, pid: report.pid, startedAt: report.startedAt },
        ...given("place", report.place),
      };
    case "exited":
      return {
        key,
        phase,
        exit: exitToProto(report.exit),
        ...given("pid", report.pid),
        ...given("startedAt", report.startedAt),
        ...given("place", report.place),
        endedAt: report.endedAt,
        logBytes: report.logBytes,
        ...given("sweep", report.sweep && sweepToProto(report.sweep)),
      };
  }
}

/** @throws SkyError `codec/invalid` if a part that its phase must have is absent. */
export function rankReportFromProto(report: sky.v1.RankReport): RankReport {
  const key = rankKeyFromProto(report.key);
  const phase = rankReportPhases.fromProto(report.phase);
  switch (phase) {
    case "preparing":
    case "ready":
      return { phase, key };
    case "running":
      return {
        phase,
        key,
        pid: needed(report.pid, "RankReport.pid"),
        startedAt: needed(report.startedAt, "RankReport.started_at"),
        ...rankPlaceFromProto(report.place),
      };
    case "exited":
      return {
        phase,
        key,
        exit: exitFromProto(report.exit),
        ...given("pid", report.pid),
        ...given("startedAt", report.startedAt),
        ...rankPlaceFromProto(report.place),
        endedAt: needed(report.endedAt, "RankReport.ended_at"),
        logBytes: needed(report.logBytes, "RankReport.log_bytes"),
        ...given("sweep", report.sweep && sweepFromProto(report.sweep)),
      };
  }
}
