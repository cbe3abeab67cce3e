// Gateways of a test in one process, each with a folder of its own, and the head's side of their
// control channels. Control goes over memory streams; what gateways say to each other goes over
// real TLS connections.

import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { TransferPass } from "../../runtime/certificates-transfer-os.ts";
import { createTransferPasses } from "../../runtime/certificates-transfer-os.ts";
import { createOsClock } from "../../runtime/clock-os.ts";
import { silentLog } from "../../runtime/log.ts";
import { createOsRandom } from "../../runtime/random-os.ts";
import type { StreamChannel } from "../../runtime/stream.ts";
import { createStreamHub } from "../../runtime/stream-memory.ts";
import { createInlineWork } from "../../transfer/chunks/work-inline.ts";
import type { GatewayHost } from "../../transfer/gateway/doors.ts";
import { createGatewayHost, type GatewayHostOptions } from "../../transfer/gateway/host-os.ts";
import {
  type GatewayObject,
  type GatewayOrder,
  type GatewayWord,
  gatewayHeader,
} from "../../transfer/gateway/orders.ts";
import { batches, encodeLine, type Line, wordParser } from "../../transfer/gateway/orders-codec.ts";
import { until } from "./until.ts";

export type Begin = Extract<GatewayOrder, { readonly kind: "begin" }>;
export type Words<K extends GatewayWord["kind"]> = Extract<GatewayWord, { readonly kind: K }>;

export interface TestGateway {
  readonly name: string;
  readonly folder: string;
  readonly host: GatewayHost;
  readonly home: string;
  open(header: string): StreamChannel;
}

export type GatewayChange = Partial<
  Pick<GatewayHostOptions, "openStore" | "memoryBytesMax" | "near">
>;

/** It goes with the test. */
export function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "sky-gateway-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A gateway in a folder: it finds there what an earlier one left. */
export async function startGateway(
  name: string,
  folder: string,
  change: GatewayChange = {},
): Promise<TestGateway> {
  const home = join(folder, "home");
  const dir = join(folder, "transfers");
  for (const path of [home, dir]) mkdirSync(path, { recursive: true });
  const host = createGatewayHost({
    ...{ gateway: name, addresses: ["127.0.0.1"], home, dir },
    ...{ work: createInlineWork(), clock: createOsClock(), random: createOsRandom() },
    log: silentLog,
    openStore: () => Promise.reject(new Error("this gateway has no stores")),
    ...change,
  });
  const hub = createStreamHub();
  const stop = new AbortController();
  await hub.connect(name).listen({
    target: { host: name, port: 0 },
    onSession: (session) => session.onChannel((channel) => void host.serve(channel, stop.signal)),
  });
  const session = await hub.connect("test/head").dial({ host: name, port: 0 }, stop.signal);
  return {
    ...{ name, folder, host, home },
    open: (header) => session.open(Buffer.from(header)),
  };
}

/** The head's end of a control channel. */
export class ControlledGateway {
  readonly words: GatewayWord[] = [];
  readonly #channel: StreamChannel;
  readonly #reading: Promise<unknown>;
  #over: string | undefined;

  constructor(gateway: TestGateway) {
    this.#channel = gateway.open(gatewayHeader);
    this.#reading = this.#read();
  }

  get over(): string | undefined {
    return this.#over;
  }

  all<K extends GatewayWord["kind"]>(kind: K): readonly Words<K>[] {
    return this.words.filter((word): word is Words<K> => word.kind === kind);
  }

  /** Objects that it may be told of. */
  get credit(): number {
    return this.all("credit").reduce((sum, { objects }) => sum + objects, 0);
  }

  async say(order: Line): Promise<void> {
    await this.#channel.write(encodeLine(order));
  }

  async tell(objects: readonly GatewayObject[]): Promise<void> {
    for (const batch of batches(objects)) await this.say({ kind: "objects", objects: batch });
  }

  async until(what: string, look: () => boolean): Promise<void> {
    await until(what, look, { describe: () => this.describe() });
  }

  describe(): string {
    const shown = this.words.filter(({ kind }) => kind !== "metrics").slice(-12);
    return `${shown.map((word) => JSON.stringify(word).slice(0, 400)).join("\n")}\n${this.#over}`;
  }

  /** Ends in order. */
  async stop(leave: "keep" | "remove"): Promise<void> {
    await this.say({ kind: "stop", leave });
    await this.#reading;
  }

  /** As a head that was killed. */
  async cut(): Promise<void> {
    this.#channel.abort("the head was killed");
    await this.#reading;
  }

  async #read(): Promise<void> {
    const parser = wordParser();
    try {
      for await (const part of this.#channel) this.words.push(...parser.push(part));
      this.#over = "ended";
    } catch (error) {
      this.#over = String(error);
    }
  }
}

const hours = 1;

/** A `begin` but for its program, for each gateway that is named. */
export async function beginsOf(
  gateways: readonly string[],
  more: Partial<Begin> = {},
): Promise<(gateway: string, program: Begin["program"]) => Begin> {
  const transfer = randomBytes(16).toString("hex");
  const peers = gateways.map((peer) => ({ peer }));
  const passes = await createTransferPasses({ transfer, peers, nowMs: Date.now(), hours });
  return (gateway, program) => ({
    ...{ kind: "begin", transfer, round: 1, program, peers: [], pass: passOf(passes, gateway) },
    ...{ stores: [], limits: { memoryBytes: 64 * 1024 ** 2, diskBytes: 64 * 1024 ** 2 } },
    ...{ verify: "digest", folders: [] },
    ...more,
  });
}

function passOf(passes: ReadonlyMap<string, TransferPass>, gateway: string): TransferPass {
  const pass = passes.get(gateway);
  if (pass === undefined) throw new Error(`${gateway} takes no part`);
  return pass;
}

/** Digests that were said to be read and written, by object: the same, or not there. */
export function digestsOf(
  said: readonly { readonly object: number; readonly digest: string }[],
): ReadonlyMap<number, string> {
  return new Map(said.map(({ object, digest }) => [object, digest]));
}
