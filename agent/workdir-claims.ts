// Which rank uses which workdir of the node, on record: an agent that starts again must not lay out
// another version where a rank of the earlier one runs.
//
// A record is a file in the agent's own folder, written before anything is laid out and removed
// when the rank is forgotten. It is not flushed: what the power takes with it ran no longer. One
// that cannot be read counts as a use of `~/sky_workdir` with content that nobody else has.

import type { NodeHome } from "../model/home.ts";
import type { RankKey } from "../model/job.ts";
import { parseRankKey, rankKeyText } from "../model/job.ts";
import type { Files } from "../runtime/files.ts";
import type { RankState } from "./rank.ts";
import { isOver, mayBeFollowed } from "./rank.ts";
import type { Slots, WorkdirChoice, WorkdirUser } from "./workdir-folders.ts";
import { ownWorkdirsName, WorkdirFolders } from "./workdir-folders.ts";

export interface WorkdirClaimsOptions {
  readonly home: NodeHome;
  readonly files: Files;
}

export class WorkdirClaims {
  readonly #options: WorkdirClaimsOptions;
  readonly #folders: WorkdirFolders;
  /** Ranks that have a record of this agent, or one that it has read. */
  readonly #recorded = new Set<string>();
  /** Ranks of earlier agents as they are now, until their records are read. */
  readonly #found = new Map<string, RankState>();
  #reading: Promise<void> | undefined;

  /** `ranks`: those of earlier agents. */
  constructor(options: WorkdirClaimsOptions, ranks: readonly RankState[]) {
    this.#options = options;
    this.#folders = new WorkdirFolders(options.home.workdir);
    for (const state of ranks) this.#found.set(rankKeyText(state.key), state);
  }

  /** When somebody first needs them: most nodes have none. */
  #read(): Promise<void> {
    if (this.#reading !== undefined) return this.#reading;
    const reading = this.#readAll();
    this.#reading = reading;
    // It is tried again by the next rank.
    reading.catch(() => {
      this.#reading = undefined;
    });
    return reading;
  }

  /** What earlier agents wrote of ranks that are known; what is of others goes. */
  async #readAll(): Promise<void> {
    const { files } = this.#options;
    const names = await files.list(this.#dir());
    // A run has a record once it took the folder over: its setup is over, whatever is known of it.
    const runs = names.flatMap((name) => parseRankKey(name) ?? []).filter(isRun);
    for (const name of names) {
      const state = this.#found.get(name);
      const isFollowed = state !== undefined && runs.some((run) => follows(run, state.key));
      if (state === undefined) await files.remove(`${this.#dir()}/${name}`);
      else await this.#restoreOne(state, isFollowed);
    }
    this.#found.clear();
  }

  async #restoreOne({ key }: RankState, isFollowed: boolean): Promise<void> {
    const name = rankKeyText(key);
    const bytes = await this.#options.files.read(this.#pathOf(key));
    this.#recorded.add(name);
    // As it is now: it may have ended, or been forgotten, while its record was read.
    const state = this.#found.get(name);
    if (state === undefined) return await this.forget(key);
    if (isFollowed || (isOver(state) && !mayBeFollowed(state))) return;
    const text = Buffer.from(bytes ?? []).toString();
    this.#folders.enter({ key, ...parseRecord(text, this.#options.home.workdir) });
  }

  /**
   * The folder that the attempt's setup left, which is the rank's from here on: nothing is laid out
   * over what the setup did. @throws as `take`.
   */
  async takeOver(key: RankKey): Promise<string | undefined> {
    await this.#read();
    const setup = this.#folders.setupOf(key);
    if (setup === undefined) return undefined;
    const { folder, slots } = setup;
    await this.#keep({ key, slots, folder });
    return folder;
  }

  /** The folder is the rank's from here on. @throws SkyError `disk/full`, `process/failed`. */
  async take(key: RankKey, slots: Slots): Promise<WorkdirChoice> {
    const { files } = this.#options;
    await this.#read();
    const own = await files.list(this.#ownWorkdirs());
    const choice = this.#folders.choose(key, slots, own.includes(String(key.job)));
    await this.#keep({ key, slots, folder: choice.folder });
    return choice;
  }

  async #keep(user: WorkdirUser): Promise<void> {
    const { files, home } = this.#options;
    const { key, folder, slots } = user;
    // At once: whoever chooses meanwhile must see it.
    this.#folders.enter(user);
    try {
      await files.makeDir(this.#dir(), 0o700);
      this.#recorded.add(rankKeyText(key));
      const record = { folder, slots: Object.fromEntries(slots) };
      await files.append(this.#pathOf(key), Buffer.from(`${JSON.stringify(record)}\n`));
      if (folder !== home.workdir) await files.makeDir(this.#ownWorkdirs(), 0o755);
    } catch (error) {
      this.#folders.leave(key);
      throw error;
    }
  }

  leave(key: RankKey): void {
    this.#folders.leave(key);
  }

  ended(state: RankState): void {
    const name = rankKeyText(state.key);
    if (this.#found.has(name)) this.#found.set(name, state);
    this.#folders.end(state.key, mayBeFollowed(state));
  }

  async forget(key: RankKey): Promise<void> {
    this.#found.delete(rankKeyText(key));
    this.#folders.leave(key);
    if (this.#recorded.delete(rankKeyText(key))) {
      await this.#options.files.remove(this.#pathOf(key));
    }
  }

  #ownWorkdirs(): string {
    const { home, workdir } = this.#options.home;
    return `${home}/${ownWorkdirsName(workdir)}`;
  }

  #dir(): string {
    return `${this.#options.home.state}/workdirs`;
  }

  #pathOf(key: RankKey): string {
    return `${this.#dir()}/${rankKeyText(key)}`;
  }
}

function isRun({ phase }: RankKey): boolean {
  return phase === "run";
}

/** Whether it is the run that comes after this setup. */
function follows(run: RankKey, { job, attempt, phase }: RankKey): boolean {
  return phase === "setup" && run.job === job && run.attempt === attempt;
}

function parseRecord(
  text: string,
  workdir: string,
): { readonly folder: string; readonly slots: Slots } {
  try {
    const { folder, slots } = JSON.parse(text);
    if (typeof folder === "string" && typeof slots === "object" && slots !== null) {
      return { folder, slots: new Map(Object.entries<string>(slots)) };
    }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  return { folder: workdir, slots: new Map([[".", "unknown"]]) };
}
