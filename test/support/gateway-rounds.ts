// A round over several gateways of a test, as a head runs it: begins, tells peers where others
// listen (through a proxy that can disturb them, if one is asked for), tells objects to writers and
// then to readers, and waits until all are done.

import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { TestContext } from "node:test";
import type { GatewayObject, GatewayPeer, WrittenObject } from "../../transfer/gateway/orders.ts";
import type { Branch, GatewayId, Leaf, Program, Root } from "../../transfer/gateway/program.ts";
import { isReading, operatorsOf } from "../../transfer/gateway/validate.ts";
import { fileVersion } from "../../transfer/stores/file-version.ts";
import { type Begin, beginsOf, ControlledGateway, type TestGateway } from "./gateways.ts";
import { type FaultProxy, type ProxyOptions, startFaultProxy } from "./proxy.ts";

export interface RoundOptions {
  readonly gateways: readonly TestGateway[];
  readonly programs: readonly Program[];
  readonly begin?: Partial<Begin>;
  /** What is done to bytes before each gateway that listens. */
  readonly change?: ProxyOptions["change"];
  /** Whatever becomes of the test, nothing of it goes on. */
  readonly t: TestContext;
}

export class TestRound {
  readonly heads = new Map<GatewayId, ControlledGateway>();
  readonly proxies = new Map<GatewayId, FaultProxy>();
  readonly #options: RoundOptions;
  readonly #ports = new Map<GatewayId, number>();

  constructor(options: RoundOptions) {
    this.#options = options;
  }

  async begin(): Promise<void> {
    const { gateways, programs, begin = {}, change, t } = this.#options;
    t.after(() => this.#closeProxies());
    const names = gateways.map(({ name }) => name);
    const beginOf = await beginsOf(names, begin);
    for (const program of programs) {
      const gateway = gateways.find(({ name }) => name === program.gateway);
      if (gateway === undefined) throw new Error(`there is no ${program.gateway}`);
      const head = new ControlledGateway(gateway);
      this.heads.set(gateway.name, head);
      await head.say({ ...beginOf(gateway.name, program), peers: peersOf(program, programs) });
    }
    for (const [name, head] of this.heads) {
      await head.until("it has begun", () => head.all("begun").length === 1);
      const listening = head.all("listening")[0];
      if (listening === undefined) continue;
      this.#ports.set(name, listening.target.port);
      const target = () => ({ host: "127.0.0.1", port: this.#ports.get(name) ?? 0 });
      const options = { listen: { port: 0 }, target, ...(change === undefined ? {} : { change }) };
      this.proxies.set(name, await startFaultProxy(options));
    }
    for (const program of programs) await this.#tellPeers(program);
  }

  /** To writers first. */
  async tell(objects: readonly GatewayObject[]): Promise<void> {
    const { programs } = this.#options;
    const sorted = [...programs].sort((a, b) => Number(reads(a)) - Number(reads(b)));
    for (const program of sorted) {
      if (reads(program) || writes(program)) await this.head(program.gateway).tell(objects);
    }
    for (const head of this.heads.values()) await head.say({ kind: "objects-end" });
  }

  async done(): Promise<void> {
    for (const [name, head] of this.heads) {
      await head.until(`${name} is done`, () => head.all("done").length === 1);
    }
  }

  head(gateway: GatewayId): ControlledGateway {
    const head = this.heads.get(gateway);
    if (head === undefined) throw new Error(`${gateway} has no program`);
    return head;
  }

  get wrote(): readonly WrittenObject[] {
    return [...this.heads.values()].flatMap((head) =>
      head.all("wrote").flatMap(({ objects }) => objects),
    );
  }

  get failed(): readonly string[] {
    return [...this.heads].flatMap(([name, head]) =>
      head
        .all("failed")
        .map(({ object, destination, handle, error }) =>
          [name, object ?? "-", destination ?? "-", handle, error.code].join(" "),
        ),
    );
  }

  async stop(leave: "keep" | "remove"): Promise<void> {
    await Promise.all([...this.heads.values()].map((head) => head.stop(leave)));
    await this.#closeProxies();
  }

  /** As a head that was killed. */
  async cut(): Promise<void> {
    await Promise.all([...this.heads.values()].map((head) => head.cut()));
    await this.#closeProxies();
  }

  async #closeProxies(): Promise<void> {
    const proxies = [...this.proxies.values()];
    this.proxies.clear();
    for (const proxy of proxies) await proxy.close();
  }

  async #tellPeers(program: Program): Promise<void> {
    for (const { peer, dial } of peersOf(program, this.#options.programs)) {
      const port = this.proxies.get(peer)?.port;
      if (!dial || port === undefined) continue;
      const target = { host: "127.0.0.1", port };
      await this.head(program.gateway).say({ kind: "peer", peer, target });
    }
  }
}

/** Who receives dials. */
function peersOf(program: Program, all: readonly Program[]): readonly GatewayPeer[] {
  const connections = 2;
  const from = program.partitions.flatMap(({ root }) => (root.op === "receive" ? root.from : []));
  const to = all.flatMap(({ gateway, partitions }) =>
    partitions.some(({ root }) => root.op === "receive" && root.from.includes(program.gateway))
      ? [gateway]
      : [],
  );
  return [
    ...[...new Set(from)].map((peer) => ({ peer, dial: true, connections })),
    ...to.map((peer) => ({ peer, dial: false, connections })),
  ];
}

function reads({ partitions }: Program): boolean {
  return partitions.some(({ root }) => isReading(root));
}

function writes({ partitions }: Program): boolean {
  return partitions.some(({ root }) => [...operatorsOf(root)].some((one) => "destination" in one));
}

// ---- programs, for short

export const program = (gateway: GatewayId, ...roots: readonly Root[]): Program => ({
  ...{ gateway, stripes: roots.length },
  partitions: roots.map((root, stripe) => ({ stripe, root })),
});
export const read = (handle: string, ...children: Branch[]): Root => ({
  ...{ op: "read_local", handle, children },
});
export const receive = (
  handle: string,
  from: readonly GatewayId[],
  ...children: Branch[]
): Root => ({ op: "receive", handle, from, children });
export const send = (handle: string, to: GatewayId): Leaf => ({
  ...{ op: "send", handle, to, connections: 2, compress: false },
});
export const write = (handle: string, destination: number): Leaf => ({
  ...{ op: "write_local", handle, destination },
});
export const and = (handle: string, ...children: Branch[]): Branch => ({
  ...{ op: "mux_and", handle, children },
});
export const or = (handle: string, ...children: Branch[]): Branch => ({
  ...{ op: "mux_or", handle, children },
});

// ---- files

export interface MadeFiles {
  readonly objects: readonly GatewayObject[];
  readonly bytes: readonly Buffer[];
}

/** Files of these sizes in `from` below a gateway's HOME, each for every destination. */
export async function makeFiles(
  gateway: TestGateway,
  sizes: readonly number[],
  destinations = 1,
): Promise<MadeFiles> {
  const bytes = sizes.map((size) => randomBytes(size));
  const objects: GatewayObject[] = [];
  for (const [object, content] of bytes.entries()) {
    const source = `from/f ${object}`;
    const path = join(gateway.home, source);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
    const found = await stat(path, { bigint: true });
    objects.push({
      ...{ object, source, bytes: content.length, version: fileVersion(found), mode: 0o640 },
      modifiedMs: Number(found.mtimeMs),
      targets: Array.from({ length: destinations }, () => `a/b ${object}`),
    });
  }
  return { objects, bytes };
}
