// What the simulations hold the system to: each promise has a name, and a broken one is told by it.
//
// Whoever reads the table of mutants sees which promise caught which bug, and a promise that no
// mutant breaks may be checking nothing.

export const promises = {
  "one record": "an acknowledged job is on record under its id, once, whatever is asked again",
  "one start": "a rank is started at most once in an attempt, and never after its job's end",
  "one end": "how a job ended is never changed",
  "true end": "what is on record of an end is what the processes did",
  "in time": "no attempt goes on for longer than its timeout, and none ends for one before",
  "whole gang": "a gang runs whole, each rank on a node of its own, after all stood ready",
  "own share": "no device, core or node is held by two jobs beyond what it has",
  "no overlap": "no rank of an old attempt runs beside one of a new",
  "node faith": "no node is called lost for what was not its own silence",
  "busy stays": "no cluster is stopped while one of its jobs has not ended",
  "whole log": "the head keeps, and each follower gets, every byte of a log once and in order",
  "nothing left": "nothing of an ended job, or of a cluster that is down, runs or stays",
  "comes to rest": "once all is healed every job ends, every mailbox drains and nothing waits",
  "no growth": "what is kept of the past stays within its bounds",
  "no crash": "nothing that may happen makes an actor throw or log an error",
} as const;

export type PromiseName = keyof typeof promises;

export interface Violation {
  readonly promise: PromiseName;
  readonly what: string;
}

/** Promises that were broken, with the seed and the story of how it came to that. */
export class BrokenPromise extends Error {
  readonly violations: readonly Violation[];

  constructor(violations: readonly Violation[], story: string) {
    const told = violations.map(({ promise, what }) => `${promise}: ${what}`).join("\n");
    super(`${told}\n${story}`);
    this.violations = violations;
  }
}
