// Addresses of actors, and the NATS subjects that they map to.
//
// An address is plain data: it can be stored, logged and sent. It names a role ("the scheduler of
// cluster demo"), not a process, so it survives a restart. The subject of a message names both
// ends, and the bus lets a node publish only under its own `from`: the receiver takes the sender's
// identity from the subject and never from the payload.
//
// What must always hold: `parseSubject(subjectOf(from, to))` gives back the same two ends.

/** Where an actor lives. Every part is a subject token (see `model/ids.ts`). */
export interface Address {
  readonly cluster: string;
  readonly node: string;
  readonly kind: string;
  readonly id: string;
}

/** An address that remembers which messages its actor takes. The phantom field never exists. */
export interface Ref<M> extends Address {
  readonly accepts?: (message: M) => void;
}

/** The bus name of the process that runs a cluster's scheduler. No node may have this id. */
export const headNode = "skyhead";

/** The subject of a message from `fromNode` to the actor at `to`. */
export function subjectOf(fromNode: string, to: Address): string {
  return `sky.${to.cluster}.from.${fromNode}.to.${to.node}.${to.kind}.${to.id}`;
}

/** What a node subscribes to, once, to receive everything that is sent to it. */
export function inboxPattern(cluster: string, node: string): string {
  return `sky.${cluster}.from.*.to.${node}.>`;
}

/** What a node may publish: anything from itself to anybody in its cluster. */
export function outboxPattern(cluster: string, node: string): string {
  return `sky.${cluster}.from.${node}.to.>`;
}

/** The subject of a node's heartbeats. They may be lost. */
export function beatSubject(cluster: string, node: string): string {
  return `sky.${cluster}.beat.${node}`;
}

/** Every node's heartbeats. Only the head and the nodes of the cluster may subscribe to it. */
export function beatPattern(cluster: string): string {
  return `sky.${cluster}.beat.*`;
}

/** The two ends of a mailbox subject, or `undefined` if it is not one. */
export function parseSubject(
  subject: string,
): { readonly from: string; readonly to: Address } | undefined {
  const parts = subject.split(".");
  if (parts.length !== 8) return undefined;
  const [sky, cluster, fromWord, from, toWord, node, kind, id] = parts;
  if (sky !== "sky" || fromWord !== "from" || toWord !== "to") return undefined;
  if (!cluster || !from || !node || !kind || !id) return undefined;
  return { from, to: { cluster, node, kind, id } };
}

/** The node that sent a heartbeat, or `undefined` if the subject is not a heartbeat's. */
export function beatSender(subject: string): string | undefined {
  const parts = subject.split(".");
  const [sky, , beat, node] = parts;
  return parts.length === 4 && sky === "sky" && beat === "beat" ? node : undefined;
}

/** An address as text, for logs and errors: `demo/worker1/agent/main`. */
export function addressText(address: Address): string {
  return `${address.cluster}/${address.node}/${address.kind}/${address.id}`;
}
