// What a lab leaves on the machine outside of its namespaces, on record, so that a later run can
// take away what a dead one left.
//
// A lab's mounts, hosts and processes end with its first process, and that ends with whoever
// started it. What remains then is a folder, a link in our own network namespace for a moment, and
// control groups. Every lab's folder holds a record of these; what must always hold: only a record
// whose owner is gone, by pid and start time, is acted upon.

import { mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { killOne, run, startOf } from "./lab-run.ts";

export interface LabRecord {
  readonly pid: number;
  readonly start: string | undefined;
  readonly keeperPid?: number;
  readonly keeperStart?: string | undefined;
  readonly link?: string;
  /** The folder of control groups that the hosts have theirs in. */
  readonly cgroup?: string;
}

const prefix = "sky-lab-";
const recordName = "lab.json";

/** A folder for a new lab, with a record that says whose it is. */
export function newLabFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), prefix));
  writeRecord(folder, {});
  return folder;
}

export function writeRecord(folder: string, more: Partial<LabRecord>): LabRecord {
  const record: LabRecord = { pid: process.pid, start: startOf(process.pid), ...more };
  writeFileSync(join(folder, recordName), JSON.stringify(record));
  return record;
}

/** Takes away what labs left whose owners are gone. */
export async function removeDeadLabs(): Promise<void> {
  for (const name of readdirSync(tmpdir())) {
    if (!name.startsWith(prefix)) continue;
    const folder = join(tmpdir(), name);
    const record = readRecord(folder);
    if (record === undefined || startOf(record.pid) === record.start) continue;
    await removeLab(folder, record);
  }
}

/** Takes away all of one lab. What is gone already is fine. */
export async function removeLab(folder: string, record: LabRecord): Promise<void> {
  if (record.keeperPid !== undefined) killOne(record.keeperPid, record.keeperStart);
  if (record.link !== undefined) {
    await run(["ip", "link", "del", record.link], { mayFail: true });
  }
  if (record.cgroup !== undefined) removeCgroups(record.cgroup);
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}

/** The kernel removes a control group in which nothing lives, leaves first. */
function removeCgroups(folder: string): void {
  try {
    const entries = readdirSync(folder, { withFileTypes: true });
    for (const entry of entries) if (entry.isDirectory()) removeCgroups(join(folder, entry.name));
    rmdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}

function readRecord(folder: string): LabRecord | undefined {
  try {
    return JSON.parse(readFileSync(join(folder, recordName), "utf8")) as LabRecord;
  } catch (error) {
    // Another run just makes it or takes it away.
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
