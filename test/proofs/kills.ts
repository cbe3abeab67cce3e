// One transfer under kills: parties are ended without a word at planned moments and started again,
// until the object is whole; then everything that was promised is looked at.
//
// What counts as stored: a put that was safe, as the party that keeps it says at once, over all its
// lives. Each chunk is stored at most once. A chunk whose put was killed before it was safe was not
// stored, and is moved again.

import { hash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { errorText } from "../../model/errors.ts";
import { Chain } from "./chain.ts";
import { filesBelow } from "./flips.ts";
import { type Kill, killsOf } from "./plan.ts";
import type { Role } from "./processes.ts";
import { objectOf } from "./secret.ts";
import { type Watcher, watchName } from "./watcher.ts";

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
  readonly chunks: number;
  /** Chunks whose safe put was told of, at each party that keeps them. */
  readonly stored: ReadonlyMap<Role, number>;
  readonly twice: number;
  /** Chunks that the source sent for a second time: their puts had been cut off. */
  readonly again: number;
  readonly bytes: number;
  /** How often the watcher looked at the final name. */
  readonly looks: number;
}

const chunkBytes = 128 * 1024;
const chunksUsual = 256;
/** Puts that may be under way when a party is killed: safe, and never told of. */
const putsMax = 64;

export async function runKills(options: KillsOptions): Promise<KillsResult> {
  const { folder, seed, through } = options;
  const name = join(folder, "source", "object");
  const chain = await Chain.open({ folder, seed, through, chunkBytes, object: name });
  const run = new Run(options, chain);
  try {
    await run.all(name);
  } catch (error) {
    run.find(`the run broke off: ${errorText(error)}`);
  }
  await run.close();
  return run.result();
}

class Run {
  readonly #options: KillsOptions;
  readonly #chain: Chain;
  readonly #findings: string[] = [];
  readonly #killed = new Map<Role, number>();
  readonly #object: Buffer;
  #watcher: Watcher | undefined;
  #twice = 0;

  constructor(options: KillsOptions, chain: Chain) {
    const { seed, transfer } = options;
    this.#options = options;
    this.#chain = chain;
    // The last chunk is shorter than the others, each time by another length.
    this.#object = objectOf(seed * 1_000 + transfer, chunksUsual * chunkBytes - 1 - transfer);
  }

  find(text: string): void {
    this.#findings.push(`transfer ${this.#options.transfer}: ${text}`);
  }

  result(): KillsResult {
    const stored = new Map(this.#keepers().map((role) => [role, this.#stored(role).length]));
    return {
      ...{ findings: this.#findings, killed: this.#killed, resumed: this.#resumed(), stored },
      ...{ twice: this.#twice, again: this.#again() },
      ...{ chunks: chunksUsual, bytes: this.#object.length, looks: this.#watcher?.looks ?? 0 },
    };
  }

  async all(name: string): Promise<void> {
    const { seed, transfer, kills } = this.#options;
    const chain = this.#chain;
    const old = Buffer.from("what had the name before");
    writeFileSync(chain.path, old);
    writeFileSync(name, this.#object);
    this.#watcher = watchName(chain.path, [hash("sha256", old), hash("sha256", this.#object)]);
    for (const role of chain.roles) chain.start(role);
    const planned = { seed, transfer, kills, roles: chain.roles, chunks: chunksUsual };
    for (const kill of killsOf(planned)) await this.#carryOut(kill);
    await chain.until("the object is whole, and the source knows", () => chain.isOver);
    for (const found of await chain.end()) this.find(found);
    this.#watcher.close();
    for (const problem of this.#watcher.problems) this.find(problem);
    if (this.#watcher.seen < 2) this.find("the watcher never saw the object");
    this.#audit();
  }

  async close(): Promise<void> {
    this.#watcher?.close();
    await this.#chain.close();
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
    const stage = this.#chain.isOver ? "the end" : `${this.#chain.safe} of ${chunksUsual} chunks`;
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
    const sent = this.#chain.said("source", "gave").map((word) => word["index"]);
    return sent.length - new Set(sent).size;
  }

  #resumed(): number {
    const had = this.#keepers().flatMap((role) => this.#chain.said(role, "had"));
    return had.filter((word) => Number(word["count"]) > 0).length;
  }

  #audit(): void {
    const chain = this.#chain;
    if (!readFileSync(chain.path).equals(this.#object)) this.find("the file is not the object");
    const left = readdirSync(chain.place("target")).filter((name) => name !== "object");
    if (left.length > 0) this.find(`beside the file: ${left.join(", ")}`);
    const locks = filesBelow(chain.place("sink")).filter((path) => path.includes("/locks/"));
    if (locks.length > 0) this.find(`${locks.length} locks are left`);
    for (const role of this.#keepers()) this.#auditStored(role);
  }

  #auditStored(role: Role): void {
    const groups = Map.groupBy(this.#stored(role), (index) => index);
    for (const [index, times] of groups) {
      this.#twice += times.length - 1;
      if (times.length > 1) this.find(`the ${role} stored chunk ${index} ${times.length} times`);
    }
    const untold = (this.#killed.get(role) ?? 0) * putsMax;
    if (groups.size + untold >= chunksUsual) return;
    this.find(`the ${role} told of ${groups.size} chunks of ${chunksUsual}: who kept the others?`);
  }
}
