// Where the simulated wire can be broken on purpose. Without a mutant everything is the product's.

import type { Frame } from "../../../runtime/framing.ts";
import type { LaneLimits } from "../../../runtime/lane.ts";
import { LaneSessions } from "../../../runtime/lane-sessions.ts";
import { LaneReceiver } from "../../../runtime/lanes-receiver.ts";
import { LaneSender } from "../../../runtime/lanes-sender.ts";
import type { Random } from "../../../runtime/random.ts";
import type { LanedOptions } from "../../../runtime/stream-lanes.ts";
import { laneParser, type Reader } from "./network.ts";

export interface Mutant {
  readonly name: string;
  /** The rule that it breaks. */
  readonly breaks: string;
  readonly sender: (limits: LaneLimits) => LaneSender;
  readonly receiver: (limits: LaneLimits, deliver: (frame: Frame) => void) => LaneReceiver;
  readonly sessions: (random: Random) => LaneSessions;
  readonly reader: () => Reader;
  readonly session: (options: LanedOptions) => LanedOptions;
}

export const noMutant: Mutant = {
  name: "none",
  breaks: "nothing",
  sender: (limits) => new LaneSender(limits),
  receiver: (limits, deliver) => new LaneReceiver(limits, deliver),
  sessions: (random) => new LaneSessions(random),
  reader: laneParser,
  session: (options) => options,
};
