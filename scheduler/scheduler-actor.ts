// The scheduler as a durable actor: `scheduler/main` on the head. The thin edge around the step.
//
// It performs what a turn decided, after the turn is on disk: the board hears of it, the vault
// keeps and forgets secrets, and a shutdown is asked of whoever can do it.

import { errorText, isSkyError } from "../model/errors.ts";
import type { Actor } from "../runtime/actor.ts";
import type { Log } from "../runtime/log.ts";
import type { Announcement } from "./board.ts";
import type { SubmitReply } from "./messages.ts";
import type { SchedulerArgs } from "./scheduler.ts";
import { startScheduler, stepScheduler } from "./scheduler.ts";
import type { SchedulerState } from "./table.ts";
import type { SchedulerEffect, SchedulerInput } from "./turn.ts";
import type { Secrets, SecretVault } from "./vault.ts";

export interface SchedulerPorts {
  /** The read model takes what was committed. Must not throw. */
  readonly announce: (announcement: Announcement) => void;
  /** Idempotent: asked again after a crash. */
  readonly requestShutdown: (verb: "stop" | "down") => void;
  readonly vault: SecretVault;
  /** Hears of each report of a node about what is not its own. */
  readonly onRefused: (node: string) => void;
  readonly log: Log;
}

export type SchedulerActor = Actor<SchedulerInput, SchedulerState, SchedulerEffect, SchedulerArgs>;

export function schedulerActor(ports: SchedulerPorts): SchedulerActor {
  return {
    kind: "scheduler",
    fromOtherNodes: [
      "rank-prepared",
      "rank-refused",
      "rank-started",
      "rank-exited",
      "rank-swept",
      "inventory",
      "inventory-part",
    ],
    start: startScheduler,
    step: stepScheduler,
    perform: async (effect, context) => {
      switch (effect.kind) {
        case "announce":
          return ports.announce(effect.announcement);
        case "request-shutdown":
          return ports.requestShutdown(effect.verb);
        case "keep-secrets":
          return context.tellSelf(await keep(ports.vault, effect));
        case "remove-secrets":
          return forget(ports, effect.jobs);
        case "count-refusal":
          return ports.onRefused(effect.node);
      }
    },
  };
}

async function keep(
  vault: SecretVault,
  { submission, secrets }: Extract<SchedulerEffect, { readonly kind: "keep-secrets" }>,
): Promise<SchedulerInput> {
  try {
    await Promise.all(
      secrets.map(([job, values]: readonly [number, Secrets]) => vault.put(job, values)),
    );
    return { kind: "secrets-kept", submission };
  } catch (error) {
    return { kind: "secrets-refused", submission, refusal: refusalOf(error) };
  }
}

function refusalOf(error: unknown): Extract<SubmitReply, { readonly kind: "refused" }> {
  if (!isSkyError(error, "disk/full")) {
    return { kind: "refused", code: "store/failed", params: { why: errorText(error) } };
  }
  const { path = "", free = "", hint = "" } = error.params;
  const params = { path: String(path), free: String(free), hint: String(hint) };
  return { kind: "refused", code: "disk/full", params };
}

/** What could not be removed is removed at the next start: the vault is swept there. */
async function forget({ vault, log }: SchedulerPorts, jobs: readonly number[]): Promise<void> {
  for (const job of jobs) {
    try {
      await vault.remove(job);
    } catch (error) {
      log.warn("secrets of an ended job could not be removed", { job, error: errorText(error) });
    }
  }
}
