// Deferral for programs that serve sockets beside their memory bus and streams.
//
// Two parties that answer each other in microtasks alone would never let the process read a socket
// again, so every so often the turn goes through the event loop.

import { batchedDefer, type Defer } from "./deferral.ts";

const microtasksInARow = 64;

/** Microtasks, with a turn of the event loop after every 64 batches. */
export function fairDefer(): Defer {
  let inARow = 0;
  return batchedDefer((runBatch) => {
    inARow = (inARow + 1) % microtasksInARow;
    if (inARow === 0) setImmediate(runBatch);
    else queueMicrotask(runBatch);
  });
}
