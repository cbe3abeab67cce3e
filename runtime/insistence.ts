// Tells what nobody would say again: a full mailbox only puts it off.
//
// A mailbox is bounded so that a flood stays with whoever makes it. Some words have no second
// chance, though: that a process has ended, that a node is lost. Those wait here, in order, until
// the mailbox has room. Whoever insists must itself be slow to speak, or this is the flood.

import { isSkyError } from "../model/errors.ts";
import type { Clock } from "./clock.ts";

const againMs = 50;

/** `tell` throws `mailbox/full` when there is no room. What it says is said in order, and once. */
export function insistence<M>(clock: Clock, tell: (message: M) => void): (message: M) => void {
  const waiting: M[] = [];
  const taken = (message: M): boolean => {
    try {
      tell(message);
      return true;
    } catch (error) {
      if (isSkyError(error, "mailbox/full")) return false;
      throw error;
    }
  };
  const drain = (): void => {
    while (waiting[0] !== undefined && taken(waiting[0])) waiting.shift();
    if (waiting.length > 0) clock.after(againMs, drain);
  };
  return (message) => {
    if (waiting.length === 0 && taken(message)) return;
    waiting.push(message);
    if (waiting.length === 1) clock.after(againMs, drain);
  };
}
