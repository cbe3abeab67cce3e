// What every call of the SDK has around it: the home, its head, who asks, and until when.
//
// One session belongs to one `Sky`. Nothing is loaded or connected before the first call.

import { setTimeout as pause } from "node:timers/promises";
import { SkyError } from "../model/errors.ts";
import type { Home } from "../model/home.ts";
import type { Head } from "./head.ts";
import { lateHead } from "./head-late.ts";
import { homeOf } from "./home-os.ts";
import type { CallOptions, SkyOptions } from "./sky-options.ts";
import { userName } from "./world-os.ts";

export interface Session {
  readonly home: Home;
  readonly head: Head;
  readonly user: string;
  /** Hears of what is worth knowing and is no error. */
  readonly warn: (text: string) => void;
  /** Aborted when the call's signal is, or the session's. */
  until(options: CallOptions): AbortSignal;
}

/** The ports of what follows a stream or waits. */
export interface Ports {
  readonly signal: AbortSignal;
  pause(ms: number): Promise<void>;
}

export function openSession(options: SkyOptions): Session {
  const { onWarning, signal: own = new AbortController().signal } = options;
  const home = homeOf(options.home);
  const place = { home, ...(onWarning === undefined ? {} : { onWarning }) };
  const open = async (): Promise<Head> => {
    const [{ connectHead }, { headOver }] = await Promise.all([
      import("./connect-os.ts"),
      import("./head-grpc.ts"),
    ]);
    return headOver((until) => connectHead(place, until));
  };
  return {
    home,
    head: lateHead(open),
    user: userOf(options.user),
    warn: (text) => onWarning?.(text),
    until: ({ signal }) => (signal === undefined ? own : AbortSignal.any([own, signal])),
  };
}

export function portsOf(session: Session, options: CallOptions): Ports {
  const signal = session.until(options);
  return {
    signal,
    pause: async (ms) => {
      await pause(ms, undefined, { signal }).catch((cause: unknown) => {
        throw new SkyError("core/cancelled", { what: "the call" }, { cause });
      });
    },
  };
}

function userOf(given: string | undefined): string {
  const name = given?.trim() ?? "";
  return name === "" ? userName() : name;
}
