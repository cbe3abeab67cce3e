// The gateway's end of a control channel: says words in order, and as fast as the head reads them.
//
// What must always hold: words are said whole and in order; what the head does not read is bounded
// by the credit that it has, and metrics are skipped while it does not read.

import type { StreamChannel } from "../../runtime/stream.ts";
import { encodeLine, type Line } from "./orders-codec.ts";

export interface Words {
  say(word: Line): void;
  /** Whether everything that was said is on its way. */
  readonly isIdle: boolean;
  /** Resolves when all is said, or the channel is over. */
  end(): Promise<void>;
}

export function wordsTo(channel: StreamChannel): Words {
  let waiting = 0;
  let saying: Promise<unknown> = Promise.resolve();
  return {
    say: (word) => {
      waiting += 1;
      const bytes = encodeLine(word);
      saying = saying
        .then(() => channel.write(bytes))
        // The channel is over; whoever reads from it hears that.
        .catch(() => undefined)
        .finally(() => {
          waiting -= 1;
        });
    },
    get isIdle() {
      return waiting === 0;
    },
    end: async () => {
      await saying;
      channel.end();
    },
  };
}
