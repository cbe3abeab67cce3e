// How long somebody waits: until they give up, or until a time is over.
//
// What must always hold: the signal's reason is the error that the caller gets; nothing is left of
// a limit that was cleared.

import { SkyError } from "../model/errors.ts";
import { unreachableSince } from "./openssh-errors.ts";
import type { SshTarget } from "./ssh.ts";

export interface Limit {
  readonly signal: AbortSignal;
  /** From now on time does not matter; the caller may still give up. */
  untimed(): void;
  clear(): void;
}

export function limitOf(
  signal: AbortSignal,
  options: { readonly target: SshTarget; readonly ms: number; readonly why: () => string },
): Limit {
  const { target, ms, why } = options;
  const control = new AbortController();
  const cancel = (): void => control.abort(cancelled(target, signal.reason));
  const timer = setTimeout(() => {
    control.abort(unreachableSince(target, `${why()} within ${ms / 1000} s`));
  }, ms);
  if (signal.aborted) cancel();
  else signal.addEventListener("abort", cancel, { once: true });
  const untimed = (): void => clearTimeout(timer);
  return {
    signal: control.signal,
    untimed,
    clear: () => {
      untimed();
      signal.removeEventListener("abort", cancel);
    },
  };
}

export function cancelled(target: SshTarget, cause?: unknown): SkyError {
  return new SkyError("core/cancelled", { what: `ssh to ${target.host}` }, { cause });
}

/** What comes of `work`, unless the signal comes first: then its end is nobody's business. */
export async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const leave = (): void => aborted.reject(signal.reason);
  signal.addEventListener("abort", leave, { once: true });
  try {
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", leave);
  }
}
