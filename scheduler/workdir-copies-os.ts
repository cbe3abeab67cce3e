// Workdirs as folders on this machine, for nodes that cannot take chunks.
//
// Programs of 0.1.0 take a workdir from a path. Where a cluster has such a node, each tree that a
// job needs is unpacked here once, under its digest; nodes that take chunks never look. Copies that
// a head of that version made itself are found by the list of jobs beside them, `<copy>.jobs`, and
// go when those have ended.

import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { errorText, isSkyError, SkyError } from "../model/errors.ts";
import type { TreeRef } from "../model/tree.ts";
import type { Log } from "../runtime/log.ts";
import { removeTree } from "../runtime/removal-os.ts";
import { isNoRoom, noRoom } from "../runtime/room-os.ts";
import { digestPattern } from "../transfer/chunks/chunk.ts";
import type { ContentStore } from "../transfer/chunks/content-store.ts";
import { unpackTree } from "../transfer/tree/unpack-os.ts";

export interface WorkdirCopiesOptions {
  readonly dir: string;
  readonly chunks: ContentStore;
  readonly log: Log;
}

const jobsSuffix = ".jobs";

export class WorkdirCopies {
  readonly #options: WorkdirCopiesOptions;
  readonly #made = new Map<string, Promise<void>>();
  /** Copies that an earlier version made, and whose they are. */
  readonly #old = new Map<string, Set<number>>();
  readonly #removals = new Set<Promise<void>>();
  readonly #closing = new AbortController();

  constructor(options: WorkdirCopiesOptions) {
    this.#options = options;
  }

  pathOf({ digest }: TreeRef): string {
    return `${this.#options.dir}/${digest}`;
  }

  /** What an earlier head left: copies of trees are made again where they are needed. */
  async restore(isLive: (job: number) => boolean): Promise<void> {
    const { dir, log } = this.#options;
    await mkdir(dir, { recursive: true, mode: 0o700 });
    for (const name of await readdir(dir)) {
      if (digestPattern.test(name)) this.#remove(`${dir}/${name}`);
      if (!name.endsWith(jobsSuffix)) continue;
      const copy = `${dir}/${name.slice(0, -jobsSuffix.length)}`;
      const jobs = jobsIn(await readFile(`${dir}/${name}`, "utf8"));
      if (jobs === undefined) {
        log.warn("workdir copy kept until the cluster goes: nobody knows whose", { copy });
        continue;
      }
      const live = jobs.filter(isLive);
      if (live.length === 0) this.#remove(copy);
      else this.#old.set(copy, new Set(live));
    }
  }

  /** Twice is once. @throws SkyError `disk/full`, `process/failed`, `chunk/missing`… */
  make(tree: TreeRef): Promise<void> {
    const known = this.#made.get(tree.digest);
    if (known !== undefined) return known;
    const making = this.#make(tree);
    this.#made.set(tree.digest, making);
    making.catch(() => this.#made.delete(tree.digest));
    return making;
  }

  /** No job needs this tree any more. */
  drop(tree: TreeRef): void {
    const made = this.#made.get(tree.digest);
    if (made === undefined) return;
    this.#made.delete(tree.digest);
    this.#remove(this.pathOf(tree), made);
  }

  ended(job: number): void {
    for (const [copy, jobs] of this.#old) {
      if (!jobs.delete(job) || jobs.size > 0) continue;
      this.#old.delete(copy);
      this.#remove(copy);
    }
  }

  async close(): Promise<void> {
    this.#closing.abort(new SkyError("core/cancelled", { what: "copying a workdir" }));
    await Promise.allSettled(this.#made.values());
    await Promise.all(this.#removals);
  }

  async #make(tree: TreeRef): Promise<void> {
    const { dir, chunks: source } = this.#options;
    const { signal } = this.#closing;
    await Promise.all(this.#removals);
    try {
      await unpackTree(this.pathOf(tree), { source, tree, signal });
    } catch (cause) {
      this.#remove(this.pathOf(tree));
      if (isNoRoom(cause)) throw noRoom(dir, cause);
      if (isSkyError(cause)) throw cause;
      const what = `copying a workdir to ${this.pathOf(tree)}`;
      throw new SkyError("process/failed", { what, why: errorText(cause) }, { cause });
    }
  }

  #remove(copy: string, after: Promise<void> = Promise.resolve()): void {
    const removal = after
      .catch(() => {}) // Whoever asked for it has heard of that.
      .then(async () => {
        // The copy goes first: its list of jobs is what a later head would find it by.
        await removeTree(copy);
        await rm(`${copy}${jobsSuffix}`, { force: true });
      })
      .catch((error: unknown) => {
        this.#options.log.warn("workdir copy not removed", { copy, why: errorText(error) });
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
