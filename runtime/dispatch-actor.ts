// Who runs next. All actors of a system share one thread; the dispatcher gives them turns.
//
// An actor with letters stands once in the queue of the ready. A burst is worked off in the
// microtask after the first `tell`, so a message costs no trip through the event loop. After
// `turnsPerTask` turns the rest waits for `setImmediate`, so that sockets, timers and the disk get
// their share even when actors talk without end; after `turnsPerVisit` turns an actor goes back to
// the end of the queue, so that a flood into one actor does not starve the others.
//
// What must always hold: whoever is ready is run; `run` never happens inside `ready`.

import { Ring } from "./mailbox.ts";

/** Something that has turns to run. `run` must not throw. */
export interface Runnable {
  /** Runs at most `turnsMax` turns; answers how many it ran. */
  run(turnsMax: number): number;
  /** Whether there is more to run now. */
  hasTurns(): boolean;
  /** The dispatcher's mark: whether it stands in the queue. */
  queued: boolean;
}

export interface Dispatcher {
  /** Queues `runnable` unless it already stands in the queue. */
  ready(runnable: Runnable): void;
}

const turnsPerTask = 256;
const turnsPerVisit = 64;

export function createDispatcher(): Dispatcher {
  const queue = new Ring<Runnable>();
  let scheduled = false;
  /** Turns since the event loop last went round. */
  let spent = 0;

  const schedule = (): void => {
    scheduled = true;
    if (spent < turnsPerTask) queueMicrotask(drain);
    else setImmediate(drainAfresh);
  };
  const drainAfresh = (): void => {
    spent = 0;
    drain();
  };
  const drain = (): void => {
    while (spent < turnsPerTask) {
      const next = queue.shift();
      if (next === undefined) break;
      // A visit costs at least one turn, so that the loop ends whatever `run` answers.
      spent += Math.max(1, next.run(Math.min(turnsPerVisit, turnsPerTask - spent)));
      if (next.hasTurns()) queue.push(next);
      else next.queued = false;
    }
    scheduled = false;
    if (queue.count > 0) schedule();
  };

  return {
    ready: (runnable) => {
      if (runnable.queued) return;
      runnable.queued = true;
      queue.push(runnable);
      if (!scheduled) schedule();
    },
  };
}
