// Workdirs as they were when their jobs were submitted.
//
// A submit packs the folder into the home's content store (`transfer/tree/`); nodes fetch what they
// lack of it when the job starts, however the user's folder has changed since. What is in the store
// already, of an earlier submit or of another folder, is not stored again. A node has one workdir:
// a job finds its tree as long as no other version is laid out there meanwhile. The tree is pinned
// under its digest as long as a job that has not ended needs it; which jobs those are is on their
// records, so a later head knows, and what a crash cut off a submit is let go of then.

import { randomUUID } from "node:crypto";
import { stat } from "node:fs/promises";
import { errorText, isSkyError, SkyError } from "../model/errors.ts";
import type { Task } from "../model/task.ts";
import type { TreeRef } from "../model/tree.ts";
import type { Log } from "../runtime/log.ts";
import { isNoRoom, noRoom } from "../runtime/room-os.ts";
import type { ContentStore, PinName } from "../transfer/chunks/content-store.ts";
import { ContentCutter } from "../transfer/chunks/cut-content.ts";
import type { ChunkWork } from "../transfer/chunks/work.ts";
import type { PackedTree } from "../transfer/tree/pack-os.ts";
import { packTree } from "../transfer/tree/pack-os.ts";
import {
  packingPin,
  packingPins,
  workdirIn,
  workdirPin,
  workdirPins,
} from "../transfer/tree/pins.ts";
import type { TreeChunk } from "../transfer/tree/region-writer.ts";
import type { Board } from "./board.ts";
import { WorkdirCopies } from "./workdir-copies-os.ts";

/** A workdir as it was. */
export interface Snapshot {
  readonly tree: TreeRef;
  /** Where it is as a folder, if some node cannot take chunks. */
  readonly copy: string;
}

export interface Workdirs {
  /**
   * Packs what the tasks name; it is on disk when it resolves. Same length as `tasks`.
   * @throws SkyError `request/invalid`, `disk/full`, `chunks/full`, `process/failed`.
   */
  snapshot(tasks: readonly Task[]): Promise<readonly (Snapshot | undefined)[]>;
  /** The jobs that took what one `snapshot` made; without any, it is let go of. */
  assign(snapshots: readonly (Snapshot | undefined)[], jobs: readonly number[]): Promise<void>;
  close(): Promise<void>;
}

export interface WorkdirsOptions {
  readonly cluster: string;
  /** For copies. */
  readonly dir: string;
  readonly board: Board;
  readonly chunks: ContentStore;
  readonly work: Pick<ChunkWork, "name">;
  /** The trees of all jobs on record; asked for when something is pinned from before. */
  readonly recorded: () => Promise<ReadonlyMap<number, TreeRef>>;
  readonly log: Log;
}

/** Version control is nothing that a job needs, and often larger than all else. */
const leftOut = ".git";

export async function openWorkdirs(options: WorkdirsOptions): Promise<Workdirs> {
  const workdirs = new PackedWorkdirs(options);
  await workdirs.restore();
  return workdirs;
}

/** A tree that is pinned, and for whom. */
interface Kept {
  readonly tree: TreeRef;
  /** Those that have not ended. */
  readonly jobs: Set<number>;
  /** Submits that have it and do not know their jobs yet. */
  holds: number;
}

class PackedWorkdirs implements Workdirs {
  readonly #options: WorkdirsOptions;
  readonly #copies: WorkdirCopies;
  readonly #kept = new Map<string, Kept>();
  readonly #treeOf = new Map<number, Kept>();
  readonly #stopHearing: () => void;
  #restoring: Promise<void> | undefined;
  /** Pins are changed one after the other: what was let go of may be wanted again meanwhile. */
  #turn: Promise<void> = Promise.resolve();

  constructor(options: WorkdirsOptions) {
    this.#options = options;
    this.#copies = new WorkdirCopies(options);
    this.#stopHearing = options.board.onAnnouncement(({ jobs, nodes }) => {
      for (const job of jobs) if (job.phase === "ended") this.#ended(job.id);
      if (nodes !== undefined) this.#makeCopies();
    });
  }

  async restore(): Promise<void> {
    await this.#copies.restore((job) => this.#isLive(job));
    // A head whose disk is full opens all the same.
    await this.#restored().catch((error: unknown) => {
      const why = errorText(error);
      this.#options.log.warn("pinned workdirs are looked at when the next one is packed", { why });
    });
  }

  /** What an earlier head pinned. Tried again until it is done: nothing new is pinned before. */
  #restored(): Promise<void> {
    if (this.#restoring !== undefined) return this.#restoring;
    const restoring = this.#restorePins();
    this.#restoring = restoring;
    restoring.catch(() => {
      this.#restoring = undefined;
    });
    return restoring;
  }

  async #restorePins(): Promise<void> {
    const { chunks, cluster } = this.#options;
    for (const pin of await chunks.pins(packingPins(cluster))) await chunks.unpin(pin);
    const pins = await chunks.pins(workdirPins(cluster));
    if (pins.length === 0) return;
    for (const [job, tree] of await this.#options.recorded()) {
      if (this.#isLive(job)) this.#use(this.#keep(tree), job);
    }
    for (const pin of pins) {
      if (!this.#kept.has(workdirIn(cluster, pin) ?? "")) await chunks.unpin(pin);
    }
    this.#makeCopies();
  }

  async snapshot(tasks: readonly Task[]): Promise<readonly (Snapshot | undefined)[]> {
    const packed = new Map<string, Snapshot>();
    if (tasks.some(({ workdir }) => workdir !== undefined)) await this.#restored();
    try {
      for (const { workdir } of tasks) {
        if (workdir === undefined || packed.has(workdir)) continue;
        packed.set(workdir, await this.#pack(workdir));
      }
    } catch (error) {
      await this.assign([...packed.values()], []);
      throw error;
    }
    return tasks.map(({ workdir }) => (workdir === undefined ? undefined : packed.get(workdir)));
  }

  async assign(
    snapshots: readonly (Snapshot | undefined)[],
    jobs: readonly number[],
  ): Promise<void> {
    for (const snapshot of new Set(snapshots)) {
      const kept = snapshot && this.#kept.get(snapshot.tree.digest);
      if (kept === undefined) continue;
      const users = jobs.filter((job, index) => snapshots[index] === snapshot && this.#isLive(job));
      for (const job of users) this.#use(kept, job);
      kept.holds -= 1;
      this.#releaseUnused(kept);
    }
  }

  async close(): Promise<void> {
    this.#stopHearing();
    await this.#turn;
    await this.#copies.close();
  }

  async #pack(workdir: string): Promise<Snapshot> {
    // Whatever the reason is that it cannot be looked at: there is nothing to pack.
    const found = await stat(workdir).catch(() => undefined);
    if (!found?.isDirectory()) {
      throw new SkyError("request/invalid", { field: "workdir", why: `no folder at ${workdir}` });
    }
    const { chunks, cluster } = this.#options;
    const pin = packingPin(cluster, randomUUID());
    try {
      const packed = await this.#packInto(pin, workdir);
      return await this.#hold(packed);
    } catch (cause) {
      if (isNoRoom(cause)) throw noRoom(this.#options.dir, cause);
      if (isSkyError(cause)) throw cause;
      const params = { what: `packing ${workdir}`, why: errorText(cause) };
      throw new SkyError("process/failed", params, { cause });
    } finally {
      await chunks.unpin(pin);
    }
  }

  async #packInto(pin: PinName, workdir: string): Promise<PackedTree> {
    const { chunks, work, log } = this.#options;
    const keep = async (batch: readonly TreeChunk[]): Promise<void> => {
      // Pinned before it is put: what is known may otherwise be evicted a moment later.
      await chunks.pin(
        pin,
        batch.map(({ ref }) => ref),
      );
      await Promise.all(
        batch.map(({ ref, bytes }) => chunks.put(ref.digest, bytes, { proven: true })),
      );
    };
    const newCutter = () => new ContentCutter();
    const isLeftOut = (name: string): boolean => name === leftOut;
    const packed = await packTree(workdir, { keep, newCutter, work, isLeftOut });
    const { skipped } = packed;
    if (skipped.length > 0) log.warn("not packed: sockets, pipes and devices", { skipped });
    return packed;
  }

  /** Pinned under its own name, for a submit that does not know its jobs yet. */
  async #hold({ tree, chunks: refs }: PackedTree): Promise<Snapshot> {
    const { chunks, cluster, board } = this.#options;
    const kept = this.#keep(tree);
    kept.holds += 1;
    try {
      await this.#inTurn(() => chunks.pin(workdirPin(cluster, tree.digest), refs));
      if (board.needsCopies()) await this.#copies.make(tree);
      return { tree, copy: this.#copies.pathOf(tree) };
    } catch (error) {
      kept.holds -= 1;
      this.#releaseUnused(kept);
      throw error;
    }
  }

  #keep(tree: TreeRef): Kept {
    const known = this.#kept.get(tree.digest);
    if (known !== undefined) return known;
    const kept: Kept = { tree, jobs: new Set(), holds: 0 };
    this.#kept.set(tree.digest, kept);
    return kept;
  }

  #use(kept: Kept, job: number): void {
    kept.jobs.add(job);
    this.#treeOf.set(job, kept);
  }

  #isLive(id: number): boolean {
    const job = this.#options.board.job(id);
    return job !== undefined && job.phase !== "ended";
  }

  #ended(job: number): void {
    this.#copies.ended(job);
    const kept = this.#treeOf.get(job);
    if (kept === undefined) return;
    this.#treeOf.delete(job);
    kept.jobs.delete(job);
    this.#releaseUnused(kept);
  }

  #releaseUnused(kept: Kept): void {
    if (isUsed(kept)) return;
    const { chunks, cluster, log } = this.#options;
    const { tree } = kept;
    const released = this.#inTurn(async () => {
      if (isUsed(kept) || this.#kept.get(tree.digest) !== kept) return;
      this.#kept.delete(tree.digest);
      this.#copies.drop(tree);
      await chunks.unpin(workdirPin(cluster, tree.digest));
    });
    released.catch((error: unknown) => {
      log.warn("workdir not let go of", { tree: tree.digest, why: errorText(error) });
    });
  }

  async #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => {}); // Whoever asked for it hears of it.
    await done;
  }

  /** A node that cannot take chunks is there: it finds a copy of whatever a job may need. */
  #makeCopies(): void {
    const { board, log } = this.#options;
    if (!board.needsCopies()) return;
    for (const { tree } of this.#kept.values()) {
      this.#copies.make(tree).catch((error: unknown) => {
        log.warn("workdir not copied", { tree: tree.digest, why: errorText(error) });
      });
    }
  }
}

function isUsed({ jobs, holds }: Kept): boolean {
  return jobs.size > 0 || holds > 0;
}
