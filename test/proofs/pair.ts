// A source, perhaps a relay, and a sink in this process, joined by real connections that pass
// through proxies: for many short transfers, each disturbed a little.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
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
  readonly object: Buffer;
  readonly chunkBytes: number;
  readonly kind: "tls" | "plain";
  /** Also a relay between, which is made and told of in the same way. */
  readonly relayed?: boolean;
  readonly change?: ProxyOptions["change"];
  readonly wrap?: (sink: ChunkSink) => ChunkSink;
  readonly proveAtEnd?: boolean;
}

export interface PairResult {
  /** What stands under the final name. */
  readonly got: Buffer;
  /** What either party said, and how often. */
  readonly words: ReadonlyMap<string, number>;
  /** Peers and connections that broke the rules, at either end. */
  readonly breaches: number;
  readonly tale: readonly string[];
}

const deadlineMs = 15_000;
const spoolBytesMax = 16 * 1024 * 1024;

/** Resolves when the object is whole and its source knows. */
export async function runPair(options: PairOptions): Promise<PairResult> {
  const { folder, seed, object, chunkBytes, kind, change, wrap, proveAtEnd, relayed } = options;
  const path = join(folder, "target", "object");
  mkdirSync(join(folder, "target"), { recursive: true });
  writeFileSync(join(folder, "object"), object);
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
  const secret = secretConfigOf(seed);
  const source = await runSource(
    { security: wires.security("source"), secret, chunkBytes, object: join(folder, "object") },
    { streams: near, say },
  );
  wires.listens("source", source.port);
  const relay = relayed
    ? await relayOf({ folder, seed, wires }, { streams: streams("relay"), say })
    : undefined;
  const sink = await runSink(
    {
      ...{ security: wires.security("sink"), secret, chunkBytes, path, transfer: "t-1" },
      ...{
        folder: join(folder, "sink"),
        dialPort: wires.before(relayed ? "relay" : "source").port,
      },
      ...(proveAtEnd !== undefined && { proveAtEnd }),
    },
    { streams: far, say, ...(wrap && { wrap }) },
  );
  try {
    const isOver = () => sink.destination.isWhole && words.has("delivered");
    await until("the object is whole", isOver, {
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
  return { got: readFileSync(path), words, breaches, tale };
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
