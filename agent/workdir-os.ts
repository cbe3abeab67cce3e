// The files of ranks: lays workdirs and file mounts out, from the node's content store.
//
// All trees of a rank are fetched first, side by side (`needed-trees.ts`); then its folder is
// chosen (`workdir-folders.ts`) and they are laid out, one at a time in a folder. A run finds what
// its setup left, and nothing is laid out over that. A chunk that turns out to be damaged on this
// disk is fetched again. Whatever goes wrong is thrown, and the
// rank is refused with it; a rank that is stopped meanwhile waits for nothing.

import { errorText, isSkyError, SkyError } from "../model/errors.ts";
import type { NodeHome } from "../model/home.ts";
import type { RankKey } from "../model/job.ts";
import { rankKeyText } from "../model/job.ts";
import type { TreeRef } from "../model/tree.ts";
import type { RankPlace, RankSpec } from "../proto/messages.ts";
import type { FileLinks } from "../runtime/file-links-os.ts";
import type { Files } from "../runtime/files.ts";
import { isNoRoom, noRoom } from "../runtime/room-os.ts";
import { unpackTree } from "../transfer/tree/unpack-os.ts";
import { LaidTrees } from "./laid-trees-os.ts";
import { layMount } from "./mount-os.ts";
import type { PlacedMount } from "./mount-places.ts";
import { mountFailure, placeMounts, workdirSlots } from "./mount-places.ts";
import type { NeededTreesCounts, NeededTreesOptions } from "./needed-trees.ts";
import { NeededTrees } from "./needed-trees.ts";
import type { RankState } from "./rank.ts";
import { WorkdirClaims } from "./workdir-claims.ts";
import type { WorkdirChoice } from "./workdir-folders.ts";

export interface NodeWorkdirOptions extends NeededTreesOptions {
  readonly home: NodeHome;
  readonly files: Files;
  readonly links: FileLinks;
  /** Whether what is laid out is on record file by file; see `laid-lists-os.ts`. */
  readonly keepsLists?: boolean;
  /** Of earlier agents. */
  readonly ranks: readonly RankState[];
}

/** The files that a rank needs. */
export type RankFileSpec = Pick<
  RankSpec,
  "workdirTree" | "workdirTakers" | "workdirSource" | "mounts"
>;

export interface NodeWorkdir {
  /**
   * Resolves when all is there, with the folder that the rank's process starts in.
   * @throws what says why it is not.
   */
  lay(key: RankKey, spec: RankFileSpec): Promise<string>;
  /** Where a rank's files were laid out, and why there, if not in `~/sky_workdir`. */
  ownPlace(key: RankKey): RankPlace | undefined;
  /** The rank is to end: what is being laid out for it is given up. */
  cancel(key: RankKey): void;
  /** Its process has ended, or will never be. */
  ended(state: RankState): void;
  /** The rank needs nothing any more. */
  forget(key: RankKey): Promise<void>;
  counts(): NeededTreesCounts;
  close(): Promise<void>;
}

/** How often chunks that turn out to be damaged or gone are fetched again for one tree. */
const healsMax = 3;

export function createNodeWorkdir(options: NodeWorkdirOptions): NodeWorkdir {
  return new Workdir(options);
}

/** A rank whose files are being laid out. */
interface Laying {
  readonly rank: string;
  readonly mounts: readonly PlacedMount[];
  readonly spec: RankFileSpec;
  readonly signal: AbortSignal;
}

class Workdir implements NodeWorkdir {
  readonly #options: NodeWorkdirOptions;
  readonly #trees: NeededTrees;
  readonly #claims: WorkdirClaims;
  readonly #laid: LaidTrees;
  readonly #ownPlaces = new Map<string, RankPlace>();
  readonly #laying = new Map<string, AbortController>();
  readonly #closing = new AbortController();
  /** One tree at a time in each folder; the home is one, for all that is in it. */
  readonly #turns = new Map<string, Promise<void>>();

  constructor(options: NodeWorkdirOptions) {
    this.#options = options;
    this.#laid = new LaidTrees(`${options.home.state}/laid`, options.keepsLists);
    this.#trees = new NeededTrees(options);
    this.#claims = new WorkdirClaims(options, options.ranks);
  }

  async lay(key: RankKey, spec: RankFileSpec): Promise<string> {
    const { home, workdir } = this.#options.home;
    const { workdirTree, workdirSource, mounts = [] } = spec;
    const isBare = workdirTree === undefined && workdirSource === undefined && mounts.length === 0;
    if (isBare) return `${home}/${workdir}`;
    const rank = rankKeyText(key);
    const cancel = new AbortController();
    const signal = AbortSignal.any([cancel.signal, this.#closing.signal]);
    this.#laying.set(rank, cancel);
    try {
      signal.throwIfAborted();
      const placed = placeMounts(mounts, this.#options.home);
      const slots = workdirSlots(spec, placed);
      await this.#obtainAll(spec, { rank, signal });
      const left = await this.#claims.takeOver(key);
      if (left !== undefined) {
        this.#choose(rank, { folder: left });
        return `${home}/${left}`;
      }
      const choice = await this.#claims.take(key, slots);
      this.#choose(rank, choice);
      const folder = `${home}/${choice.folder}`;
      await this.#layAll({ rank, spec, mounts: placed, signal }, folder);
      return folder;
    } catch (cause) {
      this.#trees.release(rank);
      this.#claims.leave(key);
      throw isNoRoom(cause) ? noRoom(home, cause) : cause;
    } finally {
      this.#laying.delete(rank);
    }
  }

  ownPlace(key: RankKey): RankPlace | undefined {
    return this.#ownPlaces.get(rankKeyText(key));
  }

  cancel(key: RankKey): void {
    const what = `laying out the files of ${rankKeyText(key)}`;
    this.#laying.get(rankKeyText(key))?.abort(new SkyError("core/cancelled", { what }));
  }

  ended(state: RankState): void {
    this.#claims.ended(state);
  }

  async forget(key: RankKey): Promise<void> {
    this.cancel(key);
    this.#trees.release(rankKeyText(key));
    this.#ownPlaces.delete(rankKeyText(key));
    await this.#claims.forget(key);
  }

  counts(): NeededTreesCounts {
    return this.#trees.counts();
  }

  async close(): Promise<void> {
    this.#closing.abort(new SkyError("core/cancelled", { what: "laying out files" }));
    await this.#trees.close();
    await Promise.all(this.#turns.values());
  }

  /** The first that fails ends the others. */
  async #obtainAll(
    { workdirTree, workdirTakers = 1, mounts = [] }: RankFileSpec,
    { rank, signal: outer }: Pick<Laying, "rank" | "signal">,
  ): Promise<void> {
    const failed = new AbortController();
    const signal = AbortSignal.any([outer, failed.signal]);
    const obtain = (tree: TreeRef, takers: number): Promise<void> =>
      this.#trees.obtain({ rank, tree, takers, signal });
    const ways = mounts.map(({ tree, takers = 1, destination }) =>
      this.#naming(destination, () => obtain(tree, takers)),
    );
    if (workdirTree !== undefined) ways.push(obtain(workdirTree, workdirTakers));
    for (const way of ways) way.catch((error: unknown) => failed.abort(error));
    await Promise.allSettled(ways);
    signal.throwIfAborted();
  }

  async #layAll(laying: Laying, folder: string): Promise<void> {
    const { spec, mounts, signal } = laying;
    const { chunks: source, links, files, home } = this.#options;
    const laid = this.#laid;
    const { workdirTree: tree, workdirTakers: takers = 1, workdirSource } = spec;
    if (tree !== undefined) {
      const { digest } = tree;
      const unpack = () =>
        this.#laid.laying({ path: folder, digest, isFile: false }, (known) =>
          unpackTree(folder, { source, tree, signal, ...known }),
        );
      await this.#healing({ ...laying, tree, takers }, () => this.#inTurn(folder, unpack));
    } else if (workdirSource !== undefined) {
      await this.#inTurn(folder, () => files.copyTree(workdirSource, folder));
    }
    for (const placed of mounts) {
      const { destination, tree: its, takers: many = 1 } = placed.mount;
      const turn = placed.place.kind === "workdir" ? folder : home.home;
      const lay = () => layMount(placed, { workdir: folder, source, links, laid, signal });
      await this.#naming(destination, () =>
        this.#healing({ ...laying, tree: its, takers: many }, () => this.#inTurn(turn, lay)),
      );
    }
  }

  /** What is damaged on this disk is fetched again, and the work begun anew. */
  async #healing(
    want: { readonly tree: TreeRef; readonly takers: number } & Pick<Laying, "rank" | "signal">,
    work: () => Promise<unknown>,
  ): Promise<void> {
    for (let heals = 0; ; heals += 1) {
      await this.#trees.obtain(want);
      try {
        await work();
        return;
      } catch (error) {
        const isHealable = isSkyError(error, "chunk/damaged") || isSkyError(error, "chunk/missing");
        if (!isHealable || heals >= healsMax || want.signal.aborted) throw error;
        this.#options.log.warn("a chunk is fetched again", { why: errorText(error) });
        this.#trees.doubt(want.tree);
      }
    }
  }

  #choose(rank: string, choice: WorkdirChoice): void {
    const { folder, inUseBy } = choice;
    const { workdir } = this.#options.home;
    if (folder !== workdir) this.#ownPlaces.set(rank, choice);
    if (inUseBy === undefined) return;
    const why = `job ${inUseBy} uses another version in ~/${workdir}`;
    this.#options.log.info("a job gets a folder of its own", { rank, folder, why });
  }

  /** What goes wrong with a mount names it. */
  async #naming(destination: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (isSkyError(error, "core/cancelled")) throw error;
      const cause = isNoRoom(error) ? noRoom(this.#options.home.home, error) : error;
      const why = errorText(cause);
      // What is elsewhere by a link has its destination's name.
      const told = why.startsWith(`${destination}: `) ? why.slice(destination.length + 2) : why;
      throw mountFailure(destination, told, cause);
    }
  }

  async #inTurn(folder: string, work: () => Promise<unknown>): Promise<void> {
    const done = (this.#turns.get(folder) ?? Promise.resolve()).then(work);
    const over = done.then(
      () => {},
      () => {}, // Whoever asked for it hears of it.
    );
    this.#turns.set(folder, over);
    try {
      await done;
    } finally {
      if (this.#turns.get(folder) === over) this.#turns.delete(folder);
    }
  }
}
