// Which folder of its node a job's workdir is laid out in. Pure.
//
//     ~/sky_workdir          unless a rank that has not ended uses it with other content
//     ~/sky_workdirs/JOB     then, for this job: the folder stays when the job has ended
//
// So a job sees the version that it was submitted with from start to end. Ranks of one job share a
// folder, whatever their phase and attempt: a setup that succeeded keeps it for the run that is to
// follow, which finds what the setup left there. What a rank lays out is known by slots: places in
// the folder and what belongs there, `.` being the folder itself. A rank with no slot uses no
// version, and disturbs none.

import type { RankKey } from "../model/job.ts";
import { rankKeyText } from "../model/job.ts";

export type Slots = ReadonlyMap<string, string>;

/** A rank that lays out something in a workdir. */
export interface WorkdirUser {
  readonly key: RankKey;
  /** In the node's home. */
  readonly folder: string;
  readonly slots: Slots;
}

export interface WorkdirChoice {
  readonly folder: string;
  /** The job that uses `~/sky_workdir` with another version. */
  readonly inUseBy?: number;
}

/** In a node's home: where jobs have folders of their own. */
export function ownWorkdirsName(workdir: string): string {
  return `${workdir}s`;
}

export class WorkdirFolders {
  readonly #workdir: string;
  readonly #users = new Map<string, WorkdirUser>();

  /** `workdir`: as in `NodeHome`. */
  constructor(workdir: string) {
    this.#workdir = workdir;
  }

  /** `hasOwn`: there is a folder of this job's own, of an earlier rank of it. */
  choose(key: RankKey, slots: Slots, hasOwn: boolean): WorkdirChoice {
    const shared = this.#workdir;
    const own = `${ownWorkdirsName(shared)}/${key.job}`;
    if (slots.size === 0) return { folder: shared };
    const users = [...this.#users.values()];
    const ofJob = users.find((user) => user.key.job === key.job);
    if (ofJob !== undefined) return { folder: ofJob.folder };
    const other = users.find((user) => user.folder === shared && wouldChange(slots, user.slots));
    if (other !== undefined) return { folder: own, inUseBy: other.key.job };
    return { folder: hasOwn ? own : shared };
  }

  /**
   * The setup of a run's attempt on this node. It has ended well, or there were no run; an agent
   * that started again may have yet to hear of it.
   */
  setupOf({ job, attempt, phase }: RankKey): WorkdirUser | undefined {
    if (phase !== "run") return undefined;
    const setups = [...this.#users.values()].filter(({ key }) => key.phase === "setup");
    return setups.find(({ key }) => key.job === job && key.attempt === attempt);
  }

  /** A run takes the folder over from the setups of its job. */
  enter(user: WorkdirUser): void {
    this.#users.set(rankKeyText(user.key), user);
    if (user.key.phase === "run") this.#dropSetups(user.key.job);
  }

  /** Its process has ended. `isFollowed`: another of its job may come, and finds the folder. */
  end(key: RankKey, isFollowed: boolean): void {
    if (!isFollowed) this.#users.delete(rankKeyText(key));
  }

  leave(key: RankKey): void {
    this.#users.delete(rankKeyText(key));
  }

  has(key: RankKey): boolean {
    return this.#users.has(rankKeyText(key));
  }

  #dropSetups(job: number): void {
    for (const [name, { key }] of this.#users) {
      if (key.job === job && key.phase === "setup") this.#users.delete(name);
    }
  }
}

/** Whether laying out one thing changes what whoever has another finds. */
function wouldChange(wanted: Slots, held: Slots): boolean {
  for (const [place, content] of wanted) {
    if (held.get(place) === content) continue;
    if ([...held.keys()].some((other) => overlap(place, other))) return true;
  }
  return false;
}

function overlap(a: string, b: string): boolean {
  return a === b || isIn(a, b) || isIn(b, a);
}

function isIn(outer: string, inner: string): boolean {
  return outer === "." || inner.startsWith(`${outer}/`);
}
