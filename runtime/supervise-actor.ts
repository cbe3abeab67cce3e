// Carries out what `supervisor.ts` decides, over a system of actors.
//
// Everything happens one after the other in one queue: a start waits for the child's first save, so
// that a tree is up when its last child is, and a stop waits until the child is down. An end that
// is reported while the queue still works is judged when its turn comes; one of a life that has
// been replaced meanwhile is no news. A child that fails to start has crashed.

import type { Address } from "../model/address.ts";
import { assert, errorText } from "../model/errors.ts";
import type { Clock } from "./clock.ts";
import type { Log } from "./log.ts";
import type {
  ChildSpec,
  Supervision,
  SupervisorEffect,
  SupervisorSpec,
  SupervisorState,
} from "./supervisor.ts";
import { addChild, onExit, removeChild, stopAll, supervisor } from "./supervisor.ts";
import type { ActorSystem } from "./system-actor.ts";

export interface Child extends ChildSpec {
  /** Reads what it needs from the journal and spawns. Called again for every restart. */
  readonly start: () => Address | Promise<Address>;
}

export interface SuperviseOptions extends SupervisorSpec {
  readonly system: ActorSystem;
  readonly clock: Clock;
  readonly log: Log;
  /** All children are stopped, for good. */
  readonly onEscalate: (reason: string) => void;
}

export interface Supervisor {
  /**
   * Starts a child after those there are. Resolves when its first turn is on disk. Rejects with
   * what its start threw, and forgets it.
   */
  add(child: Child): Promise<void>;
  /** Stops a child for good. */
  remove(id: string): Promise<void>;
  /** Stops all, the last first. */
  close(reason: string): Promise<void>;
  /** The ids of the children that there are, in start order. */
  children(): readonly string[];
  /** Resolves when all that was reported so far has been dealt with. */
  settled(): Promise<void>;
}

interface Running {
  readonly address: Address;
  readonly unwatch: () => void;
}

export function supervise(options: SuperviseOptions): Supervisor {
  return new Supervising(options);
}

class Supervising implements Supervisor {
  readonly #options: SuperviseOptions;
  readonly #specs = new Map<string, Child>();
  readonly #running = new Map<string, Running>();
  #state: SupervisorState;
  #work: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: SuperviseOptions) {
    const { strategy, restartsMax, periodMs } = options;
    this.#options = options;
    this.#state = supervisor({ strategy, restartsMax, periodMs });
  }

  add(child: Child): Promise<void> {
    return this.#enqueue(async () => {
      assert(!this.#closed, `child ${child.id} is added to a closed supervisor`);
      const [state] = addChild(this.#state, child);
      this.#specs.set(child.id, child);
      try {
        await this.#start(child);
        this.#state = state;
      } catch (error) {
        this.#specs.delete(child.id);
        throw error;
      }
    });
  }

  remove(id: string): Promise<void> {
    return this.#enqueue(() => this.#carryOut(removeChild(this.#state, id), "removed"));
  }

  close(reason: string): Promise<void> {
    return this.#enqueue(async () => {
      this.#closed = true;
      await this.#carryOut(stopAll(this.#state), reason);
    });
  }

  children(): readonly string[] {
    return this.#state.children.map(({ id }) => id);
  }

  settled(): Promise<void> {
    return this.#enqueue(async () => {});
  }

  async #exited(child: Child, reason: string, crashed: boolean): Promise<void> {
    // A sibling's end has restarted it already.
    if (this.#running.has(child.id)) return;
    const atMs = this.#options.clock.now().monoMs;
    this.#options.log.info("child ended", { child: child.id, reason, crashed });
    await this.#carryOut(onExit(this.#state, { id: child.id, crashed, atMs }), "a sibling ended");
  }

  async #carryOut([state, effects]: Supervision, why: string): Promise<void> {
    this.#state = state;
    for (const effect of effects) {
      if (!(await this.#perform(effect, why))) break;
    }
    for (const id of this.#specs.keys()) {
      if (!this.#state.children.some((child) => child.id === id)) this.#specs.delete(id);
    }
  }

  /** False if a child did not start: its crash is dealt with next, and starts what remains. */
  async #perform(effect: SupervisorEffect, why: string): Promise<boolean> {
    switch (effect.kind) {
      case "stop-child":
        await this.#stop(effect.id, why);
        return true;
      case "escalate":
        this.#closed = true;
        this.#options.onEscalate(effect.reason);
        return true;
      case "start-child": {
        const child = this.#specs.get(effect.id);
        assert(child !== undefined, `child ${effect.id} has a start`);
        return await this.#restart(child);
      }
    }
  }

  async #restart(child: Child): Promise<boolean> {
    try {
      await this.#start(child);
      return true;
    } catch (error) {
      this.#options.log.warn("child did not start", { child: child.id, error });
      this.#report(child, `did not start: ${errorText(error)}`, true);
      return false;
    }
  }

  async #start(child: Child): Promise<void> {
    const { system } = this.#options;
    const address = await child.start();
    const running: Running = {
      address,
      unwatch: system.watch(address, (reason, crashed) => {
        if (this.#running.get(child.id) !== running) return;
        this.#running.delete(child.id);
        this.#report(child, reason, crashed);
      }),
    };
    this.#running.set(child.id, running);
    await system.saved(address);
  }

  async #stop(id: string, reason: string): Promise<void> {
    const running = this.#running.get(id);
    if (running === undefined) return;
    this.#running.delete(id);
    running.unwatch();
    await this.#options.system.stop(running.address, reason);
  }

  #report(child: Child, reason: string, crashed: boolean): void {
    this.#enqueue(() => this.#exited(child, reason, crashed)).catch((error: unknown) => {
      this.#options.log.error("supervisor failed", { child: child.id, error });
      this.#options.onEscalate(errorText(error));
    });
  }

  #enqueue(work: () => Promise<void>): Promise<void> {
    const done = this.#work.then(work);
    // The queue goes on whatever became of one piece of work; its caller hears of the failure.
    this.#work = done.catch(() => {});
    return done;
  }
}
