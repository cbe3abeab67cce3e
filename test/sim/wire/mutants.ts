// Deliberate bugs of sessions with lanes: each is a mistake that a change of the product could
// make. The simulation must notice every one of them.

import { crc32 } from "node:zlib";
import { SkyError } from "../../../model/errors.ts";
import type { AckFrame, Frame } from "../../../runtime/framing.ts";
import type { LaneLimits } from "../../../runtime/lane.ts";
import { LaneSessions } from "../../../runtime/lane-sessions.ts";
import { LaneReceiver } from "../../../runtime/lanes-receiver.ts";
import { LaneSender } from "../../../runtime/lanes-sender.ts";
import type { Held, SendingLane } from "../../../runtime/sending-lane.ts";
import type { LanedSession } from "../../../runtime/stream-lanes.ts";
import { type Mutant, noMutant } from "./mutant.ts";
import { laneParser, type Reader } from "./network.ts";

type Deliver = (frame: Frame) => void;

/** A new one for each run: some remember what they did. */
export const mutants: readonly (() => Mutant)[] = [
  () => ({
    ...noMutant,
    name: "acknowledges what came, not what was handed on",
    breaks: "`received` never runs ahead of what was handed on",
    receiver: (limits, deliver) => new Hasty(limits, deliver),
  }),
  () => ({
    ...noMutant,
    name: "forgets to send again what a lane had",
    breaks: "what a broken lane carried goes out on another",
    sender: (limits) => new Forgetful(limits),
  }),
  () => ({
    ...noMutant,
    name: "forgets credit that was on a broken lane",
    breaks: "control frames are kept like data",
    sender: (limits) => new Careless(limits),
  }),
  () => ({
    ...noMutant,
    name: "takes what came again for new",
    breaks: "each number is handed on once",
    receiver: (limits, deliver) => new Doubling(limits, deliver),
  }),
  () => ({
    ...noMutant,
    name: "hands frames on as they come",
    breaks: "each number is handed on in order",
    receiver: (limits, deliver) => new Impatient(limits, deliver),
  }),
  () => ({
    ...noMutant,
    name: "never tells the session to wait",
    breaks: "what is kept stays within the bound",
    sender: (limits) => new Greedy(limits),
  }),
  () => ({
    ...noMutant,
    name: "sends more than the peer has room for",
    breaks: "what is under way stays within the bound",
    sender: (limits) => new Pushing(limits),
  }),
  () => ({
    ...noMutant,
    name: "lets a lane into another session",
    breaks: "a name leads to one session of one peer",
    sessions: (random) => new Confused(random),
  }),
  () => ({
    ...noMutant,
    name: "hands damaged frames on",
    breaks: "what is damaged never reaches a session",
    reader: trusting,
  }),
  () => ({
    ...noMutant,
    name: "ends the session for a damaged frame",
    breaks: "what is wrong with a lane ends that lane alone",
    session: (options) => ({
      ...options,
      onLaneLost: (index, why, fault) => {
        if (/broke the protocol/.test(why)) options.onBreach?.(why, "checksum");
        options.onLaneLost?.(index, why, fault);
      },
    }),
  }),
  () => ({
    ...noMutant,
    name: "waits for slow lanes",
    breaks: "what a lane carries for too long goes out on another",
    sender: (limits) => new Patient(limits),
  }),
  () => ({
    ...noMutant,
    name: "forgets what has arrived, though it was not its turn",
    breaks: "no frame is forgotten before it is acknowledged",
    sender: (limits) => new Trusting(limits),
  }),
  () => ({
    ...noMutant,
    name: "does not dial again",
    breaks: "a lane that broke is dialled again",
    session: ({ onLaneLost: _, ...options }) => options,
  }),
  () => ({
    ...noMutant,
    name: "keeps sessions without lanes for ever",
    breaks: "a session without a lane is over after its time",
    session: (options) => ({ ...options, resumeMs: Math.max(1, options.resumeMs) * 1_000_000 }),
  }),
  () => ({
    ...noMutant,
    name: "keeps the names of sessions that are over",
    breaks: "a session that is over leaves nothing",
    session: ({ onOver: _, ...options }) => options,
  }),
];

class Hasty extends LaneReceiver {
  #highest = 0;

  override get received(): number {
    return Math.max(super.received, this.#highest);
  }

  override take(frame: Frame, number: number): void {
    super.take(frame, number);
    this.#highest = Math.max(this.#highest, number);
  }
}

class Forgetful extends LaneSender {
  protected override wait(): void {}
}

class Careless extends LaneSender {
  protected override wait(held: Held): void {
    if (held.frame?.type !== "credit") super.wait(held);
  }
}

class Doubling extends LaneReceiver {
  readonly #again: Deliver;

  constructor(limits: LaneLimits, deliver: Deliver) {
    super(limits, deliver);
    this.#again = deliver;
  }

  override take(frame: Frame, number: number): void {
    if (number <= this.received) this.#again(frame);
    else super.take(frame, number);
  }
}

class Impatient extends LaneReceiver {
  readonly #seen = new Set<number>();

  override take(frame: Frame, number: number): void {
    if (this.#seen.has(number)) return;
    this.#seen.add(number);
    this.handOn(frame);
  }
}

class Greedy extends LaneSender {
  override queuedBytes(): number {
    return 0;
  }
}

class Pushing extends LaneSender {
  protected override mayReach(): boolean {
    return true;
  }
}

/** Looks at who asks, and not at the name. */
class Confused extends LaneSessions {
  readonly #all: { readonly peer: string; readonly session: LanedSession }[] = [];

  override begin(
    peer: string,
    make: (forget: () => void) => LanedSession,
  ): ReturnType<LaneSessions["begin"]> {
    const begun = super.begin(peer, make);
    this.#all.push({ peer, session: begun.session });
    return begun;
  }

  override find(): LanedSession | undefined {
    return this.#all.findLast(({ session }) => !session.isOver())?.session;
  }
}

class Patient extends LaneSender {
  override check(): void {}
}

/** Takes a lane's count for an acknowledgement. */
class Trusting extends LaneSender {
  #arrived = 0;

  override takeAck(lane: SendingLane, ack: AckFrame, nowMs: number): void {
    const more = Math.max(0, ack.here - lane.arrived);
    this.#arrived += more;
    super.takeAck(lane, ack, nowMs);
    this.acknowledge(Math.min(this.#arrived, this.reached));
  }
}

/** Makes the checksums right before it looks at them. */
function trusting(): Reader {
  const parser = laneParser();
  return {
    push: (bytes, take) => {
      try {
        laneParser().push(bytes, () => {});
        parser.push(bytes, take);
      } catch (error) {
        if (!(error instanceof SkyError)) throw error;
        parser.push(mended(bytes), take);
      }
    },
  };
}

const headBytes = 20;
const numberedBytes = 32;

function mended(damaged: Uint8Array): Buffer {
  const bytes = Buffer.from(damaged);
  const isNumbered = (bytes[3] ?? 0) === 1;
  const payload = bytes.subarray(isNumbered ? numberedBytes : headBytes);
  bytes.writeUInt32BE(crc32(payload), 12);
  const headCrc = crc32(bytes.subarray(0, 16));
  bytes.writeUInt32BE(headCrc, 16);
  if (isNumbered) bytes.writeUInt32BE(crc32(bytes.subarray(20, 28), headCrc), 28);
  return bytes;
}
