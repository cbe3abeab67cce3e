// Job ids on a command line.
// They are whole numbers from 1, one row for each cluster.

import { WrongUse } from "./exit-codes.ts";

/** @throws WrongUse for what is not a positive whole number. */
export function jobIdOf(text: string): number {
  const id = /^[1-9]\d*$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(id)) return id;
  throw new WrongUse(`'${text}' is no job id: it should be a number such as 1 (see \`sky queue\`)`);
}
