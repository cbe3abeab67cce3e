// What is done with whole channels: watching for their end, and joining two of them. Pure.

import { errorText } from "../../model/errors.ts";
import type { StreamChannel, StreamSession } from "../../runtime/stream.ts";

/**
 * A new channel of the session; `onOver` is called once, when the peer has said all it will, either
 * side gave up, or the session is over.
 */
export function openWatched(
  session: StreamSession,
  header: Uint8Array,
  onOver: () => void,
): StreamChannel {
  const channel = session.open(header);
  let isOver = false;
  const over = (): void => {
    if (isOver) return;
    isOver = true;
    onOver();
  };
  void session.closed.then(over);
  return {
    header: channel.header,
    write: (bytes) => channel.write(bytes),
    end: () => channel.end(),
    abort: (why) => {
      channel.abort(why);
      over();
    },
    lend: (use) => lendWatched(channel, use, over),
    [Symbol.asyncIterator]: () => iterateWatched(channel, over),
  };
}

async function lendWatched(
  channel: StreamChannel,
  use: Parameters<StreamChannel["lend"]>[0],
  over: () => void,
): Promise<void> {
  let isUsers = false;
  try {
    await channel.lend(async (part) => {
      isUsers = true;
      await use(part);
      isUsers = false;
    });
    over();
  } catch (error) {
    // A user that threw may go on later.
    if (!isUsers) over();
    throw error;
  }
}

function iterateWatched(channel: StreamChannel, over: () => void): AsyncIterator<Uint8Array> {
  const parts = channel[Symbol.asyncIterator]();
  return {
    next: async () => {
      try {
        const next = await parts.next();
        if (next.done === true) over();
        return next;
      } catch (error) {
        over();
        throw error;
      }
    },
    return: async () => (await parts.return?.()) ?? { done: true, value: undefined },
  };
}

/** Joins two channels until both have ended, or one of them broke: then both are over. */
export async function join(first: StreamChannel, second: StreamChannel): Promise<void> {
  await Promise.all([pour(first, second), pour(second, first)]);
}

/** Never throws: each end hears from the other why it is over. */
async function pour(from: StreamChannel, to: StreamChannel): Promise<void> {
  try {
    for await (const part of from) await to.write(part);
    to.end();
  } catch (error) {
    const why = errorText(error);
    from.abort(why);
    to.abort(why);
  }
}
