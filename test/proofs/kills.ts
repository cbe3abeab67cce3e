// One transfer under kills: parties are ended without a word at planned moments and started again,
// until all objects are whole; then everything that was promised is looked at.
//
// What counts as stored: a chunk that went on record as safe, as the party that keeps it says at
// once, over all its lives. Each chunk is stored at most once, and what a party has stored never
// comes to it again. A chunk whose put was killed before that was not stored, and is moved again.

import { hash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { errorText } from "../../model/errors.ts";
import { cutBySize } from "../../transfer/chunks/cut.ts";
import { Chain } from "./chain.ts";
import { type Kill, killsOf } from "./plan.ts";
import type { Role } from "./processes.ts";
import { objectOf, sizesOf } from "./secret.ts";
import { type Watcher, watchNames } from "./watcher.ts";

export interface KillsOptions {
  /** Of this transfer alone. */
  readonly folder: string;
  readonly seed: number;
  readonly transfer: number;
  readonly kills: number;
  readonly through: "relay" | "nobody";
  readonly say: (text: string) => void;
}

export interface KillsResult {
  readonly findings: readonly string[];
  readonly killed: ReadonlyMap<Role, number>;
  /** Lives that began with something of an earlier one. */
  readonly resumed: number;
  /** Manifests counted. */
  readonly chunks: number;
  readonly objects: number;
  readonly bytes: number;
  /** Chunks that were told to be safe, at each party that keeps them. */
  readonly stored: ReadonlyMap<Role, number>;
  readonly twice: number;
  /** Chunks that the source read again: it, or their puts, had been cut off. */
  readonly again: number;
  /** How often the watcher looked at a final name. */
  readonly looks: number;
}

const objectsUsual = 20;
/** Puts that may be under way when a party is killed: safe, and never told of. */
const putsMax = 64;

export async function runKills(options: KillsOptions): Promise<KillsResult> {
  const { folder, seed, transfer, through } = options;
  const sizes = sizesOf(seed * 1_000 + transfer, objectsUsual);
  const objects = sizes.map((bytes, object) => objectOf(`${seed}/${transfer}/${object}`, bytes));
  const chain = await Chain.open({ folder, seed, through, sizes, isOnDisk: true });
  const run = new Run(options, chain, objects);
  try {
    await run.all();
  } catch (error) {
    run.find(`the run broke off: ${errorText(error)}`);
  }
  await run.close();
  return run.result();
}

class Run {
  readonly #options: KillsOptions;
  readonly #chain: Chain;
  readonly #objects: readonly Buffer[];
  /** Of all objects, their manifests counted. */
  readonly #chunks: number;
  readonly #findings: string[] = [];
  readonly #killed = new Map<Role, number>();
  #watcher: Watcher | undefined;
  #twice = 0;

  constructor(options: KillsOptions, chain: Chain, objects: readonly Buffer[]) {
    this.#options = options;
    this.#chain = chain;
    this.#objects = objects;
    this.#chunks = objects.reduce((sum, { length }) => sum + cutBySize(length).length + 1, 0);
  }

  find(text: string): void {
    this.#findings.push(`transfer ${this.#options.transfer}: ${text}`);
  }

  result(): KillsResult {
    const stored = new Map(this.#keepers().map((role) => [role, this.#stored(role).length]));
    const bytes = this.#objects.reduce((sum, object) => sum + object.length, 0);
    return {
      ...{ findings: this.#findings, killed: this.#killed, resumed: this.#resumed(), stored },
      ...{ twice: this.#twice, again: this.#again(), chunks: this.#chunks, bytes },
      ...{ objects: this.#objects.length, looks: this.#watcher?.looks ?? 0 },
    };
  }

  async all(): Promise<void> {
    const { seed, transfer, kills } = this.#options;
    const chain = this.#chain;
    this.#watcher = watchNames(chain.place("target"), this.#lay());
    for (const role of chain.roles) chain.start(role);
    const planned = { seed, transfer, kills, roles: chain.roles, chunks: this.#chunks };
    for (const kill of killsOf(planned)) await this.#carryOut(kill);
    await chain.until("all objects are whole, and the source knows", () => chain.isOver);
    for (const found of await chain.end()) this.find(found);
    this.#watcher.close();
    for (const problem of this.#watcher.problems) this.find(problem);
    const { changed } = this.#watcher;
    if (changed < this.#objects.length) this.find(`the watcher saw ${changed} objects come`);
    this.#audit();
  }

  async close(): Promise<void> {
    this.#watcher?.close();
    await this.#chain.close();
  }

  /** Lays the objects, and what has the names of some before them; what may have each name. */
  #lay(): ReadonlyMap<string, readonly (string | undefined)[]> {
    const old = Buffer.from("what had the name before");
    const may = new Map<string, readonly (string | undefined)[]>();
    for (const [number, object] of this.#objects.entries()) {
      const name = String(number);
      writeFileSync(join(this.#chain.place("objects"), name), object);
      const isThere = number % 2 === 0;
      if (isThere) writeFileSync(join(this.#chain.place("target"), name), old);
      may.set(name, [isThere ? hash("sha256", old) : undefined, hash("sha256", object)]);
    }
    return may;
  }

  async #carryOut({ victim, atSafe, afterMs, againMs }: Kill): Promise<void> {
    const chain = this.#chain;
    const isTime = (): boolean => chain.safe >= atSafe || chain.isOver;
    await chain.until(`${atSafe} chunks are safe`, isTime);
    await pause(afterMs);
    await this.#kill(victim);
    if (againMs === undefined) return;
    await pause(againMs);
    await this.#kill(victim);
  }

  async #kill(victim: Role): Promise<void> {
    const { transfer, say } = this.#options;
    const { isOver, safe } = this.#chain;
    const stage = isOver ? "the end" : `${safe} of ${this.#chunks} chunks`;
    say(`transfer ${transfer}: the ${victim} is killed at ${stage}`);
    if (!(await this.#chain.parties.kill(victim))) this.find(`there was no ${victim} to kill`);
    this.#killed.set(victim, (this.#killed.get(victim) ?? 0) + 1);
    this.#chain.start(victim);
  }

  #keepers(): readonly Role[] {
    return this.#chain.roles.filter((role) => role !== "source");
  }

  #stored(role: Role): readonly unknown[] {
    return this.#chain.said(role, "safe").map((word) => word["index"]);
  }

  #again(): number {
    const read = this.#chain.said("source", "read").map((word) => word["place"]);
    return read.length - new Set(read).size;
  }

  #resumed(): number {
    const had = this.#keepers().flatMap((role) => this.#chain.said(role, "had"));
    return had.filter((word) => Number(word["count"]) > 0).length;
  }

  #audit(): void {
    const chain = this.#chain;
    for (const [number, object] of this.#objects.entries()) {
      const got = readFileSync(join(chain.place("target"), String(number)));
      if (!got.equals(object)) this.find(`file ${number} is not the object`);
    }
    const names = readdirSync(chain.place("target"));
    const left = names.filter((name) => this.#objects[Number(name)] === undefined);
    if (left.length > 0) this.find(`beside the files: ${left.join(", ")}`);
    const locks = readdirSync(join(chain.place("sink"), "locks"));
    if (locks.length > 0) this.find(`${locks.length} locks are left`);
    const held = chain.said("relay", "counts").at(-1)?.["heldChunks"] ?? 0;
    if (held !== 0) this.find(`the relay still holds ${held} chunks`);
    for (const role of this.#keepers()) {
      this.#auditStored(role);
      this.#auditComing(role);
    }
  }

  /** What it had stored, in an earlier life or in this one, a party does not ask for. */
  #auditComing(role: Role): void {
    const safe = new Set<unknown>();
    for (const { says, index } of this.#chain.words.get(role) ?? []) {
      if (says === "safe") safe.add(index);
      if (says === "came" && safe.has(index)) this.find(`${index} came to the ${role} again`);
    }
    if (safe.size === 0) this.find(`the ${role} told of nothing`);
  }

  #auditStored(role: Role): void {
    const groups = Map.groupBy(this.#stored(role), (index) => index);
    for (const [index, times] of groups) {
      this.#twice += times.length - 1;
      if (times.length > 1) this.find(`the ${role} stored chunk ${index} ${times.length} times`);
    }
    const untold = (this.#killed.get(role) ?? 0) * putsMax;
    if (groups.size + untold >= this.#chunks) return;
    this.find(`the ${role} told of ${groups.size} chunks of ${this.#chunks}: who has the others?`);
  }
}
