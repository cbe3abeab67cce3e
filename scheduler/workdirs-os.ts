// Workdirs and file mounts as they were when their jobs were submitted.
//
// A submit packs what its tasks name into the home's content store (`transfer/tree/`), each source
// once; nodes fetch what they lack of it when the job starts, however the user's files have changed
// since. What is in the store already, of an earlier submit or of another folder, is not stored
// again. A tree is pinned under its digest as long as a job that has not ended needs it; which jobs
// those are is on their records, so a later head knows, and what a crash cut off a submit is let go
// of then.

import { assert, errorText } from "../model/errors.ts";
import type { Task } from "../model/task.ts";
import type { MountTree, TreeRef } from "../model/tree.ts";
import { given } from "../proto/fields.ts";
import type { Digest } from "../transfer/chunks/chunk.ts";
import {
  givenPins,
  packingPins,
  workdirIn,
  workdirPin,
  workdirPins,
} from "../transfer/tree/pins.ts";
import type { Board } from "./board.ts";
import { WorkdirCopies } from "./workdir-copies-os.ts";
import { TreeMending } from "./workdir-mending-os.ts";
import type { HeldTree, PackingOptions, Source } from "./workdir-packing-os.ts";
import {
  mountSource,
  packSource,
  rememberedSource,
  takeGiven,
  workdirSource,
} from "./workdir-packing-os.ts";

/** A task's files as they were. */
export interface Snapshot {
  readonly workdir?: {
    readonly tree: TreeRef;
    /** Where it is as a folder, if some node cannot take chunks. */
    readonly copy: string;
  };
  readonly mounts: readonly MountTree[];
}

/** The trees that a job needs. */
export interface JobTrees {
  readonly workdir?: TreeRef;
  readonly mounts: readonly TreeRef[];
}

export interface Workdirs {
  /**
   * Packs what the tasks name; it is on disk when it resolves. Trees that they name must be here.
   * Same length as `tasks`. Who goes away meanwhile ends it.
   * @throws SkyError `request/invalid`, `source/unreadable`, `disk/full`, `chunks/full`,
   *   `process/failed`; `chunk/missing` of a tree that is not here.
   */
  snapshot(tasks: readonly Task[], signal?: AbortSignal): Promise<readonly Snapshot[]>;
  /** The jobs that took what one `snapshot` made; without any, it is let go of. */
  assign(snapshots: readonly Snapshot[], jobs: readonly number[]): Promise<void>;
  /**
   * Proves the chunks of a tree that jobs need, and packs those that were lost again as far as its
   * sources still give them: `workdir-mending-os.ts`.
   */
  mend(tree: Digest): Promise<void>;
  close(): Promise<void>;
}

export interface WorkdirsOptions extends PackingOptions {
  /** Of copies. */
  readonly dir: string;
  readonly board: Board;
  /** The trees of all jobs on record; asked for when something is pinned from before. */
  readonly recorded: () => Promise<ReadonlyMap<number, JobTrees>>;
}

export async function openWorkdirs(options: WorkdirsOptions): Promise<Workdirs> {
  const workdirs = new PackedWorkdirs(options);
  await workdirs.restore();
  return workdirs;
}

/** A tree that is pinned, and for whom. */
interface Kept {
  readonly tree: TreeRef;
  /** What this head packed it from, by path. */
  readonly sources: Map<string, Source>;
  /** Nodes that cannot take chunks need a copy of it. */
  isWorkdir: boolean;
  /** Those that have not ended. */
  readonly jobs: Set<number>;
  /** Submits that have it and do not know their jobs yet. */
  holds: number;
}

const nothing: Snapshot = { mounts: [] };

class PackedWorkdirs implements Workdirs {
  readonly #options: WorkdirsOptions;
  readonly #copies: WorkdirCopies;
  readonly #mending: TreeMending;
  readonly #kept = new Map<string, Kept>();
  readonly #treesOf = new Map<number, readonly Kept[]>();
  readonly #stopHearing: () => void;
  #restoring: Promise<void> | undefined;
  /** Pins are changed one after the other: what was let go of may be wanted again meanwhile. */
  #turn: Promise<void> = Promise.resolve();

  constructor(options: WorkdirsOptions) {
    this.#options = options;
    this.#copies = new WorkdirCopies(options);
    this.#mending = new TreeMending(options);
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
    for (const prefix of [packingPins(cluster), givenPins(cluster)]) {
      for (const pin of await chunks.pins(prefix)) await chunks.unpin(pin);
    }
    const pins = await chunks.pins(workdirPins(cluster));
    if (pins.length === 0) return;
    for (const [job, trees] of await this.#options.recorded()) {
      if (this.#isLive(job)) this.#use(job, this.#keepAll(trees));
    }
    for (const pin of pins) {
      if (!this.#kept.has(workdirIn(cluster, pin) ?? "")) await chunks.unpin(pin);
    }
    this.#makeCopies();
  }

  async snapshot(tasks: readonly Task[], signal?: AbortSignal): Promise<readonly Snapshot[]> {
    const sources = await sourcesOf(tasks);
    const givenBefore = distinct(tasks.flatMap(treesOf));
    if (sources.size === 0 && givenBefore.length === 0) return tasks.map(() => nothing);
    await this.#restored();
    const packed = new Map<string, TreeRef>();
    const held: TreeRef[] = [];
    try {
      const options = { ...this.#options, ...given("signal", signal) };
      for (const tree of givenBefore) {
        await takeGiven(options, tree, (it) => this.#hold(it));
        held.push(tree);
      }
      for (const source of sources.values()) {
        const { tree } = await packSource(options, source, (it) => this.#hold(it, source));
        // One hold for each tree, however many sources look like it.
        if (held.some(({ digest }) => digest === tree.digest)) this.#letGo(tree);
        else held.push(tree);
        packed.set(source.path, tree);
      }
      return await this.#shown(tasks, sources, packed);
    } catch (error) {
      for (const tree of held) this.#letGo(tree);
      throw error;
    }
  }

  async assign(snapshots: readonly Snapshot[], jobs: readonly number[]): Promise<void> {
    for (const [index, job] of jobs.entries()) {
      const snapshot = snapshots[index] ?? nothing;
      if (treesIn(snapshot).length === 0 || !this.#isLive(job)) continue;
      const { workdir, mounts } = snapshot;
      const trees = mounts.map(({ tree }) => tree);
      this.#use(job, this.#keepAll({ ...given("workdir", workdir?.tree), mounts: trees }));
    }
    for (const tree of distinct([...new Set(snapshots)].flatMap(treesIn))) this.#letGo(tree);
  }

  async mend(tree: Digest): Promise<void> {
    const kept = this.#kept.get(tree);
    if (kept === undefined) return;
    // Those of jobs that an earlier head took, too.
    const remembered = (await this.#options.memory.packedAs(tree)).map(rememberedSource);
    const sources = new Map(remembered.map((source) => [source.path, source]));
    for (const source of kept.sources.values()) sources.set(source.path, source);
    await this.#mending.mend(tree, [...sources.values()]);
  }

  async close(): Promise<void> {
    this.#stopHearing();
    await this.#turn;
    await this.#mending.close();
    await this.#copies.close();
  }

  /** Pinned under its own name, for a submit that does not know its jobs yet. */
  async #hold({ tree, chunks: refs }: HeldTree, source?: Source): Promise<Kept> {
    const { chunks, cluster } = this.#options;
    const kept = this.#keep(tree);
    if (source !== undefined) kept.sources.set(source.path, source);
    kept.holds += 1;
    try {
      await this.#inTurn(() => chunks.pin(workdirPin(cluster, tree.digest), refs));
      return kept;
    } catch (error) {
      this.#letGo(tree);
      throw error;
    }
  }

  #letGo({ digest }: TreeRef): void {
    const kept = this.#kept.get(digest);
    if (kept === undefined) return;
    kept.holds -= 1;
    this.#releaseUnused(kept);
  }

  /** What the tasks get of it. */
  async #shown(
    tasks: readonly Task[],
    sources: ReadonlyMap<string, Source>,
    packed: ReadonlyMap<string, TreeRef>,
  ): Promise<readonly Snapshot[]> {
    const treeAt = (path: string): TreeRef => {
      const tree = packed.get(path);
      assert(tree !== undefined, "what tasks name is packed");
      return tree;
    };
    const workdirOf = ({ workdir, workdirTree }: Task): TreeRef | undefined =>
      workdir === undefined ? workdirTree : treeAt(workdir);
    const workdirs = tasks.flatMap((task) => workdirOf(task) ?? []);
    for (const tree of distinct(workdirs)) await this.#showAsFolder(tree);
    return tasks.map((task) => {
      const { fileMounts = [] } = task;
      const workdir = workdirOf(task);
      if (workdir === undefined && fileMounts.length === 0) return nothing;
      return {
        ...given("workdir", workdir && { tree: workdir, copy: this.#copies.pathOf(workdir) }),
        mounts: fileMounts.map(({ destination, source, tree: givenTree }) => {
          if (givenTree !== undefined) return { destination, ...givenTree };
          const isFile = sources.get(source)?.isFile ?? false;
          return { destination, tree: treeAt(source), isFile };
        }),
      };
    });
  }

  async #showAsFolder(tree: TreeRef): Promise<void> {
    this.#keep(tree).isWorkdir = true;
    if (this.#options.board.needsCopies()) await this.#copies.make(tree);
  }

  #keep(tree: TreeRef): Kept {
    const known = this.#kept.get(tree.digest);
    if (known !== undefined) return known;
    const sources = new Map<string, Source>();
    const kept: Kept = { tree, sources, isWorkdir: false, jobs: new Set(), holds: 0 };
    this.#kept.set(tree.digest, kept);
    return kept;
  }

  #keepAll({ workdir, mounts }: JobTrees): readonly Kept[] {
    if (workdir !== undefined) this.#keep(workdir).isWorkdir = true;
    const trees = workdir === undefined ? mounts : [workdir, ...mounts];
    return [...new Set(trees.map((tree) => this.#keep(tree)))];
  }

  #use(job: number, trees: readonly Kept[]): void {
    for (const kept of trees) kept.jobs.add(job);
    this.#treesOf.set(job, trees);
  }

  #isLive(id: number): boolean {
    const job = this.#options.board.job(id);
    return job !== undefined && job.phase !== "ended";
  }

  #ended(job: number): void {
    this.#copies.ended(job);
    const trees = this.#treesOf.get(job) ?? [];
    this.#treesOf.delete(job);
    for (const kept of trees) {
      kept.jobs.delete(job);
      this.#releaseUnused(kept);
    }
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
    for (const { tree, isWorkdir } of this.#kept.values()) {
      if (!isWorkdir) continue;
      this.#copies.make(tree).catch((error: unknown) => {
        log.warn("workdir not copied", { tree: tree.digest, why: errorText(error) });
      });
    }
  }
}

function isUsed({ jobs, holds }: Kept): boolean {
  return jobs.size > 0 || holds > 0;
}

/**
 * What the tasks name, by its path; all of it is there.
 * @throws SkyError `request/invalid`.
 */
async function sourcesOf(tasks: readonly Task[]): Promise<ReadonlyMap<string, Source>> {
  const sources = new Map<string, Source>();
  const workdirs = new Set<string>();
  for (const { workdir, fileMounts = [] } of tasks) {
    if (workdir !== undefined && !workdirs.has(workdir)) {
      workdirs.add(workdir);
      sources.set(workdir, await workdirSource(workdir));
    }
    for (const { destination, source, tree } of fileMounts) {
      if (tree === undefined && !sources.has(source))
        sources.set(source, await mountSource(source, destination));
    }
  }
  return sources;
}

/** What the task names that was given before. */
function treesOf({ workdirTree, fileMounts = [] }: Task): readonly TreeRef[] {
  const mounts = fileMounts.flatMap(({ tree }) => tree?.tree ?? []);
  return workdirTree === undefined ? mounts : [workdirTree, ...mounts];
}

function treesIn({ workdir, mounts }: Snapshot): readonly TreeRef[] {
  const trees = mounts.map(({ tree }) => tree);
  return workdir === undefined ? trees : [workdir.tree, ...trees];
}

function distinct(trees: readonly TreeRef[]): readonly TreeRef[] {
  return [...new Map(trees.map((tree) => [tree.digest, tree])).values()];
}
