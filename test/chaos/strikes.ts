// Faults, carried out: who was struck is written down, and whatever must heal is waited for.
//
// What always holds: only processes of the run are signalled, each by its pid and start time; the
// ranks of a job that is followed from before the first kill are never struck themselves, nor is a
// skylet stopped for so long that their node would be lost: they must come to their planned end.

import { setTimeout as pause } from "node:timers/promises";
import { errorText } from "../../model/errors.ts";
import { until } from "../support/programs.ts";
import type { Hit } from "./evidence.ts";
import type { Ground } from "./ground.ts";
import { isSame, type Member, membersOf } from "./members.ts";
import { delayMs, type Fault, faultText, isLong, lossyCluster } from "./plan.ts";

export interface StrikesOptions {
  readonly ground: Ground;
  readonly say: (text: string) => void;
  /** `<cluster>-<job>` of jobs whose ranks are not struck. */
  readonly spared: ReadonlySet<string>;
}

/** A head comes back with a command; while others strike it, that may take some. */
const reviveTriesMax = 8;
const ambushMs = 2_000;

export class Strikes {
  /** All that was struck, for the audit. */
  readonly hits: Hit[] = [];
  readonly problems: string[] = [];
  readonly #options: StrikesOptions;
  readonly #healing = new Set<Promise<void>>();
  #headless = false;
  #reviving = false;

  constructor(options: StrikesOptions) {
    this.#options = options;
  }

  /** Does not wait until it has healed. */
  inflict(fault: Fault): void {
    if (fault.kind === "kill" || fault.kind === "stop") this.#strike(fault);
    else this.#disturb(fault);
  }

  /** Resolves when nothing is broken any more. */
  async healed(): Promise<void> {
    while (this.#healing.size > 0) await Promise.all(this.#healing);
  }

  #strike(fault: Extract<Fault, { kind: "kill" | "stop" }>): void {
    const { ground, say } = this.#options;
    const found = membersOf(ground.home).filter((one) => this.#mayStrike(one, fault));
    const victim = found[fault.nth % Math.max(1, found.length)];
    if (victim === undefined) {
      if (fault.victim === "join") this.#ambush(fault);
      else say(`${faultText(fault)}: there is none`);
      return;
    }
    say(`${faultText(fault)}: ${memberText(victim)}`);
    const ms = fault.kind === "stop" ? fault.ms : 0;
    this.#note({ ...victim, kind: fault.kind }, ms);
    if (fault.kind === "stop") this.#heals(stopped(victim, ms));
    else kill(victim, "SIGKILL");
    if (fault.kind === "kill" && victim.role === "head") this.revive();
  }

  /** A join lasts a moment, and comes after the end of a skylet. */
  #ambush(fault: Extract<Fault, { kind: "kill" | "stop" }>): void {
    const { ground, say } = this.#options;
    const join = () => membersOf(ground.home).some(({ role }) => role === "join");
    const strike = (there: boolean) => {
      if (there) this.#strike(fault);
      else say(`${faultText(fault)}: there was none`);
    };
    this.#strike({ kind: "kill", victim: "skylet", nth: fault.nth });
    this.#heals(
      until("there is a join", join, { deadlineMs: ambushMs }).then(strike, () => strike(false)),
    );
  }

  #mayStrike({ role, rank = "", node = "" }: Member, fault: Fault): boolean {
    const { spared } = this.#options;
    if (!("victim" in fault) || role !== fault.victim) return false;
    if ([...spared].some((job) => rank.startsWith(`${job}-`))) return false;
    return role !== "skylet" || !isLong(fault) || node.startsWith(`${lossyCluster}/`);
  }

  #disturb(fault: Exclude<Fault, { kind: "kill" | "stop" }>): void {
    const wire = this.#options.ground.wires[fault.wire];
    if (fault.kind === "cut") {
      this.#options.say(`${faultText(fault)}: ${wire.cut()} connections`);
      this.#note({ role: `${fault.wire} wire`, kind: "cut" }, 0);
      return;
    }
    this.#options.say(faultText(fault));
    this.#note({ role: `${fault.wire} wire`, kind: fault.kind }, fault.ms);
    if (fault.kind === "delay") wire.delay(delayMs);
    else wire.freeze();
    const heal = () => (fault.kind === "delay" ? wire.delay(0) : wire.thaw());
    this.#heals(pause(fault.ms).then(heal));
  }

  /** As any user would: the next command starts a head if there is none. */
  revive(): void {
    this.#headless = true;
    if (this.#reviving) return;
    this.#reviving = true;
    this.#heals(
      this.#revived().finally(() => {
        this.#reviving = false;
      }),
    );
  }

  /** One that is killed while a command brings it back is brought back by the next. */
  async #revived(): Promise<void> {
    for (let failed = 0; this.#headless; ) {
      this.#headless = false;
      const { code, stderr } = await this.#options.ground.sky(["status"]);
      if (code === 0) continue;
      this.#options.say(`sky status ended with ${code}: ${stderr.trim()}`);
      this.#headless = true;
      failed += 1;
      if (failed === reviveTriesMax) throw new Error("sky status does not bring the head back");
      await pause(100);
    }
  }

  #note(what: Omit<Hit, "from" | "until">, ms: number): void {
    const from = Date.now();
    this.hits.push({ ...what, from, until: from + ms });
  }

  #heals(healing: Promise<void>): void {
    const done = healing
      .catch((error: unknown) => void this.problems.push(errorText(error)))
      .finally(() => this.#healing.delete(done));
    this.#healing.add(done);
  }
}

function memberText({ pid, role, node, rank, token }: Member): string {
  const whose = rank ?? (role === "keeper" || role === "logger" ? `slot ${token}` : node);
  return [`pid ${pid}`, ...(whose === undefined ? [] : [whose])].join(", ");
}

async function stopped(victim: Member, ms: number): Promise<void> {
  kill(victim, "SIGSTOP");
  await pause(ms);
  kill(victim, "SIGCONT");
}

/** A process that has ended meanwhile needs no signal. */
export function kill(victim: Pick<Member, "pid" | "startTicks">, signal: NodeJS.Signals): void {
  if (!isSame(victim)) return;
  try {
    process.kill(victim.pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
