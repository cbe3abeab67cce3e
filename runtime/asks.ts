// Requests that wait for their reply.
//
// `ask` gives its message a reply address of its own, `{kind: "ask", id}`, which lives until the
// first of: the reply, a refusal, the timeout, the asker's abort, the end of the actor that was
// asked, the end of the system. Ids carry the incarnation of the asking system, so a reply to an
// ask of an earlier life finds nobody. Only the node that was asked may answer.

import type { Address } from "../model/address.ts";
import { addressText } from "../model/address.ts";
import { SkyError } from "../model/errors.ts";
import type { Clock } from "./clock.ts";

/** The kind of every reply address. No actor may have it. */
export const askKind = "ask";

export interface AskOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/** One open request. */
export interface PendingAsk {
  readonly replyTo: Address;
  readonly reply: Promise<unknown>;
  refuse(error: Error): void;
}

export interface Asks {
  open(target: Address, options: AskOptions): PendingAsk;
  /** Hands a reply to its asker; false if nobody waits for it from that node. */
  settle(id: string, message: object, from: string): boolean;
  /** Fails the ask with this reply address; false if there is none that `from` may refuse. */
  refuse(id: string, from: string | undefined, errorFor: (target: Address) => Error): boolean;
  close(why: string): void;
}

interface Waiting {
  readonly target: Address;
  readonly resolve: (message: unknown) => void;
  readonly reject: (error: Error) => void;
}

export function createAsks(owner: {
  readonly cluster: string;
  readonly node: string;
  readonly incarnation: number;
  readonly clock: Clock;
}): Asks {
  const waiting = new Map<string, Waiting>();
  let count = 0;
  const take = (id: string, from: string | undefined): Waiting | undefined => {
    const found = waiting.get(id);
    if (found === undefined) return undefined;
    return from === undefined || found.target.node === from ? found : undefined;
  };
  return {
    open: (target, options) => {
      count += 1;
      const id = `${owner.incarnation}-${count}`;
      const replyTo = { cluster: owner.cluster, node: owner.node, kind: askKind, id };
      const { promise, resolve, reject } = Promise.withResolvers<unknown>();
      const stopWaiting = armEnd({ target, options, clock: owner.clock, reject: (e) => fail(e) });
      const finish = (): void => {
        waiting.delete(id);
        stopWaiting();
      };
      const fail = (error: Error): void => {
        finish();
        reject(error);
      };
      const succeed = (message: unknown): void => {
        finish();
        resolve(message);
      };
      waiting.set(id, { target, resolve: succeed, reject: fail });
      return { replyTo, reply: promise, refuse: fail };
    },
    settle: (id, message, from) => {
      const found = take(id, from);
      found?.resolve(message);
      return found !== undefined;
    },
    refuse: (id, from, errorFor) => {
      const found = take(id, from);
      found?.reject(errorFor(found.target));
      return found !== undefined;
    },
    close: (why) => {
      for (const { target, reject } of [...waiting.values()]) {
        const what = `a request to ${addressText(target)}`;
        reject(new SkyError("core/cancelled", { what }, { cause: new Error(why) }));
      }
    },
  };
}

/** Arms the two ends that need nobody else: the timeout and the asker's abort. */
function armEnd(ask: {
  readonly target: Address;
  readonly options: AskOptions;
  readonly clock: Clock;
  readonly reject: (error: Error) => void;
}): () => void {
  const { timeoutMs, signal } = ask.options;
  const to = addressText(ask.target);
  const asker = { stack: "" };
  Error.captureStackTrace(asker, armEnd);
  const cancelTimer = ask.clock.after(timeoutMs, () => {
    const error = new SkyError("bus/timeout", { ms: timeoutMs, to });
    // Whoever reads this wants to know who asked, not which timer fired.
    error.stack = `${error.name}: ${error.message}\n${asker.stack.split("\n").slice(1).join("\n")}`;
    ask.reject(error);
  });
  if (signal === undefined) return cancelTimer;
  const onAbort = (): void => {
    ask.reject(
      new SkyError("core/cancelled", { what: `a request to ${to}` }, { cause: signal.reason }),
    );
  };
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) queueMicrotask(onAbort);
  return () => {
    cancelTimer();
    signal.removeEventListener("abort", onAbort);
  };
}
