// Deferral: when the memory versions of bus and stream deliver.
//
// Delivery must not run inside the sender's call, and should come as soon as possible: in the next
// microtask. Two parties that answer each other in microtasks alone would never let the process
// read a socket again, so every so often the turn goes through the event loop.

/** Runs `run` soon, never at once, in the order of the calls. */
export type Defer = (run: () => void) => void;

const microtasksInARow = 64;

/** Microtasks, with a turn of the event loop after every 64 in a row. */
export function fairDefer(): Defer {
  let waiting: (() => void)[] = [];
  let inARow = 0;
  let scheduled = false;

  const schedule = (): void => {
    scheduled = true;
    inARow = (inARow + 1) % microtasksInARow;
    if (inARow === 0) setImmediate(runAll);
    else queueMicrotask(runAll);
  };
  // One that throws is its owner's bug and surfaces as such; the others still get their turn.
  const runAll = (): void => {
    scheduled = false;
    const batch = waiting;
    waiting = [];
    let done = 0;
    try {
      for (const run of batch) {
        done += 1;
        run();
      }
    } finally {
      if (done < batch.length) waiting = [...batch.slice(done), ...waiting];
      if (waiting.length > 0 && !scheduled) schedule();
    }
  };
  return (run) => {
    waiting.push(run);
    if (!scheduled) schedule();
  };
}
