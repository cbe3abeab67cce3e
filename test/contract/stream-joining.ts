// Two sessions of a stream port that are joined, and what tests do with them.

import { isSkyError } from "../../model/errors.ts";
import type {
  StreamChannel,
  StreamListener,
  StreamPort,
  StreamSession,
  StreamTarget,
} from "../../runtime/stream.ts";

export type Check = (what: string, run: (world: StreamWorld) => Promise<void>) => void;

export interface StreamWorld {
  port(peer: string): StreamPort;
  /** Where to listen. */
  readonly target: StreamTarget;
  /** Breaks the connection of all sessions of `peer`, as a broken network would. */
  cut(peer: string): void;
  close(): Promise<void>;
}

export interface Joined {
  readonly a: StreamSession;
  readonly b: StreamSession;
  readonly listener: StreamListener;
}

/** Who dials, and who listens. */
export const a = "demo/a";
export const b = "demo/b";
export const signal = (): AbortSignal => AbortSignal.timeout(20_000);

export async function join(world: StreamWorld): Promise<Joined> {
  let accept: (session: StreamSession) => void = () => {};
  const accepted = new Promise<StreamSession>((resolve) => {
    accept = resolve;
  });
  const listener = await world.port(b).listen({ target: world.target, onSession: accept });
  const dialled = await world.port(a).dial(listener.target, signal());
  return { a: dialled, b: await accepted, listener };
}

export async function channelBetween(world: StreamWorld): Promise<{
  readonly here: StreamChannel;
  readonly there: StreamChannel;
  readonly joined: Joined;
}> {
  const joined = await join(world);
  const here = joined.a.open(Buffer.from("channel"));
  const [there] = await take(joined.b, 1);
  return { here, there, joined };
}

/** The next channels that the peer opens, in the order in which they arrive. */
export function take(session: StreamSession, count: 1): Promise<readonly [StreamChannel]>;
export function take(
  session: StreamSession,
  count: 2,
): Promise<readonly [StreamChannel, StreamChannel]>;
export function take(session: StreamSession, count: number): Promise<readonly StreamChannel[]>;
export function take(session: StreamSession, count: number): Promise<readonly StreamChannel[]> {
  return new Promise((resolve) => {
    const taken: StreamChannel[] = [];
    session.onChannel((channel) => {
      taken.push(channel);
      if (taken.length === count) resolve(taken);
    });
  });
}

export async function readAll(channel: StreamChannel): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of channel) parts.push(part);
  return Buffer.concat(parts);
}

/** Bytes that tell where they belong. */
export function pattern(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; at += 1) bytes[at] = (at * 31 + seed * 17 + (at >> 8)) & 0xff;
  return bytes;
}

/** Waits until a count has stood still for many turns of the event loop. */
export async function settled(count: () => number): Promise<void> {
  let last = -1;
  let still = 0;
  for (let turn = 0; turn < 200_000 && still < 2_000; turn += 1) {
    still = count() === last && last > 0 ? still + 1 : 0;
    last = count();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

export function is(code: "stream/closed" | "stream/denied" | "stream/protocol") {
  return (error: unknown): boolean => isSkyError(error, code);
}
