// A proxy whose connections a test can cut, freeze, slow down and corrupt: TCP and unix sockets.
//
// It looks up its target for each new connection, so that it can stand before a server that is
// started again elsewhere. Faults hold for the connections that are open and for new ones alike.
// Bytes are delayed in order and never dropped: what is lost is lost with its connection, as TCP
// has it. What must always hold: a frozen reader stops the writer (nothing piles up here).

import { rmSync } from "node:fs";
import { connect, createServer, type NetConnectOpts, type Socket } from "node:net";

export interface ProxyOptions {
  /** A port of 127.0.0.1 (0 = any), or a path. */
  readonly listen: { readonly port: number } | { readonly path: string };
  /** Where the next connection goes; `undefined` refuses it. */
  readonly target: () => NetConnectOpts | undefined;
  /** May change bytes that pass, in place. */
  readonly change?: (bytes: Buffer, way: "out" | "back") => void;
}

export interface FaultProxy {
  readonly port: number;
  /** Breaks all open connections, by a reset; new ones are taken. Gives their number. */
  cut(): number;
  /** Every byte comes so much later, until this is 0 again. */
  delay(ms: number): void;
  /** Nothing is read any more, on no connection, until `thaw`. */
  freeze(): void;
  thaw(): void;
  /** Flips a bit of the next bytes that go towards the target. */
  corrupt(): void;
  open(): number;
  close(): Promise<void>;
}

export async function startFaultProxy(options: ProxyOptions): Promise<FaultProxy> {
  const relay = new Relay(options);
  await relay.listen();
  return relay;
}

/** What waits for its time, in order; reading stops while there is much of it. */
const heldBytesMax = 4 * 1024 * 1024;

class Relay implements FaultProxy {
  readonly #options: ProxyOptions;
  readonly #halves = new Set<Half>();
  readonly #server = createServer({ allowHalfOpen: true }, (near) => this.#take(near));
  #delayMs = 0;
  #frozen = false;
  #corrupting = false;

  constructor(options: ProxyOptions) {
    this.#options = options;
  }

  async listen(): Promise<void> {
    const { listen } = this.#options;
    if ("path" in listen) rmSync(listen.path, { force: true });
    const where = "path" in listen ? listen : { host: "127.0.0.1", ...listen };
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(where, resolve);
    });
  }

  get port(): number {
    const address = this.#server.address();
    return address !== null && typeof address === "object" ? address.port : 0;
  }

  open(): number {
    return this.#halves.size / 2;
  }

  cut(): number {
    const open = this.open();
    for (const half of [...this.#halves]) half.end();
    return open;
  }

  delay(ms: number): void {
    this.#delayMs = ms;
  }

  freeze(): void {
    this.#frozen = true;
    for (const half of this.#halves) half.from.pause();
  }

  thaw(): void {
    this.#frozen = false;
    for (const half of this.#halves) half.flow();
  }

  corrupt(): void {
    this.#corrupting = true;
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.cut();
    await closed;
  }

  #take(near: Socket): void {
    const target = this.#options.target();
    if (target === undefined) {
      near.on("error", () => {});
      near.destroy();
      return;
    }
    const far = connect({ ...target, allowHalfOpen: true });
    this.#join(near, far, true);
    this.#join(far, near, false);
  }

  #join(from: Socket, to: Socket, outward: boolean): void {
    const half = new Half(from, to, {
      delayMs: () => this.#delayMs,
      frozen: () => this.#frozen,
      pass: (bytes) => this.#passed(bytes, outward),
      closed: () => this.#halves.delete(half),
    });
    this.#halves.add(half);
    half.flow();
  }

  #passed(bytes: Buffer, outward: boolean): Buffer {
    this.#options.change?.(bytes, outward ? "out" : "back");
    if (!outward || !this.#corrupting) return bytes;
    this.#corrupting = false;
    const at = bytes.length >> 1;
    bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
    return bytes;
  }
}

interface HalfPorts {
  readonly delayMs: () => number;
  readonly frozen: () => boolean;
  readonly pass: (bytes: Buffer) => Buffer;
  readonly closed: () => void;
}

/** One direction of one connection. */
class Half {
  readonly from: Socket;
  readonly #to: Socket;
  readonly #ports: HalfPorts;
  /** Bytes, or the end of them, and when they are due. */
  readonly #held: { readonly bytes: Buffer | undefined; readonly dueAt: number }[] = [];
  #heldBytes = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(from: Socket, to: Socket, ports: HalfPorts) {
    this.from = from;
    this.#to = to;
    this.#ports = ports;
    from.setNoDelay(true);
    from.on("data", (bytes: Buffer) => this.#hold(ports.pass(bytes)));
    from.on("end", () => this.#hold(undefined));
    // A connection that breaks here breaks there: `close` follows and says it.
    from.on("error", () => {});
    from.on("close", () => {
      clearTimeout(this.#timer);
      ports.closed();
      // Nothing can come back to one that is gone; what it had said still arrives.
      if (this.#held.length === 0 && from.readableEnded) to.destroySoon();
      else to.destroy();
    });
    to.on("drain", () => this.flow());
  }

  end(): void {
    // A reset waits for what is still to be written, and the peer may never read it. Node 24 loses
    // the handle of a socket that is reset while it ends: the process could then never exit.
    const { remoteFamily, writableLength, writableEnded } = this.from;
    if (remoteFamily === undefined || writableLength > 0 || writableEnded) this.from.destroy();
    else this.from.resetAndDestroy();
  }

  flow(): void {
    const { frozen } = this.#ports;
    // First what is due goes: once nothing is held, nobody would come back to look again.
    if (!frozen()) this.#release();
    const full = this.#heldBytes > heldBytesMax || this.#to.writableNeedDrain;
    if (frozen() || full) this.from.pause();
    else this.from.resume();
  }

  #hold(bytes: Buffer | undefined): void {
    const dueAt = performance.now() + this.#ports.delayMs();
    // Later bytes never overtake: whatever is held goes first.
    this.#held.push({ bytes, dueAt: Math.max(dueAt, this.#held.at(-1)?.dueAt ?? 0) });
    this.#heldBytes += bytes?.length ?? 0;
    this.flow();
  }

  #release(): void {
    clearTimeout(this.#timer);
    for (;;) {
      const [next] = this.#held;
      if (next === undefined) return;
      const waitMs = next.dueAt - performance.now();
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.flow(), waitMs);
        return;
      }
      this.#held.shift();
      this.#heldBytes -= next.bytes?.length ?? 0;
      if (next.bytes === undefined) this.#to.end();
      else this.#to.write(next.bytes);
    }
  }
}
