// How a process ended, in words that a user understands.

import type { Exit } from "../model/job.ts";
import { signalName } from "../model/signal-name.ts";

/** `exited with 7`, `was killed by SIGKILL (137: SIGKILL, sent by the agent)`. */
export function exitText(exit: Exit): string {
  switch (exit.kind) {
    case "code":
      return `exited with ${exit.code}`;
    case "signal":
      return signalText(exit.signal, exit.evidence);
    case "stopped":
      return `was stopped (${exit.why})`;
    case "unknown":
      return `ended with an unknown exit code (${exit.evidence})`;
  }
}

/** A shell cannot tell `exit 137` from SIGKILL: without evidence, say both. */
function signalText(signal: number, evidence: string): string {
  const name = signalName(signal);
  return evidence === ""
    ? `exited with ${128 + signal} (${name} or exit ${128 + signal})`
    : `was killed by ${name} (${evidence})`;
}

/** Its node ended it, because nobody had confirmed its lease. */
export function isLeaseOver(exit: Exit): boolean {
  return exit.kind === "stopped" && exit.why === "lease-expired";
}

export function isSuccess(exit: Exit | undefined): boolean {
  return exit?.kind === "code" && exit.code === 0;
}
