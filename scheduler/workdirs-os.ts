// Workdirs as they were when their jobs were submitted.
//
// A submit copies the folder to the cluster's own place; nodes take their copies from there when
// the job starts, however the user's folder has changed since. Tasks of one call share a copy. A
// copy goes when the last of its jobs has ended; `<copy>.jobs` beside it says which those are, so
// that a later head knows. A copy without that file belongs to a submit that a crash cut off: its
// jobs may exist, so it stays until the cluster goes.

import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { cp, lstat, mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { errorText, SkyError } from "../model/errors.ts";
import type { Task } from "../model/task.ts";
import type { Log } from "../runtime/log.ts";
import { isNoRoom, noRoom } from "../runtime/room-os.ts";
import { syncEntry, syncTree } from "../runtime/tree-os.ts";
import type { Board } from "./board.ts";

export interface Workdirs {
  /**
   * Copies what the tasks name; the copies are on disk when it resolves. Same length as `tasks`.
   * @throws SkyError `request/invalid`, `disk/full`.
   */
  snapshot(tasks: readonly Task[]): Promise<readonly (string | undefined)[]>;
  /** The jobs that took the copies of one `snapshot`; without any, the copies go at once. */
  assign(copies: readonly (string | undefined)[], jobs: readonly number[]): Promise<void>;
  close(): Promise<void>;
}

const jobsSuffix = ".jobs";
/** Version control is nothing that a job needs, and often larger than all else. */
const leftOut = ".git";

export async function openWorkdirs(options: {
  readonly dir: string;
  readonly board: Board;
  readonly log: Log;
}): Promise<Workdirs> {
  await mkdir(options.dir, { recursive: true, mode: 0o700 });
  const workdirs = new CopiedWorkdirs(options);
  await workdirs.restore();
  return workdirs;
}

class CopiedWorkdirs implements Workdirs {
  readonly #dir: string;
  readonly #board: Board;
  readonly #log: Log;
  /** The jobs of each copy that have not ended. */
  readonly #users = new Map<string, Set<number>>();
  readonly #removals = new Set<Promise<void>>();
  readonly #stopHearing: () => void;

  constructor(options: { readonly dir: string; readonly board: Board; readonly log: Log }) {
    this.#dir = options.dir;
    this.#board = options.board;
    this.#log = options.log;
    this.#stopHearing = options.board.onAnnouncement(({ jobs }) => {
      if (this.#users.size === 0) return;
      for (const job of jobs) if (job.phase === "ended") this.#ended(job.id);
    });
  }

  async restore(): Promise<void> {
    for (const name of await readdir(this.#dir)) {
      if (!name.endsWith(jobsSuffix)) continue;
      const copy = `${this.#dir}/${name.slice(0, -jobsSuffix.length)}`;
      const jobs = jobsIn(await readFile(`${this.#dir}/${name}`, "utf8"));
      if (jobs !== undefined) this.#use(copy, jobs);
      else this.#log.warn("workdir copy kept until the cluster goes: nobody knows whose", { copy });
    }
  }

  async snapshot(tasks: readonly Task[]): Promise<readonly (string | undefined)[]> {
    const copies = new Map<string, string>();
    for (const { workdir } of tasks) {
      if (workdir === undefined || copies.has(workdir)) continue;
      copies.set(workdir, await this.#copy(workdir));
    }
    return tasks.map(({ workdir }) => (workdir === undefined ? undefined : copies.get(workdir)));
  }

  async assign(copies: readonly (string | undefined)[], jobs: readonly number[]): Promise<void> {
    for (const copy of new Set(copies)) {
      if (copy === undefined) continue;
      const users = jobs.filter((_, index) => copies[index] === copy);
      if (users.length > 0) {
        const path = `${copy}${jobsSuffix}`;
        await writeFile(`${path}.new`, JSON.stringify(users), { mode: 0o600, flush: true });
        await rename(`${path}.new`, path);
      }
      this.#use(copy, users);
    }
  }

  async close(): Promise<void> {
    this.#stopHearing();
    await Promise.all(this.#removals);
  }

  async #copy(workdir: string): Promise<string> {
    // Whatever the reason is that it cannot be looked at: there is nothing to copy.
    const found = await stat(workdir).catch(() => undefined);
    if (!found?.isDirectory()) {
      throw new SkyError("request/invalid", { field: "workdir", why: `no folder at ${workdir}` });
    }
    const copy = `${this.#dir}/${randomUUID()}`;
    try {
      await cp(workdir, copy, {
        recursive: true,
        verbatimSymlinks: true,
        preserveTimestamps: true,
        mode: constants.COPYFILE_FICLONE,
        filter: isCopied,
      });
      // The job is on disk when its submit is answered: so is what it needs.
      await syncTree(copy);
      await syncEntry(this.#dir);
      return copy;
    } catch (cause) {
      await rm(copy, { recursive: true, force: true });
      if (isNoRoom(cause)) throw noRoom(this.#dir, cause);
      const why = errorText(cause);
      throw new SkyError("process/failed", { what: `copying ${workdir}`, why }, { cause });
    }
  }

  #use(copy: string, jobs: readonly number[]): void {
    const live = jobs.filter((id) => {
      const job = this.#board.job(id);
      return job !== undefined && job.phase !== "ended";
    });
    if (live.length === 0) this.#remove(copy);
    else this.#users.set(copy, new Set(live));
  }

  #ended(job: number): void {
    for (const [copy, users] of this.#users) {
      if (users.delete(job) && users.size === 0) this.#remove(copy);
    }
  }

  #remove(copy: string): void {
    this.#users.delete(copy);
    const removal = (async () => {
      // The copy goes first: its list of jobs is what a later head would find it by.
      await rm(copy, { recursive: true, force: true });
      await rm(`${copy}${jobsSuffix}`, { force: true });
    })().catch((error: unknown) => {
      this.#log.warn("workdir copy not removed", { copy, why: errorText(error) });
    });
    this.#removals.add(removal);
    void removal.then(() => this.#removals.delete(removal));
  }
}

/** `undefined` for half a list, as a machine that lost power may leave it. */
function jobsIn(text: string): readonly number[] | undefined {
  try {
    return JSON.parse(text) as readonly number[];
  } catch {
    return undefined;
  }
}

/** Sockets, pipes and devices have no content to copy. */
async function isCopied(path: string): Promise<boolean> {
  if (basename(path) === leftOut) return false;
  const found = await lstat(path);
  return found.isFile() || found.isDirectory() || found.isSymbolicLink();
}
