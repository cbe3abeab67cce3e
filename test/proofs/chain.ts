// A chain of parties, as processes: a source, perhaps a relay, a sink, with proxies between them.
//
// Whoever runs a proof starts, kills and asks here, and reads what parties have said. What must
// always hold: a party that ends unasked, or says that it failed, ends the wait for anything else.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { until } from "../support/until.ts";
import type { RelayConfig, SinkConfig, SourceConfig } from "./config.ts";
import { Parties, type PartyProcess, type Role, type Word } from "./processes.ts";
import { secretConfigOf } from "./secret.ts";
import { openWires, type Wires, type WiresOptions } from "./wires.ts";

export interface ChainOptions {
  /** Of the chain's own: each party has a folder in it, and the target has one. */
  readonly folder: string;
  readonly seed: number;
  readonly through: "relay" | "nobody";
  readonly sizes: readonly number[];
  /** The objects are files in the folder `objects`; else the source makes them. */
  readonly isOnDisk: boolean;
  readonly spoolBytesMax?: number;
  readonly bytesPerSecond?: number;
  readonly change?: WiresOptions["change"];
}

const deadlineUsualMs = 60_000;
const spoolBytesUsual = 64 * 1024 * 1024;

export class Chain {
  readonly roles: readonly Role[];
  readonly parties: Parties;
  /** Everything that each has said, over all its lives. */
  readonly words: ReadonlyMap<Role, Word[]> = new Map<Role, Word[]>([
    ["source", []],
    ["relay", []],
    ["sink", []],
  ]);
  readonly #options: ChainOptions;
  readonly #wires: Wires;

  static async open(options: ChainOptions): Promise<Chain> {
    const { through, change } = options;
    const listeners: readonly Role[] = through === "relay" ? ["source", "relay"] : ["source"];
    const wires = await openWires({ kind: "tls", listeners, ...(change && { change }) });
    return new Chain(options, wires);
  }

  private constructor(options: ChainOptions, wires: Wires) {
    this.#options = options;
    this.#wires = wires;
    this.roles = options.through === "relay" ? ["source", "relay", "sink"] : ["source", "sink"];
    this.parties = new Parties({
      folder: options.folder,
      onWord: (role, word) => this.#hear(role, word),
    });
    for (const name of [...this.roles, "objects", "target"] as const) {
      mkdirSync(this.place(name), { recursive: true });
    }
  }

  place(name: Role | "objects" | "target"): string {
    return join(this.#options.folder, name);
  }

  start(role: Role): PartyProcess {
    return this.parties.start(role, this.#configOf(role));
  }

  /** Every time that a party said this. */
  said(role: Role, says: string): readonly Word[] {
    return this.words.get(role)?.filter((word) => word.says === says) ?? [];
  }

  /** How many chunks have become safe at the sink, manifests counted. */
  get safe(): number {
    return this.said("sink", "safe").length;
  }

  /** All objects are whole at the sink, and the source knows. */
  get isOver(): boolean {
    return this.said("source", "delivered").length > 0;
  }

  async until(what: string, isSo: () => boolean, deadlineMs = deadlineUsualMs): Promise<void> {
    const { problems } = this.parties;
    const describe = (): string => this.tale();
    await until(what, () => isSo() || problems.length > 0, { deadlineMs, describe });
    if (!isSo()) throw new Error([...problems, this.tale()].join("\n"));
  }

  /** Asks all to end, in order; gives whoever did not. */
  async end(): Promise<readonly string[]> {
    const found: string[] = [];
    for (const role of this.roles) {
      const living = this.parties.living(role);
      // One that has just begun would not hear it.
      const isReady = (): boolean => living?.words.some(({ says }) => says === "ready") ?? true;
      await this.until(`the ${role} is ready`, isReady);
      await this.parties.stop(role);
      if (living?.end !== "ended with 0") found.push(`the ${role}, asked to end, ${living?.end}`);
    }
    return [...found, ...this.parties.problems];
  }

  async close(): Promise<void> {
    await this.parties.close();
    await this.#wires.close();
  }

  /** What each said last. */
  tale(): string {
    return this.roles
      .map((role) => {
        const last = this.words.get(role)?.slice(-6) ?? [];
        return `${role}: ${last.map((word) => JSON.stringify(word)).join(" ")}`;
      })
      .join("\n");
  }

  #hear(role: Role, word: Word): void {
    this.words.get(role)?.push(word);
    if (word.says === "listens") this.#wires.listens(role, Number(word["port"]));
    if (word.says === "failed") this.parties.problems.push(`the ${role}: ${word["why"]}`);
  }

  #configOf(role: Role): SourceConfig | RelayConfig | SinkConfig {
    const { seed, sizes, isOnDisk, through, bytesPerSecond } = this.#options;
    const security = this.#wires.security(role);
    const folder = this.place(role);
    const secret = secretConfigOf(seed);
    if (role === "source") {
      const objects = isOnDisk ? { objects: this.place("objects") } : {};
      return { security, folder, secret, seed, sizes, ...objects };
    }
    if (role === "relay") {
      const { spoolBytesMax = spoolBytesUsual } = this.#options;
      const dialPort = this.#wires.before("source").port;
      return { security, folder, spoolBytesMax, dialPort, transfer: secret.transfer };
    }
    const dialPort = this.#wires.before(through === "relay" ? "relay" : "source").port;
    const pace = bytesPerSecond === undefined ? {} : { bytesPerSecond };
    const target = this.place("target");
    return { security, secret, folder, dialPort, sizes, target, ...pace };
  }
}
