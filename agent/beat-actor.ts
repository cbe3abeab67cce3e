// The node's heartbeat: one small message a second on the beat subject, and the newest of the
// head's beats that this node saw. Volatile, and any of them may be lost.
//
// A beat carries the head's newest number back, so that the head can tell a dead node from a dead
// bus: it counts only time in which its own beats came round. While ranks run here on leases it
// also carries the moment at which it leaves: the head's answer renews the leases from there.

import type { Ref } from "../model/address.ts";
import { beatSubject, headNode } from "../model/address.ts";
import { isSkyError } from "../model/errors.ts";
import { decodeEnvelope, encodeEnvelope } from "../proto/envelope.ts";
import type { Beat } from "../proto/messages.ts";
import type { Actor, System, Turn } from "../runtime/actor.ts";
import type { Bus } from "../runtime/bus.ts";
import type { Instant } from "../runtime/clock.ts";

export type BeatMessage =
  | { readonly kind: "beat-due" }
  /** Whether leases are to be renewed. */
  | { readonly kind: "renewal-wanted"; readonly wanted: boolean }
  | { readonly kind: "head-beat"; readonly seq: number };

export interface BeatState {
  readonly seq: number;
  readonly headSeq: number;
  readonly asks: boolean;
}

export interface BeatArguments {
  readonly asks: boolean;
}

export type BeatEffect = { readonly kind: "publish"; readonly beat: Beat };

export const beatActorKind = "beat";
export const beatMs = 1_000;

export function beatActor(
  publish: (beat: Beat) => void,
): Actor<BeatMessage, BeatState, BeatEffect, BeatArguments> {
  return {
    kind: beatActorKind,
    // Beats travel on the beat subjects only; nobody may send one into this mailbox.
    fromOtherNodes: [],
    start: ({ asks }, at) => beat({ seq: 0, headSeq: 0, asks }, at),
    step: (state, message) => {
      switch (message.kind) {
        case "head-beat":
          return { state: { ...state, headSeq: message.seq }, effects: [] };
        case "renewal-wanted":
          return { state: { ...state, asks: message.wanted }, effects: [] };
        case "beat-due":
          return beat(state, message.at);
      }
    },
    perform: (effect) => publish(effect.beat),
  };
}

function beat(
  before: BeatState,
  { bootId, monoMs }: Instant,
): Turn<BeatState, BeatEffect, BeatMessage> {
  const { seq, headSeq, asks } = { ...before, seq: before.seq + 1 };
  const asked = asks ? { askedAt: monoMs } : {};
  return {
    state: { seq, headSeq, asks },
    effects: [
      { kind: "publish", beat: { kind: "beat", seq, headSeq, bootId, ...asked } },
      { kind: "start-timer", name: "beat", ms: beatMs, message: { kind: "beat-due" } },
    ],
  };
}

/** Starts beating on the bus. Returns what stops it. */
export function startBeats(system: System, bus: Bus, args: BeatArguments): () => Promise<void> {
  const { cluster, node } = system;
  const publish = (message: Beat): void => {
    try {
      bus.publish(beatSubject(cluster, node), encodeEnvelope(message, 0));
    } catch (error) {
      // Beats may be lost; a bus that was closed is on its way out with us.
      if (!isSkyError(error, "bus/closed")) throw error;
    }
  };
  const ref = system.spawn(beatActor(publish), "main", args);
  const unsubscribe = bus.subscribe(beatSubject(cluster, headNode), ({ payload }) => {
    const seq = seqOf(payload);
    if (seq !== undefined) tellUnlessFull(system, ref, { kind: "head-beat", seq });
  });
  return async () => {
    unsubscribe();
    await system.stop(ref, "the agent ends");
  };
}

/** After a long stop of this process beats come in a flood: the next one says as much. */
function tellUnlessFull(system: System, ref: Ref<BeatMessage>, message: BeatMessage): void {
  try {
    system.tell(ref, message);
  } catch (error) {
    if (!isSkyError(error, "mailbox/full")) throw error;
  }
}

/** The number of a beat, or `undefined` if it is not one. */
function seqOf(payload: Uint8Array): number | undefined {
  try {
    const { message } = decodeEnvelope(payload);
    return message.kind === "beat" ? message.seq : undefined;
  } catch (error) {
    // Garbage on the head's subject is a beat that was lost.
    if (isSkyError(error, "codec/invalid")) return undefined;
    throw error;
  }
}
