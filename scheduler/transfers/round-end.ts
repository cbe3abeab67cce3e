// How a round ends, from what went wrong in it or from what is left. Pure.
//
// What only this call cannot do may be done by another round; what no round can do ends the
// transfer.

import { errorText, isSkyError } from "../../model/errors.ts";
import type { Ledger } from "../../transfer/job/ledger.ts";
import type { RoundEnd } from "../../transfer/job/transfer-machine.ts";

/** How it stands when nothing is to do any more. */
export function wholeOf(ledger: Ledger): RoundEnd {
  const { failed } = ledger.counts();
  const first = failed === 0 ? [] : ledger.failures(0, failuresLookedAt);
  const mayPass = first.filter(({ retry }) => retry).length;
  const why = failed === 0 ? "" : `${failed} did not arrive; the first: ${first[0]?.why ?? ""}`;
  return { kind: "whole", failed, mayPass, why };
}

const failuresLookedAt = 1_000;

/** Of partial files and uploads, when a round ended so. */
export function leaveOf(end: RoundEnd): "keep" | "remove" {
  if (end.kind === "whole") return end.mayPass > 0 ? "keep" : "remove";
  return end.kind === "again" || end.mayPass ? "keep" : "remove";
}

export function again(why: string): Extract<RoundEnd, { readonly kind: "again" }> {
  return { kind: "again", why, hasMoved: false };
}

export function fatal(why: string): RoundEnd {
  return { kind: "fatal", why, mayPass: false };
}

export function endOf(error: unknown, before = ""): RoundEnd {
  const why = `${before}${errorText(error)}`;
  const isForGood = isSkyError(error) && error.remedy !== "retry" && !passes.includes(error.code);
  return isForGood ? fatal(why) : again(why);
}

/** What gives up one call, not the transfer: a cluster may come up again. */
const passes: readonly string[] = ["cluster/not-up", "core/cancelled"];
