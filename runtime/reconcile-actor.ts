// Runs the looks that `reconcile.ts` asks for, with a clock for the waits and a signal for the end.
// It decides nothing: it carries effects out and hands what became of them back as events. After
// `close` nothing is looked at any more, and no look is under way.

import type { Backoff } from "./backoff.ts";
import { backoff } from "./backoff.ts";
import type { Clock } from "./clock.ts";
import type { Log } from "./log.ts";
import type { Random } from "./random.ts";
import type {
  KeyState,
  ReconcileEffect,
  ReconcileEvent,
  ReconcileOutcome,
  ReconcileState,
} from "./reconcile.ts";
import { reconcileQueue, reconcileStep } from "./reconcile.ts";

export interface ReconcilerOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Reads everything about a key and does what remains. A throw counts as `failed`. */
  readonly look: (key: string, signal: AbortSignal) => Promise<ReconcileOutcome>;
  /** Hears of failures that will not be tried again. */
  readonly onStuck?: (key: string, error: unknown) => void;
  /** How many keys may be looked at side by side; 8 unless said otherwise. */
  readonly looksMax?: number;
  /** 1 s to 5 min unless said otherwise. */
  readonly backoff?: Backoff;
}

export interface Reconciler {
  /** Somebody should look at this key, soon. Any number of asks is one ask. */
  ask(key: string): void;
  /** The thing is gone for good. A look under way ends by itself. */
  drop(key: string): void;
  /** What is known of each key that is not done. */
  report(): ReadonlyMap<string, KeyState>;
  /** Aborts the looks under way and waits for them. */
  close(): Promise<void>;
}

export function createReconciler(options: ReconcilerOptions): Reconciler {
  return new Reconciling(options);
}

class Reconciling implements Reconciler {
  readonly #options: ReconcilerOptions;
  readonly #abort = new AbortController();
  readonly #wakes = new Map<string, () => void>();
  readonly #looks = new Set<Promise<void>>();
  #state: ReconcileState;

  constructor(options: ReconcilerOptions) {
    this.#options = options;
    this.#state = reconcileQueue({
      looksMax: options.looksMax ?? 8,
      backoff: options.backoff ?? backoff({ initialMs: 1_000, capMs: 300_000 }),
    });
  }

  ask(key: string): void {
    this.#take({ kind: "asked", key });
  }

  drop(key: string): void {
    this.#take({ kind: "dropped", key });
  }

  report(): ReadonlyMap<string, KeyState> {
    return this.#state.keys;
  }

  async close(): Promise<void> {
    this.#abort.abort();
    for (const cancel of this.#wakes.values()) cancel();
    this.#wakes.clear();
    await Promise.all(this.#looks);
  }

  #take(event: ReconcileEvent): void {
    if (this.#abort.signal.aborted) return;
    const [state, effects] = reconcileStep(this.#state, event, this.#options.random);
    this.#state = state;
    for (const effect of effects) this.#perform(effect);
  }

  #perform(effect: ReconcileEffect): void {
    const { clock, log, onStuck } = this.#options;
    switch (effect.kind) {
      case "look": {
        const look = this.#look(effect.key).finally(() => this.#looks.delete(look));
        this.#looks.add(look);
        return;
      }
      case "wake-after":
        this.#wakes.set(
          effect.key,
          clock.after(effect.ms, () => {
            this.#wakes.delete(effect.key);
            this.#take({ kind: "due", key: effect.key });
          }),
        );
        return;
      case "cancel-wake":
        this.#wakes.get(effect.key)?.();
        this.#wakes.delete(effect.key);
        return;
      case "show":
        log.warn("reconcile gave up: see the error, then ask again", {
          key: effect.key,
          error: effect.error,
        });
        onStuck?.(effect.key, effect.error);
    }
  }

  async #look(key: string): Promise<void> {
    let outcome: ReconcileOutcome;
    try {
      outcome = await this.#options.look(key, this.#abort.signal);
    } catch (error) {
      outcome = { kind: "failed", error };
    }
    this.#take({ kind: "looked", key, outcome });
  }
}
