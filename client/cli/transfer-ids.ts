// Numbers of transfers on a command line, checked before anybody is asked.
// Which transfers there are is told by the head.

import { WrongUse } from "./exit-codes.ts";

/** @throws WrongUse for what is not a positive whole number. */
export function transferIdOf(text: string): number {
  const id = /^[1-9]\d*$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(id)) return id;
  const should = "it should be a number such as 1 (see `sky transfers`)";
  throw new WrongUse(`'${text}' is no transfer: ${should}`);
}
