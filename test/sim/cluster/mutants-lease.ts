// Deliberate bugs in what leases rest on: who counts them, and who enforces them. One that counts
// them from a later moment is caught by the arithmetic itself (`test/unit/lease.test.ts`).

import { headNode, inboxPattern, subjectOf } from "../../../model/address.ts";
import { decodeEnvelope, encodeEnvelope } from "../../../proto/envelope.ts";
import type { Bus, BusMessage } from "../../../runtime/bus.ts";
import type { SchedulerState } from "../../../scheduler/table.ts";
import type { Mutant } from "./mutant.ts";
import { noMutant } from "./mutant.ts";
import { clusterName } from "./setting.ts";

export const leaseMutants: readonly (() => Mutant)[] = [
  () => ({
    ...noMutant,
    name: "the head forgets how long its leases are",
    breaks: "a restart waits for the end of leases",
    observe: forgetLeases,
  }),
  () => ({
    ...noMutant,
    name: "an agent renews its leases without the head's word",
    breaks: "a lease holds by the head's word",
    nodeBus: (bus, node) => renewingItself(bus, node),
  }),
  () => ({
    ...noMutant,
    name: "there is no watchdog",
    breaks: "a lease ends without an agent too",
    process: (port) => ({ ...port, go: (dir) => port.go(dir) }),
  }),
];

/** As soon as a node is lost, its leases count as over. */
function forgetLeases({ jobs }: SchedulerState): void {
  for (const entry of jobs.values()) {
    const { gang } = entry;
    if (gang.phase !== "draining") continue;
    const ranks = gang.ranks.map((rank) =>
      rank.leaseMs === undefined ? rank : { ...rank, leaseMs: 1 },
    );
    entry.gang = { ...gang, ranks };
  }
}

/** Each beat that leaves is as good as one that was heard. */
function renewingItself(bus: Bus, node: string): Bus {
  let hear: ((message: BusMessage) => void) | undefined;
  const self = { cluster: clusterName, node, kind: "agent", id: "main" };
  return {
    ...bus,
    publish: (subject, payload) => {
      bus.publish(subject, payload);
      const { message } = decodeEnvelope(payload);
      if (message.kind !== "beat" || message.askedAt === undefined) return;
      const { bootId, askedAt: leaseFrom } = message;
      const renewal = encodeEnvelope({ kind: "renew-lease", bootId, leaseFrom }, 0);
      queueMicrotask(() => hear?.({ subject: subjectOf(headNode, self), payload: renewal }));
    },
    subscribe: (pattern, onMessage) => {
      if (pattern === inboxPattern(clusterName, node)) hear = onMessage;
      return bus.subscribe(pattern, onMessage);
    },
  };
}
