// The head's copies of the ranks' logs: taken from the nodes, kept in files, given to followers.
//
// A node ships each rank's log on a channel of the bulk wire (`proto/log-channel.ts`): we say how
// much we have on disk, it sends from there. Only the node on which a rank was placed may write
// the rank's log; anybody else is refused and counted. A follower reads at its own pace from the
// file or from the tail in memory that all followers share, so it slows nobody.
//
// What must always hold: bytes are kept exactly; a follower ends only after the last byte; and
// `onComplete` is called only when every log of the attempt is safe on this disk.

import { errorText, isSkyError, SkyError } from "../model/errors.ts";
import type { Job, RankKey } from "../model/job.ts";
import { rankKeyText } from "../model/job.ts";
import type { NodePhase } from "../model/node.ts";
import { encodeOffset, parseLogHeader } from "../proto/log-channel.ts";
import type { StreamChannel } from "../runtime/stream.ts";
import type { Announcement } from "./board.ts";
import { logDisk } from "./log-disk-os.ts";
import { LogFile } from "./log-file-os.ts";
import type { LogChunk, LogEnd } from "./log-store.ts";
import { logEnd, logKeys, ownerOf, tailStart } from "./log-store.ts";
import type { FollowOptions, LogCounts, LogStoreOptions } from "./log-store-options.ts";

/** How often bytes of growing logs are made safe and acknowledged. */
const syncMs = 1_000;
/** More unsafe bytes than this are not left until then. */
const unsafeBytesMax = 33_554_432;

export interface LogStore {
  /** Takes a log channel that `node` opened. */
  receive(node: string, channel: StreamChannel): void;
  /**
   * Bytes from `offset` on, in order. With `wait`, also those still to come, until the log ends.
   * @throws SkyError `stream/closed` when the store closes; what `signal` says when it aborts.
   */
  follow(options: FollowOptions): AsyncIterable<LogChunk>;
  /** Resolves when the logs of all attempts that are over are safe here. */
  complete(): Promise<void>;
  /** The offset at which the last `lines` lines begin. */
  tailStart(key: RankKey, lines: number): Promise<number>;
  counts(): LogCounts;
  close(): Promise<void>;
}

export async function openLogStore(options: LogStoreOptions): Promise<LogStore> {
  const { disk = logDisk } = options;
  await disk.makeDir(options.dir);
  const store = new FileLogStore({ ...options, disk });
  // Not waited for: nobody needs it to take or read logs.
  void store.recall();
  return store;
}

interface OpenChannel {
  readonly channel: StreamChannel;
  readonly done: Promise<void>;
}

class FileLogStore implements LogStore {
  readonly #options: Required<LogStoreOptions>;
  readonly #files = new Map<string, LogFile>();
  readonly #channels = new Map<string, OpenChannel>();
  /** The last record of each attempt (`7-1`) whose logs are not all safe yet. */
  readonly #records = new Map<string, Job>();
  /** Nodes that have been there since the store was opened: until then nobody calls them gone. */
  readonly #met = new Set<string>();
  /** Safe bytes of logs whose channel has ended, by key, as long as their attempt is open. */
  readonly #safe = new Map<string, number>();
  readonly #stopHearing: () => void;
  readonly #whenComplete = new Set<() => void>();
  #stopSync: (() => void) | undefined;
  #refused = 0;
  #receivedBytes = 0;
  #closed = false;

  constructor(options: Required<LogStoreOptions>) {
    this.#options = options;
    for (const job of options.board.jobs()) {
      if (job.phase !== "ended") this.#records.set(attemptText(job.id, job.attempt), job);
    }
    this.#stopHearing = options.board.onAnnouncement((announcement) => this.#heard(announcement));
  }

  /** Jobs of an earlier head: what it had of their logs, which may be all of some. */
  async recall(): Promise<void> {
    for (const job of this.#options.board.jobs()) {
      if (this.#closed) return;
      const isOpen = job.phase !== "ended";
      const measured = isOpen ? this.#measureLogs(job) : this.#measure(job);
      await measured.catch((error: unknown) => {
        this.#options.log.warn("log not measured", { job: job.id, why: errorText(error) });
      });
      this.#checkComplete(job.id, job.attempt);
      // Nobody knows any more where those ran: of their logs nothing is taken any more.
      for (let before = 1; before < job.attempt; before += 1) {
        this.#options.onComplete(job.id, before, 0);
      }
    }
  }

  receive(node: string, channel: StreamChannel): void {
    const key = this.#admitted(node, channel);
    if (key === undefined) return;
    const text = rankKeyText(key);
    const before = this.#channels.get(text);
    before?.channel.abort("the node opened the log again");
    const done = (async () => {
      await before?.done;
      await this.#copy(key, channel);
    })();
    const entry = { channel, done };
    this.#channels.set(text, entry);
    void done.then(() => {
      if (this.#channels.get(text) === entry) this.#channels.delete(text);
      this.#files.get(text)?.wakeAll();
      this.#checkComplete(key.job, key.attempt);
    });
  }

  async *follow(options: FollowOptions): AsyncGenerator<LogChunk, void, undefined> {
    const { key, signal } = options;
    const file = this.#hold(key);
    file.followers += 1;
    try {
      await file.open();
      let offset = options.offset;
      while (!this.#closed) {
        signal.throwIfAborted();
        if (offset < file.received) {
          const chunk = await file.read(offset);
          offset += chunk.bytes.length;
          yield chunk;
        } else if (!options.wait || this.#hasEnded(key, offset)) {
          return;
        } else {
          await file.changed(signal);
        }
      }
      throw new SkyError("stream/closed", { why: "the head is closing" });
    } finally {
      file.followers -= 1;
      this.#release(key, file);
    }
  }

  complete(): Promise<void> {
    return new Promise((resolve) => {
      this.#whenComplete.add(resolve);
      this.#tellIfComplete();
    });
  }

  async tailStart(key: RankKey, lines: number): Promise<number> {
    const file = this.#hold(key);
    try {
      await file.open();
      // What is in memory only is in the file as soon as its write has ended, unless room is short.
      const size = file.isWaiting ? file.written : await file.sync();
      return await tailStart({ size, lines, readAt: (at, length) => file.readAt(at, length) });
    } finally {
      this.#release(key, file);
    }
  }

  counts(): LogCounts {
    return {
      logsOpen: this.#files.size,
      channels: this.#channels.size,
      refused: this.#refused,
      receivedBytes: this.#receivedBytes,
      openBytes: this.#openBytes(),
    };
  }

  #openBytes(): number {
    const growing = [...this.#channels.keys()].map((text) => this.#files.get(text)?.received ?? 0);
    return [...growing, ...this.#safe.values()].reduce((sum, bytes) => sum + bytes, 0);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#stopHearing();
    this.#stopSync?.();
    const open = [...this.#channels.values()];
    for (const { channel } of open) channel.abort("the head is closing");
    for (const file of this.#files.values()) file.giveUp();
    await Promise.all(open.map(({ done }) => done));
    await Promise.all([...this.#files.values()].map((file) => file.close()));
    this.#files.clear();
  }

  /** The key of a channel that may be taken; others are aborted and counted. */
  #admitted(node: string, channel: StreamChannel): RankKey | undefined {
    try {
      const key = parseLogHeader(channel.header);
      const owner = ownerOf(this.#recordOf(key), key);
      if (owner === node && !this.#closed) return key;
      throw new SkyError("stream/denied", { why: `log ${rankKeyText(key)} is not of ${node}` });
    } catch (error) {
      this.#refused += 1;
      this.#options.log.warn("log refused", { node, why: errorText(error) });
      channel.abort(errorText(error));
      return undefined;
    }
  }

  /** From the first offset to the last acknowledgement. Never throws. */
  async #copy(key: RankKey, channel: StreamChannel): Promise<void> {
    const file = this.#hold(key);
    try {
      await file.open();
      await channel.write(encodeOffset(await file.sync()));
      for await (const bytes of channel) {
        this.#receivedBytes += bytes.length;
        await file.append(bytes);
        if (file.unsafeBytes > unsafeBytesMax) await this.#acknowledge(file, channel);
        else this.#syncSoon();
      }
      await this.#acknowledge(file, channel);
      channel.end();
      const job = this.#recordOf(key);
      if (job !== undefined) await this.#measure(job);
    } catch (error) {
      this.#copyFailed(key, channel, error);
    } finally {
      // Whoever opens the log next asks the disk how long it is.
      await file.settled();
      await this.#noteSafe(key, file);
      this.#release(key, file);
    }
  }

  /** Also of a channel that broke: it may have brought all there is. */
  async #noteSafe(key: RankKey, file: LogFile): Promise<void> {
    if (!this.#records.has(attemptText(key.job, key.attempt))) return;
    // A log that the disk does not take tells whoever writes to it.
    const safe = await file.sync().catch(() => 0);
    this.#safe.set(rankKeyText(key), Math.max(safe, this.#safe.get(rankKeyText(key)) ?? 0));
  }

  /** After a restart: an attempt that had ended is open again until all its logs are seen safe. */
  async #measure(job: Job): Promise<void> {
    const text = attemptText(job.id, job.attempt);
    if (this.#records.has(text)) return;
    this.#records.set(text, job);
    await this.#measureLogs(job);
  }

  /** What an earlier head took whole is not sent again. */
  async #measureLogs(job: Job): Promise<void> {
    const { setup, run } = logKeys(job);
    for (const key of [...setup, ...run]) {
      const file = this.#hold(key);
      try {
        await file.open();
        await this.#noteSafe(key, file);
      } finally {
        this.#release(key, file);
      }
    }
  }

  #copyFailed(key: RankKey, channel: StreamChannel, error: unknown): void {
    // A broken connection is no news: the node opens the channel again and goes on.
    if (isSkyError(error, "stream/closed")) return;
    const fields = { key: rankKeyText(key), why: errorText(error) };
    this.#options.log.warn("log not kept: is the disk full?", fields);
    channel.abort(errorText(error));
    // What was received and not written is forgotten: the node sends it again.
    const file = this.#files.get(rankKeyText(key));
    this.#files.delete(rankKeyText(key));
    file?.wakeAll();
  }

  async #acknowledge(file: LogFile, channel: StreamChannel): Promise<number> {
    const safe = await file.sync();
    await channel.write(encodeOffset(safe));
    return safe;
  }

  /** One round over all growing logs, one after the other; the next a while after its end. */
  #syncSoon(): void {
    this.#stopSync ??= this.#options.clock.after(syncMs, () => void this.#syncRound());
  }

  async #syncRound(): Promise<void> {
    for (const [text, { channel }] of [...this.#channels]) {
      const file = this.#files.get(text);
      if (file === undefined || file.unsafeBytes === 0 || this.#closed) continue;
      // A failure here shows again, and is handled, where the channel is read.
      await this.#acknowledge(file, channel).catch(() => {});
    }
    this.#stopSync = undefined;
  }

  #hold(key: RankKey): LogFile {
    const text = rankKeyText(key);
    const { dir, disk, clock } = this.#options;
    const file = this.#files.get(text) ?? new LogFile(disk, `${dir}/${text}.log`, clock);
    this.#files.set(text, file);
    file.users += 1;
    return file;
  }

  #release(key: RankKey, file: LogFile): void {
    file.users -= 1;
    if (file.users > 0) return;
    if (this.#files.get(rankKeyText(key)) === file) this.#files.delete(rankKeyText(key));
    file.close().catch((error: unknown) => {
      this.#options.log.warn("log file not closed", { why: errorText(error) });
    });
  }

  #heard(announcement: Announcement): void {
    for (const job of announcement.jobs) {
      const text = attemptText(job.id, job.attempt);
      const isNews = job.phase !== "ended" || this.#records.has(text);
      if (isNews) this.#records.set(text, job);
      this.#wakeJob(job);
      const before = this.#records.get(attemptText(job.id, job.attempt - 1));
      if (before !== undefined) this.#wakeJob(before);
      if (job.attempt > 1) this.#checkComplete(job.id, job.attempt - 1);
      this.#checkComplete(job.id, job.attempt);
    }
    if (announcement.nodes === undefined) return;
    for (const { id, phase } of announcement.nodes) if (phase !== "absent") this.#met.add(id);
    for (const file of this.#files.values()) file.wakeAll();
    for (const job of [...this.#records.values()]) this.#checkComplete(job.id, job.attempt);
  }

  #wakeJob(job: Job): void {
    if (this.#files.size === 0) return;
    const { setup, run } = logKeys(job);
    for (const key of [...setup, ...run]) this.#files.get(rankKeyText(key))?.wakeAll();
  }

  #checkComplete(id: number, attempt: number): void {
    const text = attemptText(id, attempt);
    const job = this.#records.get(text);
    if (job === undefined || this.#closed || !this.#isOver(job)) return;
    const { setup, run } = logKeys(job);
    const keys = [...setup, ...run];
    if (!keys.every((key) => this.#isSafe(key))) return;
    this.#records.delete(text);
    const bytes = keys.reduce((sum, key) => sum + (this.#safe.get(rankKeyText(key)) ?? 0), 0);
    for (const key of keys) {
      this.#safe.delete(rankKeyText(key));
      // Who follows an attempt that has ended without a word has nothing else to wake him.
      this.#files.get(rankKeyText(key))?.wakeAll();
    }
    this.#options.onComplete(id, attempt, bytes);
    this.#tellIfComplete();
  }

  #tellIfComplete(): void {
    if ([...this.#records.values()].some((record) => this.#isOver(record))) return;
    for (const tell of this.#whenComplete) tell();
    this.#whenComplete.clear();
  }

  #isSafe(key: RankKey): boolean {
    if (this.#channels.has(rankKeyText(key))) return false;
    const end = this.#endOf(key, (node) => this.#phaseOf(node));
    if (end.kind === "open") return false;
    return end.kind === "as-far-as-it-goes" || (this.#safe.get(rankKeyText(key)) ?? 0) >= end.bytes;
  }

  #hasEnded(key: RankKey, offset: number): boolean {
    const end = this.#endOf(key);
    if (end.kind === "at") return offset >= end.bytes;
    return end.kind === "as-far-as-it-goes" && !this.#channels.has(rankKeyText(key));
  }

  #endOf(key: RankKey, nodePhase = this.#options.board.nodePhase): LogEnd {
    const record = this.#recordOf(key);
    if (record === undefined) return { kind: "as-far-as-it-goes" };
    return logEnd(record, key, { over: this.#isOver(record), nodePhase });
  }

  /** One that was not heard of yet may come any moment, with all that it has. */
  #phaseOf(node: string): NodePhase {
    const phase = this.#options.board.nodePhase(node);
    return phase === "absent" && !this.#met.has(node) ? "suspect" : phase;
  }

  #recordOf(key: Pick<RankKey, "job" | "attempt">): Job | undefined {
    const remembered = this.#records.get(attemptText(key.job, key.attempt));
    const job = this.#options.board.job(key.job);
    return remembered ?? (job?.attempt === key.attempt ? job : undefined);
  }

  #isOver(record: Job): boolean {
    const job = this.#options.board.job(record.id);
    return record.phase === "ended" || job === undefined || job.attempt > record.attempt;
  }
}

function attemptText(job: number, attempt: number): string {
  return `${job}-${attempt}`;
}
