// Job ids on a command line, checked before anybody is asked, and what is wrong with them in words.
// Which jobs they mean is in `client/jobs-meant.ts`.

import type { Job } from "../../model/job.ts";
import { isGlob } from "../glob.ts";
import type { JobsFound, JobWords } from "../jobs-meant.ts";
import { WrongUse } from "./exit-codes.ts";

/** @throws WrongUse for what is not a positive whole number. */
export function jobIdOf(text: string): number {
  const id = /^[1-9]\d*$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(id)) return id;
  throw new WrongUse(`'${text}' is no job id: it should be a number such as 1 (see \`sky queue\`)`);
}

/** @throws WrongUse naming the word that is neither. */
export function jobWordsOf(words: readonly string[]): JobWords {
  const ids = words.filter((word) => !isGlob(word)).map(jobIdOf);
  return { ids: [...new Set(ids)], globs: words.filter(isGlob) };
}

/** What matched nothing, in words: a glob that finds no job is no error. */
export function unmatchedText({ jobs, unmatched }: JobsFound): readonly string[] {
  if (jobs.length === 0) return ["No matching jobs found."];
  return unmatched.map((glob) => `No job matches '${glob}'.`);
}

/** @throws WrongUse for the first job that has not all of these ranks, naming those that it has. */
export function demandRanks(jobs: readonly Job[], ranks: readonly number[]): void {
  for (const { id, numNodes } of jobs) {
    const beyond = ranks.find((rank) => rank >= numNodes);
    if (beyond === undefined) continue;
    const has = numNodes === 1 ? "only rank 0" : `ranks 0 to ${numNodes - 1}`;
    throw new WrongUse(`--rank: job ${id} has ${has}, not ${beyond}`);
  }
}
