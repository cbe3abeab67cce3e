// The memory version of the bus: a hub in this process, and one `Bus` per identity.
//
// It checks permissions as the real server does, so a wrong subject fails in the first test. The
// local cloud's heads and skylets talk over it in production; simulations give it a policy that
// loses, delays, doubles and reorders. Without a policy what is published is delivered once, in
// order, soon after `publish` has returned.

import { SkyError } from "../model/errors.ts";
import type { Bus, BusMessage, BusPermissions } from "./bus.ts";
import { busPayloadBytesMax } from "./bus.ts";
import type { Clock } from "./clock.ts";
import { type Defer, microtaskDefer } from "./deferral.ts";
import type { SubjectIndex } from "./subject.ts";
import {
  createSubjectIndex,
  isPattern,
  isSubject,
  patternCovers,
  subjectMatches,
} from "./subject.ts";

/** One message on its way to one subscriber. */
export interface Delivery {
  readonly from: string;
  readonly to: string;
  readonly subject: string;
  readonly bytes: number;
}

/**
 * The delays, in milliseconds, of the copies to deliver: `[]` is a loss, `[3]` a delivery,
 * `[3, 400]` a duplicate. Unequal delays reorder.
 */
export type DeliveryPolicy = (delivery: Delivery) => readonly number[];

export interface BusHubOptions {
  /** Needed by a policy. */
  readonly clock?: Clock;
  readonly policy?: DeliveryPolicy;
  /** How deliveries without a policy are put off. */
  readonly defer?: Defer;
}

export interface BusHub {
  /** `node` is a label: reports, the policy and `disconnect` use it. */
  connect(node: string, permissions: BusPermissions): Bus;
  /** Cuts every bus with this label off; what is sent to or from it meanwhile is lost. */
  disconnect(node: string): void;
  reconnect(node: string): void;
  /** How many publishes and subscribes were refused, by label. */
  denied(): ReadonlyMap<string, number>;
}

interface Member {
  readonly node: string;
  readonly permissions: BusPermissions;
  readonly changes: Set<(connected: boolean) => void>;
  readonly denials: Set<(subject: string) => void>;
  readonly subscriptions: Set<Subscription>;
  connected: boolean;
  closed: boolean;
  /** Grows with every cut, so that what was under way before it is lost. */
  cuts: number;
}

interface Subscription {
  readonly member: Member;
  readonly onMessage: (message: BusMessage) => void;
  remove: () => void;
  live: boolean;
}

interface Hub {
  readonly index: SubjectIndex<Subscription>;
  readonly members: Set<Member>;
  readonly denied: Map<string, number>;
  readonly defer: Defer;
  readonly clock: Clock | undefined;
  readonly policy: DeliveryPolicy | undefined;
}

export function createBusHub(options: BusHubOptions = {}): BusHub {
  if (options.policy !== undefined && options.clock === undefined) {
    throw new SkyError("core/broken-invariant", { what: "a delivery policy needs a clock" });
  }
  const hub: Hub = {
    index: createSubjectIndex(),
    members: new Set(),
    denied: new Map(),
    defer: options.defer ?? microtaskDefer(),
    clock: options.clock,
    policy: options.policy,
  };
  const setConnected = (node: string, connected: boolean): void => {
    for (const member of hub.members) if (member.node === node) turn(member, connected);
  };
  return {
    connect: (node, permissions) => connect(hub, node, permissions),
    disconnect: (node) => setConnected(node, false),
    reconnect: (node) => setConnected(node, true),
    denied: () => hub.denied,
  };
}

function turn(member: Member, connected: boolean): void {
  if (member.connected === connected || member.closed) return;
  member.connected = connected;
  if (!connected) member.cuts += 1;
  for (const hear of member.changes) hear(connected);
}

function connect(hub: Hub, node: string, permissions: BusPermissions): Bus {
  const member: Member = {
    node,
    permissions,
    changes: new Set(),
    denials: new Set(),
    subscriptions: new Set(),
    connected: true,
    closed: false,
    cuts: 0,
  };
  hub.members.add(member);
  return {
    publish: (subject, payload) => publish(hub, member, { subject, payload }),
    subscribe: (pattern, onMessage) => subscribe(hub, member, { pattern, onMessage }),
    flush: async () => {
      if (member.closed) throw new SkyError("bus/closed", { why: "closed by its owner" });
      if (!member.connected) throw new SkyError("bus/closed", { why: "not connected" });
    },
    connected: () => member.connected,
    onChange: (hear) => listen(member.changes, hear),
    onDenied: (hear) => listen(member.denials, hear),
    close: async () => close(hub, member),
  };
}

function listen<T>(hearers: Set<T>, hear: T): () => void {
  hearers.add(hear);
  return () => hearers.delete(hear);
}

function close(hub: Hub, member: Member): void {
  turn(member, false);
  member.closed = true;
  for (const subscription of member.subscriptions) end(subscription);
  member.subscriptions.clear();
  hub.members.delete(member);
}

function end(subscription: Subscription): void {
  subscription.live = false;
  subscription.remove();
}

function publish(hub: Hub, member: Member, message: BusMessage): void {
  const { subject, payload } = message;
  if (member.closed) throw new SkyError("bus/closed", { why: "closed by its owner" });
  if (payload.length > busPayloadBytesMax) {
    throw new SkyError("bus/too-large", { bytes: payload.length, to: subject });
  }
  if (!isSubject(subject)) {
    throw new SkyError("core/broken-invariant", { what: `${subject} is not a subject` });
  }
  if (!member.connected) return;
  if (!member.permissions.publish.some((pattern) => subjectMatches(pattern, subject))) {
    deny(hub, member, subject);
    return;
  }
  for (const subscription of hub.index.match(subject)) send(hub, member, { subscription, message });
}

function send(
  hub: Hub,
  from: Member,
  what: { readonly subscription: Subscription; readonly message: BusMessage },
): void {
  const { subscription, message } = what;
  const to = subscription.member;
  if (!to.connected) return;
  const cuts = to.cuts;
  const arrive = (): void => {
    if (subscription.live && to.cuts === cuts) subscription.onMessage(message);
  };
  if (hub.policy === undefined || hub.clock === undefined) {
    hub.defer(arrive);
    return;
  }
  const delivery = {
    from: from.node,
    to: to.node,
    subject: message.subject,
    bytes: message.payload.length,
  };
  for (const ms of hub.policy(delivery)) hub.clock.after(ms, arrive);
}

function subscribe(
  hub: Hub,
  member: Member,
  options: { readonly pattern: string; readonly onMessage: (message: BusMessage) => void },
): () => void {
  const { pattern, onMessage } = options;
  if (member.closed) throw new SkyError("bus/closed", { why: "closed by its owner" });
  if (!isPattern(pattern)) {
    throw new SkyError("core/broken-invariant", { what: `${pattern} is not a pattern` });
  }
  if (!member.permissions.subscribe.some((wide) => patternCovers(wide, pattern))) {
    deny(hub, member, pattern);
    return () => {};
  }
  const subscription: Subscription = { member, onMessage, remove: () => {}, live: true };
  subscription.remove = hub.index.add(pattern, subscription);
  member.subscriptions.add(subscription);
  return () => {
    member.subscriptions.delete(subscription);
    end(subscription);
  };
}

/** As with the real server, the refusal is heard of later, not thrown. */
function deny(hub: Hub, member: Member, subject: string): void {
  hub.denied.set(member.node, (hub.denied.get(member.node) ?? 0) + 1);
  hub.defer(() => {
    for (const hear of member.denials) hear(subject);
  });
}
