// Telling agents of hosts to leave, over the system of their cluster's head.
//
// Any message may be lost: whoever does not answer is asked again, as long as it is there. One that
// is silent for as long as liveness takes to miss it is gone, or is for whoever owns the hosts.

import type { HostAgents, HostLeft, LeaveOrder } from "../clouds/cloud-hosts.ts";
import { isSkyError, SkyError } from "../model/errors.ts";
import type { Inspection, Left } from "../proto/messages.ts";
import type { Head } from "./head.ts";

type Heads = { get(cluster: string): Pick<Head, "system" | "board"> | undefined };

/** Once more after so long without an answer. */
const askMs = 5_000;
/** Removing what was laid out may take this long. */
const leaveMs = 300_000;

export function hostAgents(heads: Heads): HostAgents {
  return {
    canLeave: (cluster, node, signal) => canLeave(heads, { cluster, node }, signal),
    leave: (cluster, node, order) => leave(heads, { cluster, node }, order),
  };
}

interface Whom {
  readonly cluster: string;
  readonly node: string;
}

async function canLeave(heads: Heads, whom: Whom, signal: AbortSignal): Promise<boolean> {
  const head = heads.get(whom.cluster);
  while (head !== undefined && isThere(head, whom)) {
    signal.throwIfAborted();
    try {
      const { json } = await head.system.ask<{ kind: "inspect"; replyTo: object }, Inspection>(
        addressOf(whom),
        (replyTo) => ({ kind: "inspect", replyTo }),
        { timeoutMs: askMs, signal },
      );
      const { capabilities = [] } = JSON.parse(json) as { capabilities?: readonly string[] };
      return capabilities.includes("leave");
    } catch (error) {
      if (isSkyError(error, "bus/no-such-actor")) return false;
      if (!isSkyError(error, "bus/timeout")) throw error;
    }
  }
  return false;
}

async function leave(heads: Heads, whom: Whom, order: LeaveOrder): Promise<HostLeft> {
  const head = heads.get(whom.cluster);
  const { remove, why, signal } = order;
  const until = AbortSignal.any([signal, AbortSignal.timeout(leaveMs)]);
  while (head !== undefined && isThere(head, whom)) {
    if (until.aborted) throw new SkyError("bus/timeout", { ms: leaveMs, to: whom.node });
    try {
      const { kept } = await head.system.ask<{ kind: "leave"; replyTo: object }, Left>(
        addressOf(whom),
        (replyTo) => ({ kind: "leave", remove, why, replyTo }),
        { timeoutMs: askMs, signal: until },
      );
      return { kept };
    } catch (error) {
      // Its answer was lost with it.
      if (isSkyError(error, "bus/no-such-actor")) return { kept: [] };
      if (!isSkyError(error, "bus/timeout")) throw error;
    }
  }
  return { kept: [] };
}

function isThere({ board }: Pick<Head, "board">, { node }: Whom): boolean {
  const phase = board.nodePhase(node);
  return phase === "alive" || phase === "suspect";
}

function addressOf({ cluster, node }: Whom) {
  return { cluster, node, kind: "agent", id: "main" };
}
