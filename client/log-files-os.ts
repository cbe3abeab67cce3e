// The logs of a job as files: one for each rank, with exactly the bytes that it wrote.
//
// Names as SkyPilot's: `run.log` on a one-node cluster, else `<rank>-<node>.log`; the setup of each
// node is `setup-<node>.log`. A file is complete or not there under its name. What
// `sky logs --sync-down` and the SDK's `downloadLogs` do.

import { type FileHandle, open, rename } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import type { Job, RankKey } from "../model/job.ts";
import { makeFolders } from "../runtime/folders-os.ts";
import type { Head } from "./head.ts";
import { followLog, type LogPiece } from "./log-follow.ts";

/** A head that is asked until `signal` aborts. */
export interface Asking {
  readonly head: Head;
  readonly signal: AbortSignal;
}

export interface LogFetch {
  readonly cluster: string;
  readonly job: Job;
  /** Only the run of these; without any the run of all, and the setup. */
  readonly ranks?: readonly number[];
  /** The folder that gets the job's own one. */
  readonly into: string;
  /** Of the cluster, not of the job. */
  readonly clusterNodes: number;
}

/** Writes the job's logs as far as they go. Gives their folder. */
export async function fetchLogs(asking: Asking, fetch: LogFetch): Promise<string> {
  const { head, signal } = asking;
  const { cluster, job, into, ranks = [] } = fetch;
  const folder = `${into}/${folderName(cluster, job)}`;
  makeFolders(folder, 0o700);
  const query = { cluster, job: job.id, follow: false, offsets: [], ranks, tailLines: 0 };
  const files = new Files(fetch, folder);
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
  return folder;
}

/** Ids begin at 1 again after a `down`: the time tells such jobs apart. */
function folderName(cluster: string, { id, submittedAt }: Job): string {
  const at = new Date(submittedAt).toISOString().slice(0, 19).replaceAll(/[:T]/g, "-");
  return `${cluster}-${id}-${at}`;
}

class Files {
  readonly #fetch: LogFetch;
  readonly #folder: string;
  readonly #open = new Map<string, FileHandle>();

  constructor(fetch: LogFetch, folder: string) {
    this.#fetch = fetch;
    this.#folder = folder;
  }

  async write({ key, node, offset, bytes }: LogPiece): Promise<void> {
    const file = await this.#file(this.#nameOf(key, node));
    await file.write(bytes, 0, bytes.length, offset);
  }

  /** A rank that wrote nothing has an empty log, and so an empty file. */
  async addEmpty({ ranks, attempt, id }: Job): Promise<void> {
    const { ranks: only = [] } = this.#fetch;
    for (const { rank, node } of ranks) {
      if (only.length > 0 && !only.includes(rank)) continue;
      await this.#file(this.#nameOf({ job: id, attempt, phase: "run", index: rank }, node));
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#open.values()].map((file) => file.close()));
  }

  async publish(): Promise<void> {
    for (const name of this.#open.keys()) {
      await rename(`${this.#folder}/.${name}.part`, `${this.#folder}/${name}`);
    }
  }

  async #file(name: string): Promise<FileHandle> {
    const known = this.#open.get(name);
    if (known !== undefined) return known;
    const file = await open(`${this.#folder}/.${name}.part`, "w", 0o600);
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
