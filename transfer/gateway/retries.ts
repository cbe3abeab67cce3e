// What an operator may try again: a number of tries for each thing, and a budget for all of them.
//
// Only a remedy of `retry` is tried again, after a wait that grows. The budget is what keeps a
// store that refuses everything from being asked five times for each of a million objects: each
// further try costs one, and each success earns a part of one back. Who has nothing left fails with
// the first error, and the round ends where another one may do better.
//
// What must always hold: no error is tried again whose remedy is another; a cancelled operator does
// not wait.

import { isSkyError } from "../../model/errors.ts";
import { backoff, backoffMs } from "../../runtime/backoff.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Random } from "../../runtime/random.ts";
import type { ObjectStore } from "../stores/object-store.ts";
import { pause } from "./pace.ts";

/** The first included. */
export const triesMax = 6;
/** Of bytes that are wrong: what is wrong on the way is right the next time, a bad object never. */
export const damagedTriesMax = 3;
/** Further tries that an operator may have ahead of its successes. */
export const budgetMax = 64;
const earnedPerSuccess = 0.1;
const policy = backoff({ initialMs: 100, capMs: 5_000 });

export interface RetryPorts {
  readonly clock: Clock;
  readonly random: Random;
}

export class Retries {
  readonly #ports: RetryPorts;
  readonly #onRetry: (error: unknown) => void;
  #budget = budgetMax;

  constructor(ports: RetryPorts, onRetry: (error: unknown) => void = () => {}) {
    this.#ports = ports;
    this.#onRetry = onRetry;
  }

  get budget(): number {
    return this.#budget;
  }

  /** Does it, again where that may help. @throws what it threw last; what `signal` says. */
  async run<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    for (let tried = 1; ; tried += 1) {
      signal.throwIfAborted();
      try {
        const result = await work();
        this.#budget = Math.min(budgetMax, this.#budget + earnedPerSuccess);
        return result;
      } catch (error) {
        signal.throwIfAborted();
        if (tried >= mostTries(error) || !this.#mayRetry(error)) throw error;
        this.#onRetry(error);
        await this.pause(tried, signal);
      }
    }
  }

  /** The wait after so many failures. */
  async pause(failures: number, signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#ports;
    await pause(clock, backoffMs(policy, failures, random), signal);
  }

  /** Takes one further try from the budget. */
  #mayRetry(error: unknown): boolean {
    if (!isSkyError(error) || error.remedy !== "retry" || this.#budget < 1) return false;
    this.#budget -= 1;
    return true;
  }
}

function mostTries(error: unknown): number {
  return isSkyError(error, "objects/damaged") ? damagedTriesMax : triesMax;
}

/** The store, whose calls are tried again within the budget. A listing is not: it has state. */
export function retryingStore(store: ObjectStore, retries: Retries): ObjectStore {
  const again = <T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> =>
    retries.run(signal, work);
  const { uploads } = store;
  return {
    bucket: store.bucket,
    limits: store.limits,
    region: (signal) => again(signal, () => store.region(signal)),
    bucketExists: (signal) => again(signal, () => store.bucketExists(signal)),
    createBucket: (signal) => again(signal, () => store.createBucket(signal)),
    deleteBucket: (signal) => again(signal, () => store.deleteBucket(signal)),
    list: (prefix, signal) => store.list(prefix, signal),
    head: (key, signal) => again(signal, () => store.head(key, signal)),
    get: (request, signal) => again(signal, () => store.get(request, signal)),
    put: (key, bytes, options) => again(options.signal, () => store.put(key, bytes, options)),
    begin: (key, options) => again(options.signal, () => store.begin(key, options)),
    putPart: (upload, part, signal) => again(signal, () => store.putPart(upload, part, signal)),
    parts: (upload, signal) => again(signal, () => store.parts(upload, signal)),
    complete: (upload, parts, options) =>
      again(options.signal, () => store.complete(upload, parts, options)),
    abort: (upload, signal) => again(signal, () => store.abort(upload, signal)),
    ...(uploads === undefined
      ? {}
      : { uploads: (prefix, signal) => again(signal, () => uploads.call(store, prefix, signal)) }),
    delete: (keys, signal) => again(signal, () => store.delete(keys, signal)),
    close: () => store.close(),
  };
}
