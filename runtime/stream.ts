// The stream port: bytes in bulk between two processes (the bulk wire).
//
// A *session* joins two identities and carries many *channels*. A channel is a byte stream in both
// directions with credit in bytes: a writer waits until the reader has room, so a slow reader
// bounds the memory of both ends and hurts no other channel.
//
// Obligations of every version:
// - Bytes of a channel arrive in order, once, or the channel fails (`stream/closed`) at both ends.
// - What was written before `end` arrives before the reader's iteration ends normally. An
//   iteration that ends normally means that the peer called `end`; anything else throws.
// - `write` resolves when the bytes were taken into the window, not when the peer has them.
// - The identity of a peer is proven by the transport before `onSession` hears of it.

export interface StreamPort {
  /** Connects and proves who we are. @throws SkyError `stream/closed`, `stream/denied`. */
  dial(
    target: StreamTarget,
    signal: AbortSignal,
    options?: StreamDialOptions,
  ): Promise<StreamSession>;
  /** Accepts sessions until closed. */
  listen(options: {
    readonly target: StreamTarget;
    readonly onSession: (session: StreamSession) => void;
    /** Who may connect, of those who have proven who they are; absent = all of them. */
    readonly allow?: (peer: string) => boolean;
  }): Promise<StreamListener>;
}

/** A peer or a version that knows no lanes gives a session of one connection. */
export interface StreamDialOptions {
  /** Connections that carry the session together (1 to 16); one that breaks is dialled again. */
  readonly lanes?: number;
  /** How long the session waits while none of them is there; 0 = it is over with the last. */
  readonly resumeMs?: number;
}

/** Where a listener is. `port` 0 lets the listener choose. A memory version reads only `host`. */
export interface StreamTarget {
  readonly host: string;
  readonly port: number;
  /** To dial: a unix socket that leads there, where host and port cannot be reached from here. */
  readonly path?: string;
  /** To dial: who must be there, `<cluster>/<node>`; absent = who proves to be that host. */
  readonly peer?: string;
}

export interface StreamListener {
  readonly target: StreamTarget;
  close(): Promise<void>;
}

export interface StreamSession {
  /** Who the peer is: `<cluster>/<node>`. From its certificate, not from what it says. */
  readonly peer: string;
  /** Opens a channel. The header (≤ 4 KiB) arrives before any byte. */
  open(header: Uint8Array): StreamChannel;
  /** Hears of channels that the peer opens. Set once, before the first can arrive is lost. */
  onChannel(take: (channel: StreamChannel) => void): void;
  /** Resolves when the session is over, with the reason. Never rejects. */
  readonly closed: Promise<string>;
  close(): void;
}

/**
 * Iterating takes the bytes, and whoever took them may keep them. Leaving an iteration by `break`
 * keeps the channel open, and a later one goes on with the next bytes; who wants no more calls
 * `abort`.
 */
export interface StreamChannel extends AsyncIterable<Uint8Array> {
  readonly header: Uint8Array;
  /**
   * The bytes must not be changed afterwards: they are not copied.
   * @throws SkyError `stream/closed` when the channel or session is over.
   */
  write(bytes: Uint8Array): Promise<void>;
  /**
   * Takes the bytes as iterating does, but only to look at: a part is valid until what `use` gives
   * is settled, then its memory is used again: do not `write` it to another channel, which keeps it
   * for longer. This is the fast way for bytes in bulk. Resolves at the peer's end; a `use` that
   * throws leaves it, and a later one goes on with the next bytes.
   */
  lend(use: (part: Uint8Array) => void | Promise<void>): Promise<void>;
  /** No more writes from us. */
  end(): void;
  /** Gives up in both directions; the peer's reads and writes fail with `why`. */
  abort(why: string): void;
}

export const channelHeaderBytesMax = 4_096;
