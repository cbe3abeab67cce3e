// A home's transfers with real gateways in this process: their channels are in memory, and so are
// buckets. Nodes are folders. A gateway can be killed, and the head be started again.

import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { homeCluster } from "../../clouds/home-records.ts";
import { headNode } from "../../model/address.ts";
import { SkyError } from "../../model/errors.ts";
import type { TransferOrder, TransferView } from "../../model/transfer.ts";
import { isEnded } from "../../model/transfer.ts";
import type { Prices } from "../../model/transfer-plan.ts";
import { createBusHub } from "../../runtime/bus-memory.ts";
import type { Clock } from "../../runtime/clock.ts";
import { createOsClock } from "../../runtime/clock-os.ts";
import { silentLog } from "../../runtime/log.ts";
import { createOsRandom } from "../../runtime/random-os.ts";
import { createMemoryDisk, createMemoryStore } from "../../runtime/store-memory.ts";
import { createStreamHub } from "../../runtime/stream-memory.ts";
import { createSystem } from "../../runtime/system-actor.ts";
import type { Transfers } from "../../scheduler/transfers/transfers.ts";
import { createTransfers } from "../../scheduler/transfers/transfers-actor.ts";
import { createInlineWork } from "../../transfer/chunks/work-inline.ts";
import type { GatewayDoors, GatewayHost, GatewaySite } from "../../transfer/gateway/doors.ts";
import { createGatewayHost } from "../../transfer/gateway/host-os.ts";
import { type GatewayId, homeGateway } from "../../transfer/gateway/program.ts";
import { noGrid } from "../../transfer/plan/grid.ts";
import { planTransfer } from "../../transfer/plan/plan.ts";
import { listPrices } from "../../transfer/plan/prices.ts";
import { parseTransferPath } from "../../transfer/stores/paths.ts";
import { createMemoryObjectStore, MemoryCloud } from "../../transfer/stores/store-memory.ts";

export interface Stage {
  readonly dir: string;
  readonly cloud: MemoryCloud;
  transfers(): Transfers;
  /** All that is on record, as text. */
  journal(): string;
  /** The HOME of a gateway. */
  homeOf(gateway: GatewayId): string;
  /** A new head on the same disk; the old one says nothing more. */
  restart(): Promise<void>;
  order(source: string, to: string | readonly string[], more?: OrderParts): TransferOrder;
  /** Starts it, and resolves when it has ended. */
  run(order: TransferOrder): Promise<TransferView>;
  ended(id: number): Promise<TransferView>;
  close(): Promise<void>;
}

export interface OrderParts {
  readonly recursive?: boolean;
  readonly verb?: "copy" | "sync";
  readonly options?: Partial<TransferOrder["options"]>;
}

export const never = new AbortController().signal;

export interface StageOptions {
  readonly nodes?: readonly string[];
  /** Of the head; the machine's, if absent. */
  readonly clock?: Clock;
  readonly cloud?: MemoryCloud;
  readonly endedMax?: number;
  /** Of every byte that leaves a gateway or a store; list prices, if absent. */
  readonly pricePerGb?: number;
  /** Clusters that were taken down, by gateway. */
  readonly gone?: ReadonlySet<GatewayId>;
  /** What serves a gateway, instead of a real one. */
  readonly hostOf?: (gateway: GatewayId) => GatewayHost;
  /** What a bucket does before each request. */
  readonly before?: MemoryBefore;
}

export async function stage(options: StageOptions = {}): Promise<Stage> {
  const made = new TestHome(options);
  await made.restart();
  return made;
}

class TestHome implements Stage {
  readonly dir = mkdtempSync(join(tmpdir(), "sky-transfers-"));
  readonly cloud: MemoryCloud;
  readonly #clock: Clock;
  readonly #random = createOsRandom();
  readonly #disk = createMemoryDisk();
  readonly #hosts = new Map<GatewayId, GatewayHost>();
  readonly #endedMax: number | undefined;
  readonly #prices: Prices;
  readonly #doors: GatewayDoors;
  readonly #openStore: OpenMemory;
  #transfers: Transfers | undefined;
  #closeLast: () => Promise<void> = async () => {};
  #lives = 0;
  #orders = 0;

  constructor({ nodes = [], before, hostOf, ...given }: StageOptions) {
    const { clock = createOsClock(), cloud = new MemoryCloud() } = given;
    this.#clock = clock;
    this.cloud = cloud;
    this.#endedMax = given.endedMax;
    const { pricePerGb } = given;
    this.#prices = pricePerGb === undefined ? listPrices() : { perGb: () => pricePerGb };
    const now = (): number => clock.now().wallMs;
    this.#openStore = async ({ bucket }) =>
      createMemoryObjectStore({ bucket, cloud, now, ...(before && { before }) });
    const gateways = [homeGateway, ...nodes];
    for (const gateway of gateways) {
      this.#hosts.set(gateway, hostOf?.(gateway) ?? this.#realHost(gateway));
    }
    this.#doors = doorsTo(this.#hosts, gateways, given.gone ?? new Set());
  }

  transfers(): Transfers {
    if (this.#transfers === undefined) throw new Error("it has not started");
    return this.#transfers;
  }

  journal(): string {
    return JSON.stringify([[...this.#disk.records], this.#disk.events]);
  }

  homeOf(gateway: GatewayId): string {
    return join(this.dir, gateway.replace("/", "-"));
  }

  async restart(): Promise<void> {
    await this.#closeLast();
    this.#lives += 1;
    const [clock, random, log] = [this.#clock, this.#random, silentLog];
    const store = createMemoryStore({ disk: this.#disk });
    const bus = createBusHub().connect(headNode, { publish: [">"], subscribe: [">"] });
    const about = { cluster: homeCluster, node: headNode, incarnation: this.#lives };
    const system = createSystem({ ...about, clock, bus, store, log });
    const table = createTransfers({
      ...{ system, store, doors: this.#doors, clock, random, log, environment: {} },
      dir: join(this.dir, "transfers"),
      ...(this.#endedMax === undefined ? {} : { endedMax: this.#endedMax }),
      stores: {
        resolve: async (bucket, { SECRET }) => ({
          bucket,
          credentials: SECRET === undefined ? {} : { secretAccessKey: SECRET },
        }),
        open: this.#openStore,
      },
      plan: (request) => planTransfer(request, noSolver),
      grid: async () => noGrid,
      prices: this.#prices,
      profiler: { measure: async function* () {} },
    });
    this.#transfers = table;
    this.#closeLast = async () => {
      await system.close("the head ends");
      await table.close();
    };
    await table.restore();
  }

  order(source: string, to: string | readonly string[], more: OrderParts = {}): TransferOrder {
    this.#orders += 1;
    const texts = typeof to === "string" ? [to] : to;
    return {
      ...{ verb: more.verb ?? "copy", recursive: more.recursive ?? false, user: "ann" },
      source: parseTransferPath(source),
      destinations: texts.map((text) => parseTransferPath(text)),
      options: { ...usualOptions, ...more.options },
      command: `sky cp ${source} ${texts.join(" ")}`,
      idempotencyKey: `order-${this.#orders}`,
    };
  }

  async run(order: TransferOrder): Promise<TransferView> {
    return await this.ended(await this.transfers().start(order, { signal: never }));
  }

  async ended(id: number): Promise<TransferView> {
    for await (const event of this.transfers().watch(id, never)) {
      if (event.kind === "state" && isEnded(event.view.status)) return event.view;
    }
    throw new Error("the watching ended before the transfer");
  }

  async close(): Promise<void> {
    await this.#closeLast();
    for (const host of this.#hosts.values()) await host.close();
    rmSync(this.dir, { recursive: true, force: true });
  }

  #realHost(gateway: GatewayId): GatewayHost {
    const home = this.homeOf(gateway);
    mkdirSync(home, { recursive: true });
    return createGatewayHost({
      ...{ gateway, addresses: ["127.0.0.1"], home, log: silentLog, work: createInlineWork() },
      ...{ clock: this.#clock, random: this.#random, openStore: this.#openStore },
      dir: join(this.dir, `state-${gateway.replace("/", "-")}`),
    });
  }
}

type MemoryBefore = NonNullable<Parameters<typeof createMemoryObjectStore>[0]["before"]>;
type OpenMemory = Parameters<typeof createGatewayHost>[0]["openStore"];

const usualOptions: TransferOrder["options"] = {
  ...{ multipart: true, verify: "digest", requesterPays: false, compress: false },
  ...{ filters: [], delete: false, compare: "usual" },
};

const noSolver = {
  solve: async () => {
    throw new SkyError("plan/infeasible", { why: "there is no solver here" });
  },
} as unknown as Parameters<typeof planTransfer>[1];

/** Channels in memory: what a head opens is served by the host there. */
function doorsTo(
  hosts: ReadonlyMap<GatewayId, GatewayHost>,
  gateways: readonly GatewayId[],
  gone: ReadonlySet<GatewayId>,
): GatewayDoors {
  const hub = createStreamHub();
  const head = hub.connect("home/head");
  const listening = gateways.map((gateway) =>
    hub.connect(gateway).listen({
      target: { host: gateway, port: 0 },
      onSession: (session) =>
        session.onChannel((channel) => void hosts.get(gateway)?.serve(channel, never)),
    }),
  );
  return {
    gone: (gateway) =>
      gone.has(gateway)
        ? new SkyError("cluster/not-found", { name: gateway, hint: "" })
        : undefined,
    sites: async () =>
      gateways
        .filter((gateway) => !gone.has(gateway))
        .map(
          (gateway): GatewaySite => ({
            ...{ gateway, region: "local", addresses: ["127.0.0.1"] },
            canListen: gateway !== homeGateway,
          }),
        ),
    open: async (gateway, header, signal) => {
      await Promise.all(listening);
      const session = await head.dial({ host: gateway, port: 0 }, signal);
      return session.open(Buffer.from(header));
    },
  };
}
