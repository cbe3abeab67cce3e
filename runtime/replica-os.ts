// The replica of a journal in a folder: on another disk, or where another machine keeps files.
//
// A chain (`replica-chain-os.ts`) is published by the manifest once its copy is whole; from then on
// it lags by `lagMs` and a flush. When its log has outgrown its copy, a new chain is begun beside
// it, and both are written until the new one takes over: there is always one that is whole. The
// same happens at every start, and after the folder was away.
//
// What must always hold: a folder that is not known to be ours is never written to, so an unmounted
// one is not taken for an empty replica; nothing that fails here is felt by a commit.

import { open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { errorText, SkyError } from "../model/errors.ts";
import type { Clock } from "./clock.ts";
import type { Log } from "./log.ts";
import type { Random } from "./random.ts";
import { hexToken } from "./random.ts";
import type { Replica, ReplicaStatus } from "./replica.ts";
import { ReplicaChain } from "./replica-chain-os.ts";
import type { ReplicaManifest, ReplicaStep } from "./replica-frames.ts";
import {
  beginAnewName,
  chainOf,
  claimOf,
  manifestName,
  parseManifest,
  replicaFormat,
} from "./replica-frames.ts";
import type { Store } from "./store.ts";
import { syncEntry } from "./tree-os.ts";

export interface ReplicaOptions {
  readonly dir: string;
  /** Of the journal: a new one has another. */
  readonly home: string;
  /** Whether this journal has had its replica in this folder before. */
  readonly wasHere: boolean;
  /** The folder is ours from now on. */
  readonly onClaimed: () => Promise<void>;
  /** What is copied. */
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** How long frames are collected before they are written. */
  readonly lagMs?: number;
  /** How often a folder that is away is looked for. */
  readonly retryMs?: number;
  /** A log that is longer than this, and than its copy, is made up for by a new copy. */
  readonly logBytesMax?: number;
}

const lagMsDefault = 200;
const retryMsDefault = 5_000;
const logBytesMaxDefault = 16_777_216;
/** How long the end of a head waits for its last frames. */
const closeMs = 2_000;

export function openReplica(options: ReplicaOptions): Replica {
  return new FolderReplica(options);
}

class FolderReplica implements Replica {
  readonly #options: ReplicaOptions;
  /** The published chain, and the one that will take over. */
  #current: ReplicaChain | undefined;
  #next: ReplicaChain | undefined;
  #why = "";
  #away = false;
  #closing = false;
  #copies = 0;
  /** When the oldest step was noted that waits for a flush, and the oldest in a running one. */
  #notedAt: number | undefined;
  #flushingFrom: number | undefined;
  #wake: () => void = () => {};
  readonly #working: Promise<void>;

  constructor(options: ReplicaOptions) {
    this.#options = options;
    this.#notedAt = options.clock.now().monoMs;
    this.#working = this.#work();
  }

  note(step: ReplicaStep): void {
    this.#current?.note(step);
    this.#next?.note(step);
    this.#notedAt ??= this.#options.clock.now().monoMs;
    this.#wake();
  }

  status(): ReplicaStatus {
    const { dir, clock } = this.#options;
    const since = this.#flushingFrom ?? this.#notedAt;
    const lagMs = since === undefined ? 0 : Math.round(clock.now().monoMs - since);
    const whole = this.#current === undefined ? "copying" : "current";
    const phase = this.#away ? "away" : whole;
    return { dir, phase, why: this.#why, lagMs, copies: this.#copies };
  }

  async close(): Promise<void> {
    this.#closing = true;
    this.#wake();
    const late = new Promise<void>((resolve) => setTimeout(resolve, closeMs).unref());
    await Promise.race([this.#working, late]);
  }

  /** Rounds, one after the other, until the head ends. Never throws. */
  async #work(): Promise<void> {
    const { lagMs = lagMsDefault, retryMs = retryMsDefault } = this.#options;
    while (!this.#closing) {
      try {
        if (this.#current === undefined || this.#isOutgrown()) await this.#renew();
        await this.#flush();
        if (this.#notedAt === undefined) await this.#idle();
        await this.#pause(lagMs);
      } catch (error) {
        await this.#failed(error);
        await this.#pause(retryMs);
      }
    }
    await this.#flush().catch((error: unknown) => this.#failed(error));
    await this.#drop();
  }

  async #flush(): Promise<void> {
    const chain = this.#current;
    if (chain === undefined) return;
    // What is noted meanwhile waits for the next flush.
    this.#flushingFrom = this.#notedAt;
    this.#notedAt = undefined;
    await this.#demandOurs(chain);
    await chain.flush();
    this.#flushingFrom = undefined;
  }

  #isOutgrown(): boolean {
    const { logBytesMax = logBytesMaxDefault } = this.#options;
    const chain = this.#current;
    return chain !== undefined && chain.logBytes > Math.max(logBytesMax, chain.baseBytes);
  }

  /** Makes a new chain and publishes it. The one before it is written to until then. */
  async #renew(): Promise<void> {
    const { dir, home, store, clock, random, log } = this.#options;
    await this.#claim();
    // What earlier tries left may be what fills the disk.
    await this.#sweep((await this.#manifest())?.chain);
    const nowMs = (): number => clock.now().wallMs;
    const next = new ReplicaChain({ dir, home, chain: hexToken(random, 8), store, nowMs });
    await next.open();
    this.#next = next;
    const before = this.#current;
    // Commits go on while it is copied: the present chain must not lag behind for it.
    let isCopying = true;
    const copying = next
      .copy(() => !this.#closing)
      .finally(() => {
        isCopying = false;
        this.#wake();
      });
    // Awaited below; until then a failure must not count as unhandled.
    copying.catch(() => {});
    while (isCopying && before !== undefined) {
      await this.#flush();
      await this.#pause(lagMsDefault);
    }
    await copying;
    if (this.#closing) return;
    await this.#publish(next.chain);
    this.#current = next;
    this.#next = undefined;
    this.#copies += 1;
    if (before === undefined || this.#away) log.info("the replica is current", { dir });
    this.#away = false;
    this.#why = "";
    await before?.close();
    await this.#sweep(next.chain);
  }

  /** @throws SkyError unless the folder is there and ours; a new one is marked. */
  async #claim(): Promise<void> {
    const { dir, home, wasHere, onClaimed } = this.#options;
    // Whatever the reason is that it cannot be looked at: nothing can be written there.
    const found = await stat(dir).catch(() => undefined);
    if (!found?.isDirectory()) throw away("there is no such folder");
    const names = await readdir(dir);
    const beginAnew = names.includes(beginAnewName);
    const manifest = await this.#manifest();
    const known = wasHere || this.#copies > 0;
    const claim = claimOf({ home, manifest, wasHere: known, beginAnew });
    if (claim.kind === "refused") throw away(claim.why);
    if (claim.kind === "ours") return;
    await this.#publish("");
    if (beginAnew) await rm(join(dir, beginAnewName));
    await onClaimed();
  }

  /** The folder must still be the one in which the chain was begun. */
  async #demandOurs(chain: ReplicaChain): Promise<void> {
    const manifest = await this.#manifest();
    const isOurs = manifest?.home === this.#options.home && manifest.chain === chain.chain;
    if (!isOurs) throw away("the replica is not in the folder any more: is it mounted?");
  }

  async #manifest(): Promise<ReplicaManifest | undefined> {
    const path = join(this.#options.dir, manifestName);
    const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return undefined;
      throw error;
    });
    if (text === undefined) return undefined;
    const manifest = parseManifest(text);
    if (manifest === undefined) throw away(`${manifestName} cannot be read`);
    return manifest;
  }

  async #publish(chain: string): Promise<void> {
    const { dir, home } = this.#options;
    const path = join(dir, manifestName);
    const manifest: ReplicaManifest = { format: replicaFormat, home, chain };
    const file = await open(`${path}.new`, "w", 0o600);
    try {
      await file.writeFile(`${JSON.stringify(manifest)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(`${path}.new`, path);
    await syncEntry(dir);
  }

  /** Removes chains that were not finished, or that another one has taken over from. */
  async #sweep(kept: string | undefined): Promise<void> {
    const { dir } = this.#options;
    for (const name of await readdir(dir)) {
      const chain = chainOf(name);
      if (chain !== undefined && chain !== kept) await rm(join(dir, name));
    }
  }

  async #failed(error: unknown): Promise<void> {
    const { dir, log } = this.#options;
    const why = errorText(error);
    if (!this.#away || why !== this.#why) log.warn("the replica is away", { dir, why });
    this.#away = true;
    this.#why = why;
    this.#notedAt = this.#flushingFrom ?? this.#notedAt ?? this.#options.clock.now().monoMs;
    this.#flushingFrom = undefined;
    await this.#drop();
  }

  async #drop(): Promise<void> {
    const chains = [this.#current, this.#next];
    this.#current = undefined;
    this.#next = undefined;
    for (const chain of chains) {
      // Its folder may be gone; what it could not say, a new chain will.
      await chain?.close().catch(() => {});
    }
  }

  async #idle(): Promise<void> {
    if (this.#closing) return;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
  }

  async #pause(ms: number): Promise<void> {
    if (this.#closing) return;
    await new Promise<void>((resolve) => {
      const cancel = this.#options.clock.after(ms, resolve);
      this.#wake = () => {
        if (!this.#closing) return;
        cancel();
        resolve();
      };
    });
  }
}

function away(why: string): SkyError<"store/failed"> {
  return new SkyError("store/failed", { why });
}
