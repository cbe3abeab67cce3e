// Ships the logs of this node's ranks to the head over the bulk wire (`proto/log-channel.ts`).
//
// One session for the node, one channel per rank. The head says how much it has, and the file is
// read from there: so nothing is lost or doubled whatever breaks in between. Woken by file events
// and by the end of a rank, never by polling; what a channel may hold is bounded by its credit, so
// a slow head costs no memory here. Secrets are hidden on the way out and stay in the file.
//
// Reads are synchronous and small: they come from the page cache in tens of microseconds, where a
// trip through the thread pool would cost more than everything else on a line's way. A long
// backlog lets the event loop breathe after each megabyte.

import type { FSWatcher } from "node:fs";
import { closeSync, openSync, readSync, watch } from "node:fs";
import { setImmediate as breath } from "node:timers/promises";
import { errorText, SkyError } from "../model/errors.ts";
import type { RankKey } from "../model/job.ts";
import { rankKeyText } from "../model/job.ts";
import { decodeOffsets, logHeader } from "../proto/log-channel.ts";
import { backoff, backoffMs } from "../runtime/backoff.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import type { Random } from "../runtime/random.ts";
import type { StreamChannel, StreamSession } from "../runtime/stream.ts";
import type { Masker } from "./mask.ts";
import { createMasker } from "./mask.ts";
import { pause } from "./pause.ts";

export interface LogShipOptions {
  /** With the head. */
  readonly session: () => Promise<StreamSession>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Where a rank's log is. */
  readonly pathOf: (key: RankKey) => string;
  /** What must not leave the node. */
  readonly secretsOf: (key: RankKey) => Promise<readonly Uint8Array[]>;
  /** How a log is read and watched; the file system by default. */
  readonly openLog?: (path: string, onChange: () => void) => OpenLog;
}

export interface LogShipper {
  /** Begins with a rank's log. Twice is once. */
  ship(key: RankKey): void;
  /** The log has its last byte; the channel ends after it. Begins with it if need be. */
  end(key: RankKey, logBytes: number): void;
  forget(key: RankKey): void;
  /** Ranks whose last byte the head has yet to confirm, and bytes sent so far. */
  counts(): { readonly open: number; readonly sentBytes: number };
  close(): void;
}

const pieceBytesMax = 256 * 1024;
const burstBytesMax = 1024 * 1024;
/** Looks at a young log before it is watched: most ranks are over by then. */
const looksMs: readonly number[] = [3, 6, 12];
/** An empty log that ended is nobody's business, unless the head has still not forgotten it. */
const silentMs = 1_000;
const forgotten = new SkyError("core/cancelled", { what: "the log of a forgotten rank" });
const retry = backoff({ initialMs: 100, capMs: 10_000 });

export function createLogShipper(options: LogShipOptions): LogShipper {
  return new Shipper(options);
}

interface Shipment {
  readonly key: RankKey;
  readonly cancel: AbortController;
  /** Known once the rank has ended. */
  endBytes: number | undefined;
  /** Something may have changed since the last look. */
  changed: boolean;
  wake: (() => void) | undefined;
  done: boolean;
}

class Shipper implements LogShipper {
  readonly #options: LogShipOptions;
  readonly #shipments = new Map<string, Shipment>();
  readonly #scratch = Buffer.allocUnsafe(pieceBytesMax);
  #closed = false;
  #sentBytes = 0;

  constructor(options: LogShipOptions) {
    this.#options = options;
  }

  ship(key: RankKey): void {
    void this.#shipmentOf(key);
  }

  end(key: RankKey, logBytes: number): void {
    const shipment = this.#shipmentOf(key);
    shipment.endBytes = logBytes;
    wake(shipment);
  }

  forget(key: RankKey): void {
    const shipment = this.#shipments.get(rankKeyText(key));
    this.#shipments.delete(rankKeyText(key));
    if (shipment?.done === false) shipment.cancel.abort(forgotten);
    if (shipment) wake(shipment);
  }

  counts(): { readonly open: number; readonly sentBytes: number } {
    const open = [...this.#shipments.values()].filter((shipment) => !shipment.done).length;
    return { open, sentBytes: this.#sentBytes };
  }

  close(): void {
    this.#closed = true;
    for (const shipment of this.#shipments.values()) {
      shipment.cancel.abort();
      wake(shipment);
    }
  }

  #shipmentOf(key: RankKey): Shipment {
    const known = this.#shipments.get(rankKeyText(key));
    if (known) return known;
    const cancel = new AbortController();
    const shipment: Shipment = {
      key,
      cancel,
      endBytes: undefined,
      changed: true,
      wake: undefined,
      done: false,
    };
    this.#shipments.set(rankKeyText(key), shipment);
    if (this.#closed) cancel.abort();
    else void this.#carry(shipment);
    return shipment;
  }

  /** Until the head has the last byte, over as many channels as it takes. Never throws. */
  async #carry(shipment: Shipment): Promise<void> {
    const { log, clock, random } = this.#options;
    for (let failures = 1; !shipment.cancel.signal.aborted; failures += 1) {
      const before = this.#sentBytes;
      try {
        await this.#attempt(shipment);
        shipment.done = true;
        return;
      } catch (error) {
        if (shipment.cancel.signal.aborted) return;
        log.debug("log channel broke", { rank: rankKeyText(shipment.key), why: errorText(error) });
      }
      if (this.#sentBytes > before) failures = 1;
      await pause(clock, backoffMs(retry, failures, random), shipment.cancel.signal);
    }
  }

  async #attempt(shipment: Shipment): Promise<void> {
    const open = this.#options.openLog ?? openLogFile;
    const file = open(this.#options.pathOf(shipment.key), () => wake(shipment));
    const reading: Reading = { shipment, file, looks: 0 };
    try {
      await this.#silence(reading);
      if (!shipment.cancel.signal.aborted) await this.#ship(reading);
    } finally {
      file.close();
    }
  }

  /**
   * Until there is a first byte. A log that stays empty needs no channel: the head knows from its
   * rank's end that nothing is missing.
   */
  async #silence(reading: Reading): Promise<void> {
    const { shipment, file } = reading;
    const { signal } = shipment.cancel;
    while (!signal.aborted) {
      if (shipment.endBytes === 0) return await pause(this.#options.clock, silentMs, signal);
      shipment.changed = false;
      if (shipment.endBytes !== undefined || file.read(this.#scratch, 0, 1) > 0) return;
      await this.#grown(reading);
    }
  }

  async #ship(reading: Reading): Promise<void> {
    const { shipment } = reading;
    const session = await this.#options.session();
    const secrets = await this.#options.secretsOf(shipment.key);
    if (shipment.cancel.signal.aborted) return;
    const channel = session.open(logHeader(shipment.key));
    const giveUp = (): void => {
      channel.abort("this agent ends");
      wake(shipment);
    };
    shipment.cancel.signal.addEventListener("abort", giveUp);
    try {
      await this.#copy(reading, channel, createMasker(secrets));
    } catch (error) {
      channel.abort(errorText(error));
      throw error;
    } finally {
      shipment.cancel.signal.removeEventListener("abort", giveUp);
    }
  }

  /** All of one log on one channel, from where the head is to the end, and its confirmation. */
  async #copy(reading: Reading, channel: StreamChannel, masker: Masker): Promise<void> {
    const { shipment } = reading;
    const offsets = readOffsets(channel);
    const first = await offsets.next();
    if (first.done) throw new SkyError("stream/closed", { why: "the head named no offset" });
    const sending: Sending = { reading, shipment, channel, masker, over: false };
    const confirmed = lastOf(offsets).finally(() => {
      sending.over = true;
      wake(shipment);
    });
    // It is awaited below; while we still write, the writing fails too.
    confirmed.catch(() => {});
    await this.#send(sending, first.value);
    channel.end();
    const safe = await confirmed;
    if (safe !== undefined && safe >= (shipment.endBytes ?? 0)) return;
    throw new SkyError("stream/closed", { why: `the head confirmed ${safe ?? "nothing"}` });
  }

  async #send(to: Sending, start: number): Promise<void> {
    const { shipment, channel } = to;
    let offset = start;
    let burstBytes = 0;
    while (shipment.endBytes === undefined || offset < shipment.endBytes) {
      if (to.over) throw new SkyError("stream/closed", { why: "the head ended the channel" });
      shipment.changed = false;
      const piece = this.#read(to, offset);
      if (piece.length === 0) {
        await this.#grown(to.reading);
        continue;
      }
      await channel.write(piece);
      offset += piece.length;
      this.#sentBytes += piece.length;
      burstBytes += piece.length;
      if (burstBytes < burstBytesMax) continue;
      burstBytes = 0;
      await breath();
    }
  }

  /**
   * Resolves when there may be more to read. A watch costs more than all else that is done for a
   * short rank, so it begins only where the rank outlives the first looks.
   */
  async #grown(reading: Reading): Promise<void> {
    const { shipment, file } = reading;
    const lookMs = looksMs[reading.looks];
    if (reading.looks > looksMs.length || file.watch === undefined) return await changed(shipment);
    reading.looks += 1;
    if (lookMs === undefined) return file.watch();
    const cancel = this.#options.clock.after(lookMs, () => wake(shipment));
    await changed(shipment);
    cancel();
  }

  /** The next bytes that may leave, masked; empty if there are none yet. */
  #read({ shipment, masker, reading: { file } }: Sending, offset: number): Uint8Array {
    const from = Math.max(0, offset - masker.margin);
    const end = shipment.endBytes ?? Number.POSITIVE_INFINITY;
    const length = Math.min(this.#scratch.length, end - from);
    const count = file.read(this.#scratch, from, length);
    const window = this.#scratch.subarray(0, count);
    if (count <= offset - from) return this.#missing(shipment, offset);
    const piece = masker.mask(window, offset - from, from + count === end);
    // The scratch buffer is used again; without secrets the piece is a part of it.
    return masker.margin === 0 ? Buffer.from(piece) : piece;
  }

  /** An ended log that is shorter than it was: what is not there can be waited for in vain. */
  #missing(shipment: Shipment, offset: number): Uint8Array {
    if (shipment.endBytes !== undefined && offset < shipment.endBytes) {
      this.#options.log.warn("log is shorter than at its end", { rank: rankKeyText(shipment.key) });
      shipment.endBytes = offset;
      shipment.changed = true;
    }
    return new Uint8Array(0);
  }
}

interface Reading {
  readonly shipment: Shipment;
  readonly file: OpenLog;
  /** Looks without a watch; one more than there are: it is watched. */
  looks: number;
}

interface Sending {
  readonly reading: Reading;
  readonly shipment: Shipment;
  readonly channel: StreamChannel;
  readonly masker: Masker;
  /** The head answers no more. */
  over: boolean;
}

function wake(shipment: Shipment): void {
  shipment.changed = true;
  shipment.wake?.();
  shipment.wake = undefined;
}

/** Resolves when something has happened since `changed` was last cleared. */
async function changed(shipment: Shipment): Promise<void> {
  if (shipment.changed) return;
  await new Promise<void>((resolve) => {
    shipment.wake = resolve;
  });
}

export interface OpenLog {
  /** Fills the buffer's beginning from the file; answers how many bytes there were. */
  read(into: Buffer, offset: number, length: number): number;
  /** Tells of what is written from now on. Absent = told from the beginning. */
  watch?(): void;
  close(): void;
}

/** The log, and who hears when it grows. It exists from before the start of its rank. */
function openLogFile(path: string, onChange: () => void): OpenLog {
  let watcher: FSWatcher | undefined;
  let fd: number | undefined;
  try {
    fd = openSync(path, "r");
  } catch (error) {
    const absent = error instanceof Error && "code" in error && error.code === "ENOENT";
    if (!absent) throw error;
  }
  return {
    read: (into, offset, length) => (fd === undefined ? 0 : readSync(fd, into, 0, length, offset)),
    watch: () => {
      if (fd === undefined) return;
      watcher = watch(path, { persistent: false }, onChange);
      watcher.on("error", onChange);
    },
    close: () => {
      watcher?.close();
      if (fd !== undefined) closeSync(fd);
    },
  };
}

/** The offsets that the head sends, the newest of each arrival. */
async function* readOffsets(channel: StreamChannel): AsyncGenerator<number, undefined> {
  let rest: Uint8Array = new Uint8Array(0);
  for await (const bytes of channel) {
    const decoded = decodeOffsets(Buffer.concat([rest, bytes]));
    rest = decoded.rest;
    if (decoded.newest !== undefined) yield decoded.newest;
  }
  return undefined;
}

/** The last offset before the head ends the channel. */
async function lastOf(offsets: AsyncGenerator<number, undefined>): Promise<number | undefined> {
  let last: number | undefined;
  for await (const offset of offsets) last = offset;
  return last;
}
