// One log at the head: its file, the bytes on their way into it, and those who follow it.
//
// Bytes reach followers when they arrive, before the disk has them: the node's file is the source
// and says the same at the same offset, whatever happens to the head. They are *safe* once
// `fdatasync` has returned; only that is acknowledged to the node. Arriving bytes are collected
// while a write runs, so writes grow with the load; a writer that outruns the disk waits.
//
// On a full disk the write is tried again every so often, from the very byte where it stopped, and
// the node waits; followers go on with what has arrived.
//
// What must always hold: `safe ≤ written ≤ received`; one write per byte however many follow.

import { assert, SkyError } from "../model/errors.ts";
import type { Clock } from "../runtime/clock.ts";
import { isNoRoom } from "../runtime/room-os.ts";
import type { LogDisk, LogHandle } from "./log-disk-os.ts";
import { after } from "./log-disk-os.ts";
import type { LogChunk } from "./log-store.ts";
import { LogTail } from "./log-store.ts";

/** How much a follower is given at once. */
const sliceBytesMax = 262_144;
/** Arrived and not yet written: beyond it the node waits. */
const unwrittenBytesMax = 4_194_304;
/** Kept in memory for followers, where there are any. */
const tailBytesMax = 4_194_304;
/** How often a full disk is tried again. */
const roomLookMs = 500;
/** More followers than this are woken together, every so often. */
const crowdCount = 100;
const crowdMs = 30;

export class LogFile {
  readonly #disk: LogDisk;
  readonly #path: string;
  readonly #clock: Clock;
  #handle: Promise<LogHandle> | undefined;
  #opening: Promise<void> | undefined;
  #tail = new LogTail(0);
  #written = 0;
  #safe = 0;
  #unwritten: Uint8Array[] = [];
  #writing: Promise<void> | undefined;
  #failure: unknown;
  #slice: LogChunk | undefined;
  #stopCrowd: (() => void) | undefined;
  /** Set while the disk is full: what ends the wait. */
  #stopWaiting: (() => void) | undefined;
  #closing = false;
  readonly #wakes = new Set<() => void>();
  /** Who holds this log in memory: channels and followers. */
  users = 0;
  followers = 0;

  constructor(disk: LogDisk, path: string, clock: Clock) {
    this.#disk = disk;
    this.#path = path;
    this.#clock = clock;
  }

  get received(): number {
    return this.#tail.end;
  }

  get safe(): number {
    return this.#safe;
  }

  get unsafeBytes(): number {
    return this.#tail.end - this.#safe;
  }

  /** Learns how long the file is. Needed before anything else; harmless to repeat. */
  open(): Promise<void> {
    this.#opening ??= this.#measure();
    return this.#opening;
  }

  /**
   * Takes bytes that follow the last ones. Resolves when there is room for more.
   * @throws what the disk said. The log is then of no more use: open it anew.
   */
  async append(bytes: Uint8Array): Promise<void> {
    this.#assertSound();
    this.#tail.push(bytes);
    this.#unwritten.push(bytes);
    this.#wakeFollowers();
    this.#writing ??= this.#writeAll();
    if (this.#tail.end - this.#written > unwrittenBytesMax) await this.#writing;
  }

  /** Whether bytes wait for room on the disk. */
  get isWaiting(): boolean {
    return this.#stopWaiting !== undefined;
  }

  get written(): number {
    return this.#written;
  }

  /** Bytes that wait for room are forgotten: they are still where they came from. */
  giveUp(): void {
    this.#closing = true;
    this.#stopWaiting?.();
  }

  /** Resolves when nothing is being written. */
  async settled(): Promise<void> {
    await this.#writing;
  }

  /** Resolves when every byte received so far is on disk, with their count. */
  async sync(): Promise<number> {
    await this.#writing;
    this.#assertSound();
    const written = this.#written;
    if (written > this.#safe) {
      await (await this.#opened()).datasync();
      this.#safe = Math.max(this.#safe, written);
    }
    return this.#safe;
  }

  /** Bytes from `offset` on: from memory if they are recent, else from the file. */
  async read(offset: number): Promise<LogChunk> {
    if (this.#slice?.offset === offset) return this.#slice;
    const recent = this.#tail.slice(offset, sliceBytesMax);
    // Followers that stand at the same place share one chunk, and so its encoding.
    if (recent !== undefined) {
      this.#slice = recent;
      return recent;
    }
    const length = Math.min(sliceBytesMax, this.#written - offset);
    return { offset, bytes: await this.readAt(offset, length) };
  }

  async readAt(offset: number, length: number): Promise<Uint8Array> {
    const handle = await this.#opened();
    const bytes = Buffer.allocUnsafe(length);
    return bytes.subarray(0, await handle.readAt(bytes, offset));
  }

  /** Resolves at the next change, or when `signal` aborts. */
  changed(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#wakes.delete(wake);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      this.#wakes.add(wake);
      signal.addEventListener("abort", wake, { once: true });
      if (signal.aborted) wake();
    });
  }

  /** Lets all followers look again, at once. */
  wakeAll(): void {
    for (const wake of [...this.#wakes]) wake();
  }

  async close(): Promise<void> {
    this.giveUp();
    this.#stopCrowd?.();
    this.wakeAll();
    await this.#writing;
    const handle = this.#handle;
    this.#handle = undefined;
    await (await handle)?.close();
  }

  #assertSound(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #measure(): Promise<void> {
    const size = await this.#disk.size(this.#path);
    this.#tail = new LogTail(size);
    this.#written = size;
    // What an earlier head wrote may still be only in memory: `safe` starts below it.
    this.#safe = 0;
  }

  #opened(): Promise<LogHandle> {
    this.#handle ??= this.#disk.open(this.#path);
    return this.#handle;
  }

  async #writeAll(): Promise<void> {
    try {
      const handle = await this.#opened();
      while (this.#unwritten.length > 0) {
        const batch = this.#unwritten;
        this.#unwritten = [];
        await this.#writeWhole(handle, batch);
        this.#tail.trim(this.followers > 0 ? tailBytesMax : 0, this.#written);
      }
    } catch (error) {
      this.#failure = error;
    } finally {
      this.#writing = undefined;
    }
  }

  async #writeWhole(handle: LogHandle, batch: readonly Uint8Array[]): Promise<void> {
    for (let left = batch; left.length > 0; ) {
      try {
        await handle.append(left);
        this.#written += left.reduce((sum, bytes) => sum + bytes.length, 0);
        return;
      } catch (error) {
        if (!isNoRoom(error)) throw error;
      }
      const size = await this.#disk.size(this.#path);
      assert(size >= this.#written, `${this.#path} has become shorter`);
      left = after(left, size - this.#written);
      this.#written = size;
      await this.#waitForRoom();
    }
  }

  async #waitForRoom(): Promise<void> {
    if (!this.#closing) {
      await new Promise<void>((resolve) => {
        const cancel = this.#clock.after(roomLookMs, resolve);
        this.#stopWaiting = () => {
          cancel();
          resolve();
        };
      });
      this.#stopWaiting = undefined;
    }
    if (this.#closing) throw new SkyError("stream/closed", { why: "the log is being closed" });
  }

  #wakeFollowers(): void {
    this.#slice = undefined;
    if (this.#wakes.size <= crowdCount) {
      this.wakeAll();
      return;
    }
    this.#stopCrowd ??= this.#clock.after(crowdMs, () => {
      this.#stopCrowd = undefined;
      this.wakeAll();
    });
  }
}
