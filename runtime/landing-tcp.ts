// Where a socket that we dialled reads to: memory of ours, where the parser wants it.
//
// Node lets whoever dials give the buffer that the next read fills (`onread`), which a listener
// cannot do by any public way. A long payload so goes from the kernel to where it stays, in one
// piece and with no copy; what is short goes through one buffer that all sockets share, because a
// read and what follows from it are one turn. What comes before the greeting begins is kept.
//
// Source: nodejs.org, net.connect and tls.connect, option `onread`.

import type { Socket } from "node:net";
import type { FrameParser, TakeFrame } from "./frame-parser.ts";
import { streamFault } from "./stream-fault.ts";

const scratchBytes = 64 * 1024;
/** All that may come before anybody looks: what stands behind a TLS handshake in one read. */
const earlyBytesMax = 256 * 1024;

const scratch = Buffer.allocUnsafeSlow(scratchBytes);
const landings = new WeakMap<Socket, Landing>();

export type Parse = (take: TakeFrame) => void;

export class Landing {
  #parser: FrameParser | undefined;
  #during: (parse: Parse) => void = () => {};
  #early: Buffer[] = [];
  #earlyBytes = 0;
  #room: Buffer = scratch;

  /** That of a socket that we dialled. */
  static of(socket: Socket): Landing | undefined {
    return landings.get(socket);
  }

  /** What net.connect and tls.connect take. */
  readonly onread = {
    buffer: (): Buffer => {
      this.#room = this.#parser?.room(scratch) ?? scratch;
      return this.#room;
    },
    callback: (count: number): boolean => this.#landed(count),
  };

  /** The socket was made with `onread`. */
  serve(socket: Socket): void {
    landings.set(socket, this);
  }

  /** From now on bytes go to the parser; `during` calls what it is given with who takes frames. */
  attach(parser: FrameParser, during: (parse: Parse) => void): void {
    this.#parser = parser;
    this.#during = during;
    for (const chunk of this.#early.splice(0)) during((take) => parser.push(chunk, take));
    if (this.#earlyBytes <= earlyBytesMax) return;
    during(() => {
      throw streamFault("greeting", "too much before the greeting");
    });
  }

  /** Gives whether to go on reading. */
  #landed(count: number): boolean {
    const room = this.#room;
    const parser = this.#parser;
    if (parser !== undefined) {
      this.#during((take) => parser.landed(room, count, take));
      return true;
    }
    this.#earlyBytes += count;
    if (this.#earlyBytes > earlyBytesMax) return false;
    this.#early.push(Buffer.from(room.subarray(0, count)));
    return true;
  }
}
