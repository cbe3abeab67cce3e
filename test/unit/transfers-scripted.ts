// Gateways that only speak: they read and write a world in memory, word by word, and one of them
// can be killed at any word. What stands at a destination outlives them; what they were told does
// not. Uploads are real ones of memory buckets.

import { createHash } from "node:crypto";
import type { StreamChannel } from "../../runtime/stream.ts";
import type { GatewayHost } from "../../transfer/gateway/doors.ts";
import {
  type GatewayObject,
  type GatewayOrder,
  type GatewayWord,
  gatewayHeader,
  type ListWord,
} from "../../transfer/gateway/orders.ts";
import { encodeLine, orderParser } from "../../transfer/gateway/orders-codec.ts";
import type { GatewayId } from "../../transfer/gateway/program.ts";
import { operatorsOf } from "../../transfer/gateway/validate.ts";
import type { ObjectStore, OpenStore } from "../../transfer/stores/object-store.ts";

type Begin = Extract<GatewayOrder, { readonly kind: "begin" }>;

export interface ScriptedOptions {
  /** Of the source folder, by name. */
  readonly files: ReadonlyMap<string, number>;
  readonly openStore: (open: OpenStore) => Promise<ObjectStore>;
}

const credit = 4;

export class ScriptedWorld {
  readonly #options: ScriptedOptions;
  /** Words that were said, by all gateways. */
  words = 0;
  /** The word at which its speaker dies. */
  killAt = Number.POSITIVE_INFINITY;
  /** What stands at the destinations, by `<gateway or bucket> <target>`. */
  readonly standing = new Map<string, string>();
  /** How often a copy was told to its writer. */
  readonly told = new Map<string, number>();
  /** Said instead of `wrote`, once for each. */
  readonly failOnce = new Map<string, { readonly code: string; readonly retry: boolean }>();
  /** The same, always, by `<gateway> <target>`. */
  readonly failAlways = new Map<string, { readonly code: string; readonly retry: boolean }>();
  /** Gives a digest that is not the right one, once for each. */
  readonly damageOnce = new Set<string>();
  /** What was said at the end of rounds. */
  readonly stops: string[] = [];
  /** They let nobody begin. */
  readonly dead = new Set<GatewayId>();
  /** Orders to begin, as they came. */
  readonly begins: Begin[] = [];
  readonly alive = new Map<GatewayId, Speaker>();

  constructor(options: ScriptedOptions) {
    this.#options = options;
  }

  hostOf(gateway: GatewayId): GatewayHost {
    return {
      serve: async (channel) => {
        if (Buffer.from(channel.header).toString() !== gatewayHeader) return this.#list(channel);
        if (this.dead.has(gateway)) return channel.abort("nobody is here");
        const speaker = new Speaker(this, gateway, channel);
        this.alive.set(gateway, speaker);
        await speaker.serve();
        if (this.alive.get(gateway) === speaker) this.alive.delete(gateway);
      },
      counts: () => ({ transfers: 0, memoryBytes: 0, diskBytes: 0 }),
      close: async () => {},
    };
  }

  open(open: OpenStore): Promise<ObjectStore> {
    return this.#options.openStore(open);
  }

  async #list(channel: StreamChannel): Promise<void> {
    let asked = "";
    for await (const part of channel) {
      asked += Buffer.from(part).toString();
      if (asked.includes("\n")) break;
    }
    const { path } = JSON.parse(asked) as { readonly path: string };
    const isSource = path === "/src";
    const objects = [...this.#options.files].map(([key, bytes]) => ({
      ...{ key, bytes, modifiedMs: 1, version: "1" },
    }));
    const said: readonly ListWord[] = [
      { kind: "begin", what: isSource ? "folder" : "nothing", root: path },
      ...(isSource ? ([{ kind: "page", objects, notes: [] }] as const) : []),
      { kind: "end" },
    ];
    // The head may have gone: then nobody hears.
    for (const word of said) await channel.write(encodeLine(word)).catch(() => {});
    channel.end();
  }
}

export class Speaker {
  readonly #world: ScriptedWorld;
  readonly #gateway: GatewayId;
  readonly #channel: StreamChannel;
  readonly #objects = new Map<number, GatewayObject>();
  #begin: Begin | undefined;
  #left = 0;
  #hasAll = false;
  isDead = false;

  constructor(world: ScriptedWorld, gateway: GatewayId, channel: StreamChannel) {
    this.#world = world;
    this.#gateway = gateway;
    this.#channel = channel;
  }

  async serve(): Promise<void> {
    const parser = orderParser();
    try {
      for await (const part of this.#channel) {
        for (const order of parser.push(part)) await this.#take(order);
        if (this.isDead) return;
      }
    } catch {
      return; // The head has gone.
    }
  }

  /** What the reader has is here now. */
  async arrived(object: number): Promise<void> {
    const known = this.#objects.get(object);
    if (known === undefined || this.isDead) return;
    for (const { destination, store } of this.#writes()) {
      const target = known.targets[destination];
      if (typeof target === "string") await this.#write(known, { destination, store, target });
    }
    await this.#settled();
  }

  async #take(order: GatewayOrder): Promise<void> {
    if (order.kind === "begin") {
      this.#begin = order;
      this.#world.begins.push(order);
      const target = { host: "127.0.0.1", port: 1 };
      if (order.peers.some(({ dial }) => !dial)) await this.#say({ kind: "listening", target });
      await this.#say({ kind: "begun" });
      await this.#say({ kind: "credit", objects: credit });
    } else if (order.kind === "objects") {
      for (const object of order.objects) await this.#told(object);
    } else if (order.kind === "objects-end") {
      this.#hasAll = true;
      if (this.#left === 0) await this.#say({ kind: "done" });
    } else if (order.kind === "stop") {
      this.#world.stops.push(`${this.#gateway} ${order.leave}`);
      this.#channel.end();
    }
  }

  async #told(object: GatewayObject): Promise<void> {
    this.#objects.set(object.object, object);
    this.#left += 1;
    for (const { destination } of this.#writes()) {
      const key = `${destination} ${object.targets[destination]}`;
      this.#world.told.set(key, (this.#world.told.get(key) ?? 0) + 1);
    }
    if (!this.#reads()) return;
    const digest = digestOf(object.source);
    await this.#say({ kind: "read", objects: [{ object: object.object, digest }] });
    for (const other of [...this.#world.alive.values()]) {
      if (other !== this) await other.arrived(object.object);
    }
    if (this.#writes().length > 0) await this.arrived(object.object);
    else await this.#settled();
  }

  async #write(
    { object, source, bytes }: GatewayObject,
    to: {
      readonly destination: number;
      readonly store: number | undefined;
      readonly target: string;
    },
  ): Promise<void> {
    const { destination, target } = to;
    const failure =
      this.#world.failOnce.get(target) ?? this.#world.failAlways.get(`${this.#gateway} ${target}`);
    if (failure !== undefined) {
      this.#world.failOnce.delete(target);
      const error = { ...failure, text: `${target} fails` };
      await this.#say({ kind: "failed", object, destination, handle: "write-0", error });
      return;
    }
    const isDamaged = this.#world.damageOnce.delete(target);
    const digest = digestOf(isDamaged ? "other" : source);
    if (to.store === undefined) this.#world.standing.set(`${this.#gateway} ${target}`, digest);
    else if (!(await this.#upload(object, { ...to, store: to.store }))) return;
    const written = { object, destination, bytes, digest, proof: "file" } as const;
    await this.#say({ kind: "wrote", objects: [written] });
  }

  /** Whether it lived to see it whole. */
  async #upload(
    object: number,
    to: { readonly destination: number; readonly store: number; readonly target: string },
  ): Promise<boolean> {
    const open = this.#begin?.stores[to.store];
    if (open === undefined) throw new Error("the program names a store that did not come");
    const signal = new AbortController().signal;
    const store = await this.#world.open(open);
    const upload = await store.begin(to.target, { signal });
    await this.#say({ kind: "upload", object, destination: to.destination, upload });
    if (this.isDead) return false;
    const part = await store.putPart(upload, { number: 1, bytes: Buffer.from("x") }, signal);
    await store.complete(upload, [part], { signal });
    this.#world.standing.set(`${open.bucket.bucket} ${to.target}`, "whole");
    return true;
  }

  async #settled(): Promise<void> {
    this.#left -= 1;
    await this.#say({ kind: "credit", objects: 1 });
    if (this.#left === 0 && this.#hasAll) await this.#say({ kind: "done" });
  }

  async #say(word: GatewayWord): Promise<void> {
    if (this.isDead) return;
    this.#world.words += 1;
    if (this.#world.words === this.#world.killAt) {
      this.isDead = true;
      this.#channel.abort("killed");
      return;
    }
    // The head may have gone: then nobody hears.
    await this.#channel.write(encodeLine(word)).catch(() => {});
  }

  #operators() {
    const partitions = this.#begin?.program.partitions ?? [];
    return partitions.flatMap(({ root }) => [...operatorsOf(root)]);
  }

  #reads(): boolean {
    return this.#operators().some(({ op }) => op === "read_local" || op === "read_object_store");
  }

  #writes(): readonly { readonly destination: number; readonly store: number | undefined }[] {
    return this.#operators().flatMap((one) =>
      one.op === "write_local" || one.op === "write_object_store"
        ? [{ destination: one.destination, store: "store" in one ? one.store : undefined }]
        : [],
    );
  }
}

export function digestOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
