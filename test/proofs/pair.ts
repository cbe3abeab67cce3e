// A source, perhaps a relay, and a sink in this process, joined by real connections that pass
// through proxies: for many short transfers, each disturbed a little.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createOsClock } from "../../runtime/clock-os.ts";
import { createTcpStreams } from "../../runtime/stream-tcp.ts";
import type { ChunkSink } from "../../transfer/chunks/exchange.ts";
import type { ProxyOptions } from "../support/proxy.ts";
import { until } from "../support/until.ts";
import type { Role } from "./processes.ts";
import { type RelayPorts, runRelay } from "./relay.ts";
import { secretConfigOf } from "./secret.ts";
import { runSink } from "./sink.ts";
import { runSource } from "./source.ts";
import { openWires, type Wires } from "./wires.ts";

export interface PairOptions {
  readonly folder: string;
  readonly seed: number;
  readonly objects: readonly Buffer[];
  readonly kind: "tls" | "plain";
  /** Also a relay between, which is made and told of in the same way. */
  readonly relayed?: boolean;
  readonly change?: ProxyOptions["change"];
  readonly wrap?: (sink: ChunkSink) => ChunkSink;
  readonly proveAtEnd?: boolean;
  /** It is broken off when somebody has said this. */
  readonly endAt?: string;
}

export interface PairResult {
  /** Whether what stands under the final names are the objects. */
  readonly isWhole: boolean;
  /** What either party said, and how often. */
  readonly words: ReadonlyMap<string, number>;
  /** Peers and connections that broke the rules, at either end. */
  readonly breaches: number;
  readonly tale: readonly string[];
}

const deadlineMs = 15_000;
const spoolBytesMax = 16 * 1024 * 1024;

/** Resolves when all is whole and the source knows, or it was broken off. */
export async function runPair(options: PairOptions): Promise<PairResult> {
  const { folder, seed, objects, kind, change, wrap, proveAtEnd, relayed } = options;
  const place = (name: string): string => join(folder, name);
  for (const name of ["objects", "target"]) mkdirSync(place(name), { recursive: true });
  for (const [number, object] of objects.entries()) {
    writeFileSync(join(place("objects"), String(number)), object);
  }
  const own = { seed, secret: secretConfigOf(seed), sizes: objects.map(({ length }) => length) };
  const words = new Map<string, number>();
  const tale: string[] = [];
  const say = (says: string, about: object = {}): void => {
    words.set(says, (words.get(says) ?? 0) + 1);
    tale.push(`${says} ${JSON.stringify(about)}`);
  };
  const listeners: readonly Role[] = relayed ? ["source", "relay"] : ["source"];
  const wires = await openWires({ kind, listeners, ...(change && { change }) });
  const streams = (role: Role) =>
    createTcpStreams({ security: wires.security(role), clock: createOsClock() });
  const [near, far] = [streams("source"), streams("sink")];
  const source = await runSource(
    {
      ...{ ...own, security: wires.security("source"), folder: place("source") },
      objects: place("objects"),
    },
    { streams: near, say },
  );
  wires.listens("source", source.port);
  const relay = relayed
    ? await relayOf({ folder, seed, wires }, { streams: streams("relay"), say })
    : undefined;
  const sink = await runSink(
    {
      ...{ ...own, security: wires.security("sink"), folder: place("sink") },
      ...{ target: place("target"), dialPort: wires.before(relayed ? "relay" : "source").port },
      ...(proveAtEnd !== undefined && { proveAtEnd }),
    },
    { streams: far, say, ...(wrap && { wrap }) },
  );
  try {
    const isOver = () => words.has("delivered") || words.has(options.endAt ?? "");
    await until("all is whole", isOver, {
      deadlineMs,
      describe: () => tale.slice(-12).join("\n"),
    });
  } finally {
    await sink.close();
    await relay?.close();
    await source.close();
    await wires.close();
  }
  const breaches = near.counts().breaches + far.counts().breaches;
  const isWhole = objects.every((object, number) => {
    const path = join(place("target"), String(number));
    return existsSync(path) && readFileSync(path).equals(object);
  });
  return { isWhole, words, breaches, tale };
}

async function relayOf(
  { folder, seed, wires }: { folder: string; seed: number; wires: Wires },
  ports: RelayPorts,
) {
  const relay = await runRelay(
    {
      ...{ security: wires.security("relay"), folder: join(folder, "relay") },
      ...{ spoolBytesMax, transfer: secretConfigOf(seed).transfer },
      dialPort: wires.before("source").port,
    },
    ports,
  );
  wires.listens("relay", relay.port);
  return relay;
}
