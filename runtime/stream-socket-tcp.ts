// One socket of the bulk wire: the greeting, then a session over it.
//
// The listener greets first, the dialler answers; both say which wire version they speak. Until
// both greetings are through, the only other frame is a refusal (an abort of channel 0) with its
// reason. Afterwards frames go between the session and the socket: writes of one turn leave in
// one system call, and the session is asked for more whenever some of it has left.

import type { Socket } from "node:net";
import { errorText, SkyError } from "../model/errors.ts";
import { agreeOnWire, wireCapabilities, wireVersion } from "../model/wire.ts";
import type { Clock } from "./clock.ts";
import { encodeFrame, type Frame, FrameParser } from "./framing.ts";
import type { StreamSession } from "./stream.ts";
import {
  createSession,
  type FrameLink,
  type SessionEnd,
  type SessionLimits,
} from "./stream-session.ts";

export interface GreetOptions {
  /** Who the peer has proven to be. */
  readonly peer: string;
  readonly side: "dialler" | "listener";
  readonly clock: Clock;
  readonly handshakeMs: number;
  readonly limits?: Partial<SessionLimits>;
  readonly onBreach: (why: string) => void;
  readonly signal?: AbortSignal;
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
    new Connection(socket, options, { resolve, reject });
  });
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

interface Greeting {
  readonly resolve: (session: StreamSession) => void;
  readonly reject: (error: SkyError) => void;
}

class Connection {
  readonly #socket: Socket;
  readonly #options: GreetOptions;
  readonly #greeting: Greeting;
  readonly #parser = new FrameParser();
  #end: SessionEnd | undefined;
  #failure: string | undefined;
  #over = false;
  readonly #stopWaiting: () => void;

  constructor(socket: Socket, options: GreetOptions, greeting: Greeting) {
    this.#socket = socket;
    this.#options = options;
    this.#greeting = greeting;
    const { clock, handshakeMs, signal } = options;
    const late = clock.after(handshakeMs, () => this.#lost("no greeting in time"));
    const aborted = (): void => this.#lost("the dial was cancelled");
    signal?.addEventListener("abort", aborted, { once: true });
    this.#stopWaiting = () => {
      late();
      signal?.removeEventListener("abort", aborted);
    };
    socket.on("data", (chunk: Uint8Array) => this.#receive(chunk));
    socket.on("end", () => this.#lost("closed by the peer"));
    socket.on("error", (error) => {
      this.#failure = errorText(error);
    });
    socket.on("close", () => this.#lost(this.#failure ?? "the connection was closed"));
    if (options.side === "listener") this.#sendHello();
  }

  #sendHello(): void {
    const hello = { type: "hello", version: wireVersion, capabilities: wireCapabilities } as const;
    for (const part of encodeFrame(hello)) this.#socket.write(part);
  }

  #receive(chunk: Uint8Array): void {
    if (this.#over) return;
    try {
      this.#parser.push(chunk, (frame) => {
        if (this.#over) return;
        if (this.#end === undefined) this.#takeGreeting(frame);
        else this.#end.receive(frame);
      });
    } catch (error) {
      if (!(error instanceof SkyError)) throw error;
      this.#failGreeting(error);
      if (this.#end === undefined) return;
      this.#options.onBreach(error.message);
      this.#lost(error.message);
    }
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
      this.#failGreeting(new SkyError("stream/denied", { why: agreement.why }));
      refuse(this.#socket, agreement.why, this.#options.clock);
      return;
    }
    if (this.#options.side === "dialler") this.#sendHello();
    this.#begin();
  }

  #begin(): void {
    this.#stopWaiting();
    const { peer, side, clock, limits, onBreach } = this.#options;
    const link = linkOver(this.#socket, clock, () => this.#end?.resume());
    this.#end = createSession({
      peer,
      side,
      link,
      clock,
      onBreach,
      ...(limits === undefined ? {} : { limits }),
    });
    this.#greeting.resolve(this.#end.session);
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
    this.#greeting.reject(error);
  }
}

function linkOver(socket: Socket, clock: Clock, resume: () => void): FrameLink {
  let corked = false;
  return {
    send: (frame) => {
      if (socket.destroyed || socket.writableEnded) return;
      if (!corked) {
        corked = true;
        socket.cork();
        queueMicrotask(() => {
          corked = false;
          socket.uncork();
        });
      }
      const parts = encodeFrame(frame);
      const last = parts.length - 1;
      for (const [index, part] of parts.entries()) {
        if (index === last && frame.type === "data") socket.write(part, resume);
        else socket.write(part);
      }
    },
    queuedBytes: () => socket.writableLength,
    close: () => {
      if (!socket.destroyed) close(socket, clock);
    },
  };
}
