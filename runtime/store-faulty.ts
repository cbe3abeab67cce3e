// A store that fails or waits on demand, around any other.
//
// For tests of what depends on a commit: nothing may be done, sent or answered for a state whose
// commit is held or has failed.

import { SkyError } from "../model/errors.ts";
import type { Store } from "./store.ts";

export interface FaultyStore extends Store {
  /**
   * The next commit fails, and all after it, as the port promises. With `applied` it is on disk
   * all the same, as when the answer was lost: nobody may conclude that it is not there.
   */
  failNext(why: string, options?: { readonly applied?: boolean }): void;
  /** Commits wait from now on, until the returned function is called. */
  hold(): () => void;
}

export function createFaultyStore(inner: Store): FaultyStore {
  let next: { readonly why: string; readonly applied: boolean } | undefined;
  let broken: string | undefined;
  let gate: Promise<void> | undefined;
  let last: Promise<void> = Promise.resolve();

  const write = async (work: () => Promise<void>): Promise<void> => {
    if (gate !== undefined) await gate;
    if (broken !== undefined) throw new SkyError("store/failed", { why: broken });
    if (next === undefined) return work();
    broken = next.why;
    if (next.applied) await work();
    throw new SkyError("store/failed", { why: broken });
  };
  const inOrder = (work: () => Promise<void>): Promise<void> => {
    const done = last.then(() => write(work));
    // Only for the order: the caller hears of the failure.
    last = done.catch(() => {});
    return done;
  };

  return {
    ...inner,
    commit: (batch) => inOrder(() => inner.commit(batch)),
    forget: (subject) => inOrder(() => inner.forget(subject)),
    trim: (subject, keep) => inOrder(() => inner.trim(subject, keep)),
    close: async () => {
      await last;
      await inner.close();
    },
    failNext: (why, { applied = false } = {}) => {
      next = { why, applied };
    },
    hold: () => {
      const held = Promise.withResolvers<void>();
      gate = held.promise;
      return () => {
        if (gate === held.promise) gate = undefined;
        held.resolve();
      };
    },
  };
}
