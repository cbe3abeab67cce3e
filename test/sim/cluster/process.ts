// What makes a process of a simulated cluster more than its code: it can be stopped and go on, and
// its actors can have mailboxes so small that a burst does not fit.

import { decodeEnvelope, encodeEnvelope } from "../../../proto/envelope.ts";
import type { Bus } from "../../../runtime/bus.ts";
import type { ActorSystem } from "../../../runtime/system-actor.ts";
import type { Life } from "./time.ts";

/** While the process is stopped, what comes waits in its socket. */
export function freezable(bus: Bus, life: Life): Bus {
  return {
    ...bus,
    subscribe: (pattern, onMessage) =>
      bus.subscribe(pattern, (message) => life.awake(() => onMessage(message))),
    onChange: (hear) => bus.onChange((connected) => life.awake(() => hear(connected))),
  };
}

/** Says what an agent of before says, which does not tell an end before the start from others. */
export function ofEarlierVersion(bus: Bus): Bus {
  return {
    ...bus,
    publish: (subject, payload) => {
      const { message, incarnation, place } = decodeEnvelope(payload);
      if (message.kind !== "rank-exited") bus.publish(subject, payload);
      else {
        const { neverStarted: _, ...known } = message;
        bus.publish(subject, encodeEnvelope(known, incarnation, place));
      }
    },
  };
}

/** All that a system can do, with mailboxes of at most so many letters. */
export function withSmallMailboxes(system: ActorSystem, mailboxMax: number): ActorSystem {
  const { cluster, node, metrics } = system;
  return {
    ...{ cluster, node, metrics },
    spawn: (actor, id, args, options) => system.spawn(actor, id, args, { ...options, mailboxMax }),
    tell: (to, message) => system.tell(to, message),
    ask: (to, make, options) => system.ask(to, make, options),
    watch: (target, onDown) => system.watch(target, onDown),
    stop: (target, reason) => system.stop(target, reason),
    saved: (target) => system.saved(target),
    inspect: () => system.inspect(),
    close: (reason) => system.close(reason),
  };
}
