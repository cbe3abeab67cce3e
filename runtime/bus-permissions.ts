// Who may publish and subscribe what on the bus. `docs/subjects.md` shows the same as a table.
//
// A node sends only as itself and hears only what is sent to it, so that the receiver can take the
// sender from the subject. One head serves all clusters of its home, so its patterns leave the
// cluster open.

import {
  beatPattern,
  beatSubject,
  headNode,
  inboxPattern,
  outboxPattern,
} from "../model/address.ts";
import type { BusPermissions } from "./bus.ts";

const anyCluster = "*";

export function nodePermissions(cluster: string, node: string): BusPermissions {
  return {
    publish: [outboxPattern(cluster, node), beatSubject(cluster, node)],
    subscribe: [inboxPattern(cluster, node), beatSubject(cluster, headNode)],
  };
}

/** Of the head of one cluster, or of all. */
export function headPermissions(cluster: string = anyCluster): BusPermissions {
  return {
    publish: [outboxPattern(cluster, headNode), beatSubject(cluster, headNode)],
    subscribe: [inboxPattern(cluster, headNode), beatPattern(cluster)],
  };
}
