// How long attempts may take in a simulated cluster, and how long they truly took.
//
// The times are those of the timeline, taken where the product cannot colour them: an attempt has
// begun by the time that everybody is told so, and not before a node was asked to prepare it. The
// head's own clock may run 3 % fast or slow, and where its machine rebooted only the wall clock
// goes on, which jumps: what began before is not judged then.

import type { Job, RankKey } from "../../../model/job.ts";
import { parseRankKey } from "../../../model/job.ts";
import type { MachineChange } from "../../../runtime/process-memory.ts";
import type { Announcement } from "../../../scheduler/board.ts";
import type { SchedulerState } from "../../../scheduler/table.ts";
import type { Sim } from "./sim.ts";
import { timeoutVariable } from "./tasks.ts";

const drift = 1.04;
/** A head that sees one go on for so long after its time has had its timer, and ignored it. */
const ignoredMs = 2_000;

interface Attempt {
  readonly timeoutMs: number;
  /** When the first node was asked. */
  readonly askedAt: number;
  /** When it was told that it goes on. */
  begunAt?: number;
}

export class Times {
  readonly #sim: Sim;
  readonly #attempts = new Map<string, Attempt>();
  /** By head, the moment at which it could first have seen that an attempt is too late. */
  readonly #late = new WeakMap<SchedulerState, Map<string, number>>();

  constructor(sim: Sim) {
    this.#sim = sim;
  }

  /** A machine tells. */
  changed(change: MachineChange): void {
    if (change.kind !== "claimed") return;
    const key = parseRankKey(change.dir.slice(change.dir.lastIndexOf("/") + 1));
    const timeoutMs = Number(change.spec.env[timeoutVariable] ?? 0);
    if (key === undefined || timeoutMs === 0 || this.#attempts.has(nameOf(key))) return;
    this.#attempts.set(nameOf(key), { timeoutMs, askedAt: this.#now });
  }

  announced({ jobs }: Announcement): void {
    for (const job of jobs) this.#announcedJob(job);
  }

  /** After each turn of the scheduler. */
  turned(state: SchedulerState): void {
    const seen = this.#late.get(state) ?? new Map<string, number>();
    this.#late.set(state, seen);
    for (const [name, { timeoutMs, begunAt = Infinity }] of this.#attempts) {
      if (this.#now - begunAt <= timeoutMs * drift || !goesOn(state, name)) continue;
      const since = seen.get(name) ?? this.#now;
      seen.set(name, since);
      if (this.#now - since <= ignoredMs) continue;
      const what = `attempt ${name} goes on ${this.#now - begunAt} ms after its begin`;
      this.#sim.truth.broken("in time", `${what}, and may take ${timeoutMs}`);
    }
  }

  /** The clock that counted is another: what began before is not judged. */
  rebooted(): void {
    for (const name of this.#attempts.keys()) this.#attempts.set(name, unjudged);
  }

  /** The cluster is another. */
  forget(): void {
    this.#attempts.clear();
  }

  get #now(): number {
    return this.#sim.timeline.now().monoMs;
  }

  #announcedJob({ id, attempt, phase, reason }: Job): void {
    const name = nameOf({ job: id, attempt });
    for (let before = attempt - 1; before > 0; before -= 1) {
      if (!this.#attempts.delete(nameOf({ job: id, attempt: before }))) break;
    }
    const known = this.#attempts.get(name);
    if (known === undefined) return;
    if (counts(phase)) known.begunAt ??= this.#now;
    if (phase !== "ended") return;
    this.#attempts.delete(name);
    const took = this.#now - known.askedAt;
    if (reason?.code !== "timed-out" || took >= known.timeoutMs / drift) return;
    const what = `attempt ${name} timed out ${took} ms after a node was asked for it`;
    this.#sim.truth.broken("in time", `${what}, and may take ${known.timeoutMs}`);
  }
}

const unjudged: Attempt = { timeoutMs: Infinity, askedAt: -Infinity, begunAt: Infinity };

function nameOf({ job, attempt }: Pick<RankKey, "job" | "attempt">): string {
  return `${job}-${attempt}`;
}

function counts(phase: Job["phase"]): boolean {
  return phase === "setting-up" || phase === "starting" || phase === "running";
}

function goesOn(state: SchedulerState, name: string): boolean {
  const [job = 0, attempt = 0] = name.split("-").map(Number);
  const gang = state.jobs.get(job)?.gang;
  return gang?.attempt === attempt && counts(gang.phase);
}
