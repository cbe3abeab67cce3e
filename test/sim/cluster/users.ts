// The users of a simulated cluster: they submit, retry, cancel, follow, and set autostop.
//
// A user knows only what it was told. A request that is not answered in time is asked again with
// its idempotency key, for as long as it takes; one without a key is asked once. What a user was
// told is what the cluster is held to.

import type { Ref } from "../../../model/address.ts";
import { errorText } from "../../../model/errors.ts";
import { type Job, parseRankKey } from "../../../model/job.ts";
import type { Task } from "../../../model/task.ts";
import type { MemoryRandom } from "../../../runtime/random-memory.ts";
import type { ApiRequest, SubmitReply } from "../../../scheduler/messages.ts";
import { schedulerAddress } from "../../../scheduler/turn.ts";
import { Follower } from "./follower.ts";
import { clusterName } from "./setting.ts";
import type { Sim } from "./sim.ts";
import { lastingTask, randomTask } from "./tasks.ts";

const patienceMs = 5_000;
const bulkMax = 6;
const followersMax = 8;

export class Users {
  readonly #sim: Sim;
  readonly #random: MemoryRandom;
  /** Keys of submissions that have no answer yet. */
  readonly #waiting = new Set<string>();
  /** Names of tasks with a rank that only ends when it is stopped. */
  readonly #endless = new Set<string>();
  readonly #meanMs: number;
  readonly #followers = new Set<Follower>();
  #names = 0;
  #over = false;
  /** Rises with every cluster: what was asked of an earlier one is asked no more. */
  #cluster = 0;

  constructor(sim: Sim, random: MemoryRandom) {
    this.#sim = sim;
    this.#random = random;
    this.#meanMs = 500 + random.below(4_000);
  }

  begin(): void {
    const next = (): void => {
      this.#sim.timeline.after(this.#random.below(2 * this.#meanMs), () => {
        if (this.#over) return;
        this.#act();
        next();
      });
    };
    next();
  }

  /** Nobody asks for anything new, and the cluster is to stay. */
  end(): void {
    this.#over = true;
    void this.#disarm();
  }

  /** The cluster is down: nobody waits for an answer of it. */
  leave(): void {
    this.#cluster += 1;
    this.#waiting.clear();
    for (const follower of this.#followers) follower.stop();
  }

  waiting(): readonly string[] {
    // Nobody knows that a disk took the end of a log with it: who follows it waits for ever.
    const { truth } = this.#sim;
    const followers = [...this.#followers].filter(({ name }) => !truth.isCut(name));
    const following = followers.map(({ name }) => `a user still follows ${name}`);
    const asking = [...this.#waiting].map((key) => `a user still waits for an answer to ${key}`);
    return [...asking, ...following];
  }

  /** Of these jobs, those that run and would never stop. */
  cancelEndless(left: readonly Job[]): void {
    const endless = left.filter(
      ({ name, phase }) => phase === "running" && this.#endless.has(name),
    );
    const jobs = endless.map(({ id }) => id);
    if (jobs.length === 0) return;
    this.#sim.say(`user cancels ${jobs}, which would run for ever`);
    void this.#ask((replyTo) => ({ kind: "cancel", jobs, user: "ann", replyTo }));
  }

  #act(): void {
    const dice = this.#random.below(25);
    if (dice < 10) this.#submit(1);
    else if (dice < 12) this.#submit(2 + this.#random.below(bulkMax - 1));
    else if (dice < 17) this.#cancelSome();
    else if (dice < 19) this.#setAutostop({ idleMs: 1_000 * (1 + this.#random.below(5)) });
    else if (dice < 20) this.#setAutostop(undefined);
    else if (dice < 24) this.#follow();
    else if (this.#random.unit() < 0.3) {
      this.#sim.power.windDown(this.#random.unit() < 0.6 ? "stop" : "down");
    }
  }

  #follow(): void {
    const names = [...this.#sim.truth.ranks.keys()].slice(-20);
    const key = parseRankKey(names[this.#random.below(names.length)] ?? "");
    if (key === undefined || this.#followers.size >= followersMax) return;
    const readMs = this.#random.unit() < 0.7 ? 0 : this.#random.below(2_000);
    const follower = new Follower(this.#sim, key, readMs);
    this.#sim.say(`user follows ${follower.name}`);
    this.#followers.add(follower);
    void follower.run().then(() => this.#followers.delete(follower));
  }

  #task(name: string): Task {
    return this.#sim.away
      ? lastingTask(this.#random, name)
      : randomTask(this.#random, name, this.#sim.nodes.length);
  }

  #submit(count: number): void {
    const tasks = Array.from({ length: count }, () => {
      this.#names += 1;
      const name = `task-${this.#names}`;
      const task = this.#task(name);
      if (task.run?.includes("wait-for-ever")) this.#endless.add(name);
      return task;
    });
    const key = this.#random.unit() < 0.8 ? `key of ${tasks[0]?.name}` : "";
    if (key !== "") this.#waiting.add(key);
    this.#sim.say(`user submits ${tasks.map(({ name }) => name).join(" ")} with "${key}"`);
    void this.#submitUntilAnswered(tasks, key);
    if (key === "" || this.#random.unit() < 0.7) return;
    // A client that was killed, or lost patience, asks again, whatever has been answered before.
    const cluster = this.#cluster;
    this.#sim.timeline.after(this.#random.below(12_000), () => {
      if (this.#over || cluster !== this.#cluster) return;
      void this.#submitUntilAnswered(tasks, key);
    });
  }

  async #submitUntilAnswered(tasks: readonly Task[], key: string): Promise<void> {
    const cluster = this.#cluster;
    const names = tasks.map(({ name }) => name ?? "?");
    do {
      const answer = await this.#ask<SubmitReply>((replyTo) => ({
        ...{ kind: "submit", tasks, idempotencyKey: key, user: "ann", noSetup: false, replyTo },
        workdirs: tasks.map(() => undefined),
      }));
      if (cluster !== this.#cluster) return;
      if (answer?.kind === "submitted") this.#sim.truth.acknowledge(answer.jobs, names);
      if (answer?.kind === "refused") this.#sim.truth.refuse(names);
      if (answer !== undefined) {
        this.#sim.say(`user hears of ${names.join(" ")}: ${JSON.stringify(answer)}`);
        this.#waiting.delete(key);
        return;
      }
      await this.#pause(200 + this.#random.below(2_000));
    } while (key !== "");
  }

  /** Of late jobs any, of the others those that run: some would for ever. */
  #cancelSome(): void {
    const late = [...this.#sim.truth.acknowledged.keys()].slice(-30);
    const running = this.#sim.truth.jobs().filter(({ phase }) => phase === "running");
    const known = this.#random.unit() < 0.5 ? late : running.map(({ id }) => id);
    const pick = (): number => known[this.#random.below(known.length)] ?? 1;
    const isAll = this.#random.unit() < 0.1;
    const jobs = isAll ? ("all" as const) : [pick(), pick()];
    this.#sim.say(`user cancels ${isAll ? "all" : jobs}`);
    void this.#ask((replyTo) => ({ kind: "cancel", jobs, user: "ann", replyTo }));
  }

  #setAutostop(idle: { readonly idleMs: number } | undefined): void {
    const verb = this.#random.unit() < 0.5 ? ("stop" as const) : ("down" as const);
    const setting = idle === undefined ? undefined : { ...idle, verb };
    this.#sim.say(`user sets autostop ${JSON.stringify(setting)}`);
    void this.#ask((replyTo) => ({ kind: "set-autostop", setting, replyTo }));
  }

  /** Until it is so: nothing may end the cluster after the last job. */
  async #disarm(): Promise<void> {
    const asked = "autostop off";
    this.#waiting.add(asked);
    const make = (replyTo: object) => ({ kind: "set-autostop", setting: undefined, replyTo });
    while ((await this.#ask(make)) === undefined) await this.#pause(1_000);
    this.#waiting.delete(asked);
  }

  /** The answer, or undefined when none came in time. */
  #ask<R extends object>(make: (replyTo: Ref<R>) => unknown): Promise<R | undefined> {
    return askHead(this.#sim, patienceMs, make);
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.#sim.timeline.after(ms, resolve));
  }
}

/** Asks the scheduler, as the API does; undefined when no answer came in time. */
export function askHead<R extends object>(
  sim: Sim,
  timeoutMs: number,
  make: (replyTo: Ref<R>) => unknown,
): Promise<R | undefined> {
  const { open, disk } = sim.head;
  // As `demandRoom` says to whoever asks while the disk is full.
  if (open === undefined || disk.full) return Promise.resolve(undefined);
  return new Promise((resolve) => {
    const giveUp = sim.timeline.after(timeoutMs, () => resolve(undefined));
    const answered = (answer: R | undefined): void => {
      giveUp();
      resolve(answer);
    };
    open.life.awake(() => {
      const to = schedulerAddress(clusterName);
      const request = (replyTo: Ref<R>) => make(replyTo) as ApiRequest;
      open.system
        .ask<ApiRequest, R>(to, request, { timeoutMs: 2 * timeoutMs })
        .then(answered, (error: unknown) => {
          sim.say(`user hears that ${errorText(error)}`);
          answered(undefined);
        });
    });
  });
}
