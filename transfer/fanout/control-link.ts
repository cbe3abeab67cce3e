// One end of a control channel: sends lines, hears lines, and says once why it ended.
//
// What must always hold: what a peer does not read is bounded, and so is how fast it may talk; a
// breach ends the channel.

import { errorText, SkyError } from "../../model/errors.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { StreamChannel } from "../../runtime/stream.ts";
import { encodeLine, type LineParser, type SinkMessage, type SourceMessage } from "./control.ts";

/** Lines that the channel has not taken; a peer that leaves more of them unread is given up. */
export const unreadBytesMax = 65_536;
/** Lines that a peer may say within a second. */
export const linesPerSecondMax = 100;

export interface ControlLink<Out> {
  say(message: Out): void;
  /** Ends it, after what was said. */
  end(): void;
  abort(why: string): void;
}

export interface ControlLinkOptions<In> {
  readonly channel: StreamChannel;
  readonly clock: Clock;
  readonly parser: LineParser<In>;
  readonly onMessage: (message: In) => void;
  /** Once, when nothing more is heard. */
  readonly onEnd: (why: string) => void;
}

export function controlLink<In, Out extends SinkMessage | SourceMessage>(
  options: ControlLinkOptions<In>,
): ControlLink<Out> {
  const { channel } = options;
  let unread = 0;
  void hear(options);
  return {
    say: (message) => {
      const bytes = encodeLine(message);
      unread += bytes.length;
      if (unread > unreadBytesMax) channel.abort("the peer does not read its control channel");
      channel.write(bytes).then(
        () => {
          unread -= bytes.length;
        },
        // The channel is over, and `onEnd` says so.
        () => undefined,
      );
    },
    end: () => channel.end(),
    abort: (why) => channel.abort(why),
  };
}

async function hear<In>(options: ControlLinkOptions<In>): Promise<void> {
  const { channel, clock, parser, onMessage, onEnd } = options;
  const pace = new LinePace();
  try {
    for await (const part of channel) {
      const messages = parser.push(part);
      pace.count(messages.length, clock.now().monoMs);
      for (const message of messages) onMessage(message);
    }
    onEnd("the peer ended");
  } catch (error) {
    channel.abort(errorText(error));
    onEnd(errorText(error));
  }
}

/** How fast a peer talks. */
class LinePace {
  #second = 0;
  #lines = 0;

  /** @throws SkyError `stream/protocol` if it is too fast. */
  count(lines: number, now: number): void {
    if (now - this.#second >= 1_000) {
      this.#second = now;
      this.#lines = 0;
    }
    this.#lines += lines;
    if (this.#lines <= linesPerSecondMax) return;
    throw new SkyError("stream/protocol", { why: `more than ${linesPerSecondMax} lines a second` });
  }
}
