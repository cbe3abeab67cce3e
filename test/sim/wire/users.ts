// Who uses the sessions of the simulated wire: writers that write, end or give up, and readers of
// different speed, on many channels at a time.

import { SkyError } from "../../../model/errors.ts";
import type { Clock } from "../../../runtime/clock.ts";
import type { MemoryRandom } from "../../../runtime/random-memory.ts";
import type { StreamChannel, StreamSession } from "../../../runtime/stream.ts";
import type { Side } from "./pair.ts";
import { Flow } from "./truth.ts";

/** A channel of a pair, with a flow in each direction. */
export interface ChannelPlan {
  readonly label: string;
  readonly opener: Side;
  readonly openAtMs: number;
  readonly pieceBytes: number;
  readonly pauseMs: number;
  /** What each side writes. */
  readonly flows: Readonly<Record<Side, Flow>>;
}

export function drawChannels(
  random: MemoryRandom,
  { pair, count, bytesMax }: { pair: number; count: number; bytesMax: number },
): readonly ChannelPlan[] {
  return Array.from({ length: count }, (_, index) => {
    const flowOf = (side: Side): Flow => {
      const total = random.unit() < 0.2 ? random.below(50) : random.below(bytesMax);
      const abortAt = random.unit() < 0.08 ? random.below(total + 1) : undefined;
      return new Flow({ label: `${pair}.${index} of the ${side}`, total, abortAt });
    };
    const isSmall = random.unit() < 0.3;
    return {
      label: `${pair}.${index}`,
      opener: random.unit() < 0.6 ? ("dialler" as const) : ("listener" as const),
      openAtMs: random.below(2_000),
      pieceBytes: isSmall ? 20 + random.below(300) : 2_000 + random.below(20_000),
      pauseMs: isSmall || random.unit() < 0.5 ? 0 : random.below(60),
      flows: { dialler: flowOf("dialler"), listener: flowOf("listener") },
    };
  });
}

export interface UserOptions {
  readonly side: Side;
  readonly session: StreamSession;
  readonly clock: Clock;
  readonly channels: readonly ChannelPlan[];
  /** A reader saw what must not be. */
  readonly broken: (error: unknown) => void;
}

/** Opens what this side is to open, and reads and writes whatever is open. */
export function use(options: UserOptions): void {
  const { side, session, clock, channels } = options;
  session.onChannel((channel) => {
    const plan = channels.find(({ label }) => label === Buffer.from(channel.header).toString());
    if (plan === undefined) options.broken(new Error("a channel that nobody opened"));
    else run(options, plan, channel);
  });
  for (const plan of channels.filter(({ opener }) => opener === side)) {
    clock.after(plan.openAtMs, () => {
      try {
        run(options, plan, session.open(Buffer.from(plan.label)));
      } catch (error) {
        if (!(error instanceof SkyError)) throw error;
        neverOpened(plan);
      }
    });
  }
}

/** Its session is over before it was to be opened. */
function neverOpened({ flows }: ChannelPlan): void {
  for (const flow of [flows.dialler, flows.listener]) {
    flow.wrote ??= "failed";
    flow.read ??= "failed";
  }
}

function run(options: UserOptions, plan: ChannelPlan, channel: StreamChannel): void {
  const { side, clock, broken } = options;
  const other = side === "dialler" ? "listener" : "dialler";
  write(plan, plan.flows[side], { channel, clock }).catch(broken);
  read(plan, plan.flows[other], { channel, clock }).catch(broken);
}

interface Using {
  readonly channel: StreamChannel;
  readonly clock: Clock;
}

async function write(plan: ChannelPlan, flow: Flow, { channel, clock }: Using): Promise<void> {
  const { total, abortAt } = flow.plan;
  const stopAt = abortAt ?? total;
  try {
    for (let at = 0; at < stopAt; at += plan.pieceBytes) {
      await channel.write(flow.bytes.subarray(at, Math.min(stopAt, at + plan.pieceBytes)));
      if (at % 7 === 3) await passed(clock, plan.pauseMs);
    }
    flow.wrote = "all";
    flow.aborted = abortAt !== undefined;
    flow.ended = abortAt === undefined;
    if (flow.aborted) channel.abort("given up");
    else channel.end();
  } catch (error) {
    if (!(error instanceof SkyError)) throw error;
    flow.wrote = "failed";
  }
}

async function read(plan: ChannelPlan, flow: Flow, { channel, clock }: Using): Promise<void> {
  try {
    for await (const part of channel) {
      flow.arrived(part);
      await passed(clock, plan.pauseMs);
    }
    flow.endedNormally();
  } catch (error) {
    if (!(error instanceof SkyError)) throw error;
    flow.read = "failed";
  }
}

function passed(clock: Clock, ms: number): Promise<void> {
  if (ms === 0) return Promise.resolve();
  return new Promise((resolve) => {
    clock.after(ms, resolve);
  });
}
