// Deferral: when the memory versions of bus and stream deliver.
//
// Delivery must not run inside the sender's call, and should come as soon as possible: in the next
// microtask. `runtime/deferral-os.ts` has the version for programs that also serve sockets.

/** Runs `run` soon, never at once, in the order of the calls. */
export type Defer = (run: () => void) => void;

/** In the next microtask. Two parties that answer each other leave no room for anybody else. */
export function microtaskDefer(): Defer {
  return batchedDefer(queueMicrotask);
}

/** Runs what was put off in batches; `schedule` decides when the next batch is due. */
export function batchedDefer(schedule: (runBatch: () => void) => void): Defer {
  let waiting: (() => void)[] = [];
  let scheduled = false;
  const plan = (): void => {
    scheduled = true;
    schedule(runBatch);
  };
  // One that throws is its owner's bug and surfaces as such; the others still get their turn.
  const runBatch = (): void => {
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
      if (waiting.length > 0 && !scheduled) plan();
    }
  };
  return (run) => {
    waiting.push(run);
    if (!scheduled) plan();
  };
}
