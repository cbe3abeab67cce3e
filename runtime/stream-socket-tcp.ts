// One socket of the bulk wire: the greeting, then whoever takes the frames.
//
// The listener greets first, the dialler answers; both say which wire version they speak and what
// else they can do. Until both greetings are through, the only other frame is a refusal (an abort
// of channel 0) with its reason. Afterwards frames go between the socket and its end, which is a
// session or, where both named `lanes`, a lane of one: writes of one turn leave in one system
// call, and the end is asked for more whenever some of it has left.

import type { Socket } from "node:net";
import { errorText, SkyError } from "../model/errors.ts";
import { agreeOnWire, wireCapabilities, wireVersion } from "../model/wire.ts";
import type { Clock } from "./clock.ts";
import { FrameParser } from "./frame-parser.ts";
import {
  encodeFrame,
  type Frame,
  type FrameCapability,
  type FrameForm,
  frameCapabilities,
} from "./framing.ts";
import { Landing, type Parse } from "./landing-tcp.ts";
import type { StreamSession } from "./stream.ts";
import { faultOf, type StreamFault } from "./stream-fault.ts";
import {
  createSession,
  type FrameLink,
  type LinkEnd,
  type SessionLimits,
  type SessionTally,
  type SharedOptions,
} from "./stream-session.ts";

export interface MeetOptions {
  /** Who the peer has proven to be. */
  readonly peer: string;
  readonly side: "dialler" | "listener";
  readonly clock: Clock;
  readonly handshakeMs: number;
  /** Hears of a breach, which ends the session. */
  readonly onBreach: (why: string, fault: StreamFault) => void;
  /** Hears of what went wrong beside that. */
  readonly onFault?: (why: string, fault: StreamFault) => void;
  readonly traffic?: SocketTraffic;
  readonly signal?: AbortSignal;
  /** What this connection is wanted for, beside `frameCapabilities`. */
  readonly wants?: readonly FrameCapability[];
}

export interface GreetOptions extends MeetOptions, SharedOptions {
  readonly limits?: Partial<SessionLimits>;
}

/** Counted by the sockets and sessions that share it. */
export interface SocketTraffic extends SessionTally {
  /** Times that bytes came from the socket, and that what was queued went to it. */
  reads: number;
  writes: number;
}

/** A peer that was greeted and has greeted us. */
export interface Met {
  /** What both sides named. */
  readonly capabilities: ReadonlySet<FrameCapability>;
  readonly link: FrameLink;
}

const noChannel = 0;
/** A peer that does not close its side after we closed ours is cut off after this long. */
const lingerMs = 5_000;

/**
 * Greets the peer and makes the session.
 * @throws SkyError `stream/denied` when either side refuses the other; `stream/closed`,
 *   `stream/protocol`. The socket is then the caller's to destroy.
 */
export function greet(socket: Socket, options: GreetOptions): Promise<StreamSession> {
  return new Promise((resolve, reject) => {
    const begin = ({ link, capabilities }: Met): LinkEnd => {
      const end = createSession({ ...options, link, capabilities });
      resolve(end.session);
      return end;
    };
    meet(socket, options, { begin, failed: reject });
  });
}

export interface Meeting {
  /** Both have greeted: gives who takes the frames from now on, the next one included. */
  readonly begin: (met: Met) => LinkEnd;
  /** As `greet` throws. */
  readonly failed: (error: SkyError) => void;
}

/** Greets the peer, and leaves it to `meeting` what the connection is for. */
export function meet(socket: Socket, options: MeetOptions, meeting: Meeting): void {
  new Connection(socket, options, meeting);
}

/** Tells a peer why it is refused, and closes. */
export function refuse(socket: Socket, why: string, clock: Clock): void {
  socket.on("error", () => socket.destroy());
  for (const part of encodeFrame({ type: "abort", channel: noChannel, why })) socket.write(part);
  // What it sends meanwhile is not looked at.
  socket.resume();
  close(socket, clock);
}

function close(socket: Socket, clock: Clock): void {
  socket.end();
  const cancel = clock.after(lingerMs, () => socket.destroy());
  socket.once("close", cancel);
}

class Connection {
  readonly #socket: Socket;
  readonly #options: MeetOptions;
  readonly #meeting: Meeting;
  readonly #parser = new FrameParser();
  readonly #named: readonly FrameCapability[];
  #end: LinkEnd | undefined;
  #failure: string | undefined;
  #over = false;
  readonly #stopWaiting: () => void;

  constructor(socket: Socket, options: MeetOptions, meeting: Meeting) {
    this.#socket = socket;
    this.#options = options;
    this.#meeting = meeting;
    this.#named = [...frameCapabilities, ...(options.wants ?? [])];
    const { clock, handshakeMs, signal } = options;
    const late = clock.after(handshakeMs, () => this.#lost("no greeting in time"));
    const aborted = (): void => this.#lost("the dial was cancelled");
    signal?.addEventListener("abort", aborted, { once: true });
    this.#stopWaiting = () => {
      late();
      signal?.removeEventListener("abort", aborted);
    };
    socket.on("end", () => this.#lost(this.#endText()));
    socket.on("error", (error) => {
      this.#failure = errorText(error);
    });
    socket.on("close", () => this.#lost(this.#failure ?? "the connection was closed"));
    if (options.side === "listener") this.#sendHello();
    const landing = Landing.of(socket);
    if (landing !== undefined) landing.attach(this.#parser, (parse) => this.#receive(parse));
    else {
      socket.on("data", (chunk: Uint8Array) =>
        this.#receive((take) => this.#parser.push(chunk, take)),
      );
    }
  }

  #sendHello(): void {
    const capabilities = [...wireCapabilities, ...this.#named];
    const hello = { type: "hello", version: wireVersion, capabilities } as const;
    for (const part of encodeFrame(hello)) this.#socket.write(part);
  }

  #receive(parse: Parse): void {
    if (this.#over) return;
    const { traffic, onBreach } = this.#options;
    if (traffic !== undefined) traffic.reads += 1;
    this.#end?.heard?.();
    try {
      parse(this.#take);
    } catch (error) {
      if (!(error instanceof SkyError)) throw error;
      this.#failGreeting(error);
      if (this.#end === undefined) return;
      onBreach(error.message, faultOf(error));
      this.#lost(error.message);
    }
  }

  readonly #take = (frame: Frame, number: number | undefined): void => {
    if (this.#over) return;
    if (this.#end === undefined) this.#takeGreeting(frame);
    else this.#end.receive(frame, number);
  };

  /** A peer that closes in the middle of a frame did not mean to. */
  #endText(): string {
    if (this.#over || this.#parser.idle()) return "closed by the peer";
    const why = "the connection ended in the middle of a frame";
    if (this.#end !== undefined) this.#options.onFault?.(why, "truncated");
    return why;
  }

  #takeGreeting(frame: Frame): void {
    if (frame.type === "abort" && frame.channel === noChannel) {
      this.#failGreeting(new SkyError("stream/denied", { why: frame.why }));
      return;
    }
    if (frame.type !== "hello") {
      this.#failGreeting(new SkyError("stream/protocol", { why: `a ${frame.type} as greeting` }));
      return;
    }
    const { side, peer } = this.#options;
    // Both sides read it.
    const names = { us: `the ${side}`, them: peer };
    const agreement = agreeOnWire(frame, names);
    if (!agreement.agreed) {
      // First the refusal: whoever hears of the failure destroys a socket that says nothing.
      refuse(this.#socket, agreement.why, this.#options.clock);
      this.#failGreeting(new SkyError("stream/denied", { why: agreement.why }));
      return;
    }
    if (this.#options.side === "dialler") this.#sendHello();
    this.#begin(new Set(this.#named.filter((name) => frame.capabilities.includes(name))));
  }

  #begin(capabilities: ReadonlySet<FrameCapability>): void {
    this.#stopWaiting();
    this.#parser.allow(capabilities);
    const form = capabilities.has("bare-data") ? { bare: true } : {};
    const { clock, traffic } = this.#options;
    const resume = (): void => this.#end?.resume();
    const link = linkOver(this.#socket, { clock, form, resume, traffic });
    this.#end = this.#meeting.begin({ capabilities, link });
  }

  #lost(why: string): void {
    if (this.#over) return;
    this.#failGreeting(new SkyError("stream/closed", { why }));
    this.#over = true;
    this.#end?.lost(why);
  }

  /** Nothing, once the session has begun. */
  #failGreeting(error: SkyError): void {
    if (this.#end !== undefined) return;
    this.#stopWaiting();
    this.#over = true;
    this.#meeting.failed(error);
  }
}

interface LinkOptions {
  readonly clock: Clock;
  /** Of every DATA frame. */
  readonly form: FrameForm;
  readonly resume: () => void;
  readonly traffic: SocketTraffic | undefined;
}

/** Pieces up to this length are written as one: that costs less than several writes. */
const joinedBytesMax = 1024;

function linkOver(socket: Socket, { clock, form, resume, traffic }: LinkOptions): FrameLink {
  let corked = false;
  const uncork = (): void => {
    corked = false;
    if (traffic !== undefined) traffic.writes += 1;
    socket.uncork();
  };
  const write = (pieces: readonly Uint8Array[], isData: boolean): void => {
    const last = pieces.length - 1;
    for (const [index, piece] of pieces.entries()) {
      if (index === last && isData) socket.write(piece, resume);
      else socket.write(piece);
    }
  };
  return {
    send: (frame, number) => {
      if (socket.destroyed || socket.writableEnded) return;
      if (!corked) {
        corked = true;
        socket.cork();
        queueMicrotask(uncork);
      }
      const pieces = encodeFrame(frame, number === undefined ? form : { ...form, number });
      write(joined(pieces), frame.type === "data");
    },
    queuedBytes: () => socket.writableLength,
    close: () => {
      if (!socket.destroyed) close(socket, clock);
    },
  };
}

/** Pieces that are small are put together. */
function joined(pieces: readonly Uint8Array[]): readonly Uint8Array[] {
  if (pieces.length === 1) return pieces;
  let bytes = 0;
  for (const piece of pieces) bytes += piece.length;
  if (bytes > joinedBytesMax * (pieces.length - 1)) return pieces;
  return [Buffer.concat(pieces, bytes)];
}
