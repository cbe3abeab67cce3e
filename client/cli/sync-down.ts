// `sky logs --sync-down`: each rank's log as a file that holds exactly the bytes that it wrote.
//
// Names as SkyPilot's: `run.log` on a one-node cluster, else `<rank>-<node>.log`; the setup of each
// node is `setup-<node>.log`. A file is complete or not there under its name.

import { mkdirSync } from "node:fs";
import { type FileHandle, open, rename } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { SkyError } from "../../model/errors.ts";
import type { Job, RankKey } from "../../model/job.ts";
import type { Head } from "../head.ts";
import { followLog, type LogPiece } from "../log-follow.ts";
import { nodesOf } from "./cluster-nodes.ts";
import { type ExitCode, exitCodes } from "./exit-codes.ts";
import { jobIdOf } from "./job-ids.ts";
import { globMatches, isGlob } from "./names.ts";
import type { Shell } from "./shell.ts";

export async function syncDown(
  shell: Shell,
  cluster: string,
  words: readonly string[],
): Promise<ExitCode> {
  const head = await shell.head();
  const clusterNodes = await nodesOf(shell, head, cluster);
  const jobs = await jobsMeant(shell, head, { cluster, words });
  if (jobs.length === 0) shell.say("No matching jobs found.");
  for (const job of jobs) {
    const folder = `${shell.home.logs}/${folderName(cluster, job)}`;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    await fetchLogs(shell, head, { cluster, job, folder, clusterNodes });
    shell.print(`Job ${job.id} logs: ${folder}`);
  }
  return exitCodes.done;
}

/** Ids and globs over ids; without any the latest job. @throws SkyError `job/not-found`. */
async function jobsMeant(
  shell: Shell,
  head: Head,
  { cluster, words }: { readonly cluster: string; readonly words: readonly string[] },
): Promise<readonly Job[]> {
  const signal = shell.interrupt;
  if (words.length === 0) return [await head.getJob({ cluster, job: 0 }, signal)];
  const exact = words.filter((word) => !isGlob(word)).map(jobIdOf);
  const jobs = await head.listJobs({ cluster, skipFinished: false }, signal);
  const missing = exact.find((id) => !jobs.some((job) => job.id === id));
  if (missing !== undefined) {
    throw new SkyError("job/not-found", { id: missing, name: cluster });
  }
  return jobs
    .filter(({ id }) => words.some((word) => globMatches(word, String(id))))
    .sort((a, b) => a.id - b.id);
}

/** Ids begin at 1 again after a `down`: the time tells such jobs apart. */
function folderName(cluster: string, { id, submittedAt }: Job): string {
  const at = new Date(submittedAt).toISOString().slice(0, 19).replaceAll(/[:T]/g, "-");
  return `${cluster}-${id}-${at}`;
}

interface Fetch {
  readonly cluster: string;
  readonly job: Job;
  readonly folder: string;
  readonly clusterNodes: number;
}

async function fetchLogs(shell: Shell, head: Head, fetch: Fetch): Promise<void> {
  const signal = shell.interrupt;
  const { cluster, job } = fetch;
  const query = { cluster, job: job.id, follow: false, offsets: [], ranks: [], tailLines: 0 };
  const files = new Files(fetch);
  try {
    const ports = {
      open: (again: typeof query | Parameters<Head["tailLogs"]>[0]) => head.tailLogs(again, signal),
      pause: (ms: number) => pause(ms, undefined, { signal }),
    };
    for await (const event of followLog(query, ports)) {
      if (event.kind === "piece") await files.write(event.piece);
    }
    await files.addEmpty(job);
  } finally {
    await files.close();
  }
  await files.publish();
}

class Files {
  readonly #fetch: Fetch;
  readonly #open = new Map<string, FileHandle>();

  constructor(fetch: Fetch) {
    this.#fetch = fetch;
  }

  async write({ key, node, offset, bytes }: LogPiece): Promise<void> {
    const file = await this.#file(this.#nameOf(key, node));
    await file.write(bytes, 0, bytes.length, offset);
  }

  /** A rank that wrote nothing has an empty log, and so an empty file. */
  async addEmpty({ ranks, attempt, id }: Job): Promise<void> {
    for (const { rank, node } of ranks) {
      await this.#file(this.#nameOf({ job: id, attempt, phase: "run", index: rank }, node));
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#open.values()].map((file) => file.close()));
  }

  async publish(): Promise<void> {
    const { folder } = this.#fetch;
    for (const name of this.#open.keys()) {
      await rename(`${folder}/.${name}.part`, `${folder}/${name}`);
    }
  }

  async #file(name: string): Promise<FileHandle> {
    const known = this.#open.get(name);
    if (known !== undefined) return known;
    const file = await open(`${this.#fetch.folder}/.${name}.part`, "w", 0o600);
    this.#open.set(name, file);
    return file;
  }

  #nameOf({ phase, index, attempt }: RankKey, node: string): string {
    const { clusterNodes, job } = this.#fetch;
    const earlier = attempt === job.attempt ? "" : `.attempt-${attempt}`;
    if (phase === "setup") return `setup-${node}${earlier}.log`;
    return clusterNodes === 1 ? `run${earlier}.log` : `${index}-${node}${earlier}.log`;
  }
}
