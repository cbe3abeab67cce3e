// The pause and the dice of `--retry-until-up`, from the machine.
//
// The rule itself is in `until-up.ts`; the command and the SDK pass this to `launchTask`.

import { setTimeout as pause } from "node:timers/promises";
import { SkyError } from "../model/errors.ts";
import type { UntilUp } from "./until-up.ts";

/** Ends with `core/cancelled` when `signal` aborts. */
export function untilUpBy(signal: AbortSignal): UntilUp {
  return {
    random: () => Math.random(),
    pause: async (ms) => {
      await pause(ms, undefined, { signal }).catch((cause: unknown) => {
        throw new SkyError("core/cancelled", { what: "the launch" }, { cause });
      });
    },
  };
}
