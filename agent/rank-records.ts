// What the agent itself writes about a rank: that it was stopped and why, what the sweep found, and
// which secrets its log may hold. Beside the shim's files, so that a later agent knows it too.
//
// A stop record in a directory that nobody had claimed is a tombstone: a directory that is not
// empty can never be claimed. Secrets lie in the agent's own folder (0600) until the rank is
// forgotten, because they must be known before the directory exists and masked after a restart.

import { isSkyError } from "../model/errors.ts";
import type { NodeHome } from "../model/home.ts";
import { rankDir } from "../model/home.ts";
import type { RankKey, StopCause, SweepRecord } from "../model/job.ts";
import { parseRankKey, rankKeyText } from "../model/job.ts";
import type { Files } from "../runtime/files.ts";
import type { Log } from "../runtime/log.ts";
import type { ProcessReport } from "../runtime/process.ts";
import type { RankState } from "./rank.ts";

export interface StopRecord {
  readonly why: StopCause;
  readonly graceMs: number;
  readonly wallMs: number;
}

export interface RankRecords {
  writeStop(key: RankKey, record: StopRecord): Promise<void>;
  writeSweep(key: RankKey, sweep: SweepRecord): Promise<void>;
  writeSecrets(key: RankKey, secrets: readonly string[]): Promise<void>;
  readSecrets(key: RankKey): Promise<readonly Uint8Array[]>;
  /** The rank's directory and all that is known of it. */
  remove(key: RankKey): Promise<void>;
  /** The states in which an agent that starts now finds the ranks. */
  resume(reports: readonly ProcessReport[], wallMs: number): Promise<readonly RankState[]>;
}

const names = { stop: "stop", sweep: "sweep" } as const;

export interface RankRecordsOptions {
  readonly home: NodeHome;
  readonly node: string;
  readonly files: Files;
  /** Whether somebody has a use for the directory of a forgotten rank, and took it. */
  readonly isTaken?: (dir: string) => boolean;
}

/** The records of one node, over its files. */
export function rankRecordsAt(options: RankRecordsOptions): RankRecords {
  const { home, node, files } = options;
  const secretsPath = (key: RankKey) => `${home.state}/secrets/${rankKeyText(key)}`;
  const write = async (key: RankKey, name: string, value: object): Promise<void> => {
    const dir = rankDir(home, key);
    await files.makeDir(dir, 0o700);
    await files.replace(`${dir}/${name}`, Buffer.from(JSON.stringify(value)), 0o600);
  };
  // Most ranks have no secrets, and need not be looked up and removed for that.
  const without = new Set<string>();
  const inTurn = turnsByRank();
  return {
    writeStop: (key, record) => inTurn(key, () => write(key, names.stop, record)),
    writeSweep: (key, sweep) => inTurn(key, () => write(key, names.sweep, sweep)),
    writeSecrets: async (key, secrets) => {
      if (secrets.length === 0) {
        without.add(rankKeyText(key));
        return;
      }
      without.delete(rankKeyText(key));
      await files.makeDir(`${home.state}/secrets`, 0o700);
      await files.replace(secretsPath(key), Buffer.from(JSON.stringify(secrets)), 0o600);
    },
    readSecrets: async (key) => {
      if (without.has(rankKeyText(key))) return [];
      const secrets = await readJson<readonly string[]>(files, secretsPath(key));
      return (secrets ?? []).map((secret) => Buffer.from(secret));
    },
    remove: (key) =>
      inTurn(key, async () => {
        if (!without.delete(rankKeyText(key))) await files.remove(secretsPath(key));
        if (!options.isTaken?.(rankDir(home, key))) await files.remove(rankDir(home, key));
      }),
    resume: async (reports, wallMs) => {
      const byDir = new Map(reports.map((report) => [report.dir, report]));
      const ranks: RankState[] = [];
      // Claimed directories, and tombstones that no process port knows of.
      const claimed = reports.map(({ dir }) => dir.slice(dir.lastIndexOf("/") + 1));
      for (const name of new Set([...claimed, ...(await files.list(home.ranks))])) {
        const key = parseRankKey(name);
        if (key === undefined) continue;
        const dir = rankDir(home, key);
        const stop = await readJson<StopRecord>(files, `${dir}/${names.stop}`);
        const sweep = await readJson<SweepRecord>(files, `${dir}/${names.sweep}`);
        // One that saw a survivor proves nothing: it is swept again.
        const proof = sweep?.survivors === 0 ? sweep : undefined;
        ranks.push(resumedRank(key, byDir.get(dir), { stop, sweep: proof, node, wallMs }));
      }
      return ranks;
    },
  };
}

/**
 * A record for a later agent. On a full disk the rank is stopped and swept without it: a later
 * agent finds the rank unstopped, and hears of the stop from the head once more.
 */
export async function unlessNoRoom(log: Log, write: Promise<void>): Promise<void> {
  try {
    await write;
  } catch (error) {
    if (!isSkyError(error, "disk/full")) throw error;
    log.warn("a record of a rank found no room", { why: error.message });
  }
}

/** Runs work one after the other for each rank, whatever became of the work before. */
function turnsByRank(): (key: RankKey, work: () => Promise<void>) => Promise<void> {
  const last = new Map<string, Promise<void>>();
  return async (key, work) => {
    const name = rankKeyText(key);
    const done = last.get(name)?.then(work, work) ?? work();
    last.set(name, done);
    try {
      await done;
    } finally {
      if (last.get(name) === done) last.delete(name);
    }
  };
}

async function readJson<T>(files: Files, path: string): Promise<T | undefined> {
  const bytes = await files.read(path);
  return bytes === undefined ? undefined : (JSON.parse(Buffer.from(bytes).toString()) as T);
}

interface Known {
  readonly stop: StopRecord | undefined;
  readonly sweep: SweepRecord | undefined;
  readonly node: string;
  readonly wallMs: number;
}

/** The state of one rank from what its directory tells. Exported for tests. */
export function resumedRank(
  key: RankKey,
  report: ProcessReport | undefined,
  { stop, sweep, node, wallMs }: Known,
): RankState {
  switch (report?.phase) {
    case "running": {
      const start = { pid: report.pid, startedAt: report.startedWallMs };
      if (stop === undefined) return { phase: "running", key, start };
      const graceMs = Math.max(0, stop.wallMs + stop.graceMs - wallMs);
      const common = { key, why: stop.why, graceMs, start, end: undefined, sweep: undefined };
      return { phase: "stopping", ...common, doing: "wait" };
    }
    case "exited": {
      const { pid, startedWallMs, endedWallMs: endedAt, logBytes } = report;
      const start = pid && startedWallMs ? { pid, startedAt: startedWallMs } : undefined;
      const exit = stop ? ({ kind: "stopped", why: stop.why } as const) : report.exit;
      const end = { exit, endedAt, logBytes };
      return { phase: "exited", key, start, end, sweep, sweeping: false, acknowledged: false };
    }
    case "prepared":
    case "never-started":
    case undefined:
      return stop ? stopped(key, sweep, node) : neverStarted(key, wallMs);
  }
}

function stopped(key: RankKey, sweep: SweepRecord | undefined, node: string): RankState {
  const none = { node, found: 0, killed: 0, survivors: 0, unproven: [] };
  return { phase: "stopped", key, sweep: sweep ?? none, acknowledged: false };
}

/** It stood ready when its agent ended, and ended with it: nobody may wait for it. */
function neverStarted(key: RankKey, endedAt: number): RankState {
  const exit = { kind: "unknown", evidence: "it never started: its agent ended before" } as const;
  const end = { exit, endedAt, logBytes: 0 };
  const none = { start: undefined, sweep: undefined, sweeping: false, acknowledged: false };
  return { phase: "exited", key, end, ...none };
}
