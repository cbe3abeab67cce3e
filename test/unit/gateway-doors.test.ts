// The head's way to what serves gateways on a node: sessions that nodes dial when they are told to,
// channels through the head of a cluster on a host, who dials whom, and what keeps a cluster busy.

import assert from "node:assert/strict";
import { test } from "node:test";
import { HeadSession } from "../../agent/head-session.ts";
import { type ClusterRecord, newRecord } from "../../clouds/cluster-record.ts";
import type { ClusterStatus } from "../../model/cluster.ts";
import { isSkyError, SkyError } from "../../model/errors.ts";
import type { NodePhase } from "../../model/node.ts";
import { createMemoryClock } from "../../runtime/clock-memory.ts";
import { silentLog } from "../../runtime/log.ts";
import type { StreamChannel, StreamSession } from "../../runtime/stream.ts";
import { createStreamHub } from "../../runtime/stream-memory.ts";
import { createGatewayDoors } from "../../scheduler/gateways/doors.ts";
import { NodeChannels, type NodeHead } from "../../scheduler/gateways/node-channels.ts";
import { ownGateway } from "../../scheduler/gateways/own-gateway.ts";
import { parseRelayed, relayedHeader, relayToNode } from "../../scheduler/gateways/relayed.ts";
import type { GatewayHost, GatewaySite } from "../../transfer/gateway/doors.ts";
import { homeGateway } from "../../transfer/gateway/program.ts";
import { addressFor, dialling } from "../../transfer/gateway/reach.ts";

const { signal } = new AbortController();
const whom = { cluster: "demo", node: "worker1" };

/** Says what it hears, behind its header. */
const echo: GatewayHost = {
  serve: async (channel) => {
    await channel.write(Buffer.from(`${Buffer.from(channel.header)}:`));
    for await (const part of channel) await channel.write(part);
    channel.end();
  },
  counts: () => ({ transfers: 0, memoryBytes: 0, diskBytes: 0 }),
  close: async () => {},
};

interface StageOptions {
  readonly capabilities?: readonly string[];
  readonly phase?: NodePhase;
  /** So many times the bus loses that the node is to dial. */
  readonly lost?: number;
}

async function stage({ capabilities = ["gateways"], phase = "alive", lost = 0 }: StageOptions) {
  const clock = createMemoryClock();
  const hub = createStreamHub();
  let made = 0;
  const node = new HeadSession({
    streams: hub.connect("demo/worker1"),
    streamTarget: { host: "head", port: 0 },
    gateways: async () => {
      made += 1;
      return echo;
    },
    log: silentLog,
  });
  let held = 0;
  let connects = 0;
  const head = {
    board: { nodePhase: () => phase },
    holdTransfer: () => {
      held += 1;
      return () => {
        held -= 1;
      };
    },
    system: {
      ask: async () => ({ kind: "inspection", json: JSON.stringify({ capabilities }) }),
      tell: () => {
        connects += 1;
        if (connects > lost) void node.connect();
      },
    },
  } as unknown as NodeHead;
  const heads = { get: (name: string) => (name === "demo" ? head : undefined) };
  const channels = new NodeChannels({ heads, clock });
  const sessions: StreamSession[] = [];
  await hub.connect("head").listen({
    target: { host: "head", port: 0 },
    onSession: (session) => {
      sessions.push(session);
      channels.take(session);
    },
  });
  const counts = () => ({ made, held, connects, sessions: sessions.length });
  return { clock, channels, node, sessions, counts };
}

async function said(channel: StreamChannel, text: string): Promise<string> {
  await channel.write(Buffer.from(text));
  channel.end();
  const parts: Uint8Array[] = [];
  for await (const part of channel) parts.push(part);
  return Buffer.concat(parts).toString();
}

test("a node without a session is told to dial, and its cluster is busy meanwhile", async () => {
  const { channels, counts, sessions } = await stage({});
  const channel = await channels.open(whom, "gateway 1", signal);
  assert.equal(counts().held, 1);
  assert.equal(await said(channel, "hello"), "gateway 1:hello");
  assert.deepEqual(counts(), { made: 1, held: 0, connects: 1, sessions: 1 });

  const again = await channels.open(whom, "list 1", signal);
  assert.equal(await said(again, "x"), "list 1:x");
  assert.deepEqual(counts(), { made: 1, held: 0, connects: 1, sessions: 1 });

  // One that breaks keeps nothing busy, and the next dials anew.
  const broken = await channels.open(whom, "gateway 1", signal);
  sessions[0]?.close();
  await assert.rejects(broken.write(Buffer.from("x")), isClosed);
  const after = await channels.open(whom, "gateway 1", signal);
  assert.equal(counts().held, 1);
  after.abort("enough");
  assert.deepEqual(counts(), { made: 1, held: 0, connects: 2, sessions: 2 });
});

test("a word to dial that is lost is said again", async () => {
  const { channels, clock, counts } = await stage({ lost: 3 });
  const opening = channels.open(whom, "gateway 1", signal);
  await clock.pass(5_000, breath);
  (await opening).abort("enough");
  assert.equal(counts().connects, 4);
});

test("who does not come, is not there or cannot is named", async () => {
  const silent = await stage({ lost: 1_000 });
  const opening = silent.channels.open(whom, "gateway 1", signal);
  const refused = assert.rejects(opening, /worker1 of demo does not dial its head/);
  await silent.clock.pass(20_000, breath);
  await refused;
  assert.equal(silent.counts().held, 0);

  const lost = await stage({ phase: "lost" });
  await assert.rejects(lost.channels.open(whom, "gateway 1", signal), /worker1 of demo is lost/);

  const old = await stage({ capabilities: ["lease"] });
  await assert.rejects(old.channels.open(whom, "gateway 1", signal), isTooOld);
  // Also one that has a session, for its logs.
  await old.node.get();
  await assert.rejects(old.channels.open(whom, "gateway 1", signal), isTooOld);
  assert.equal(old.counts().connects, 0);
  const nobody = { cluster: "other", node: "head" };
  await assert.rejects(old.channels.open(nobody, "gateway 1", signal), (error) =>
    isSkyError(error, "cluster/not-found"),
  );
});

test("a channel to a node goes through the head of its cluster, and ends with it", async () => {
  const { channels, counts, sessions } = await stage({});
  const { home, other } = await pair();
  other.onChannel((channel) => void relayToNode(channels, "demo", channel));
  const channel = home.open(relayedHeader({ node: "worker1", header: "gateway 1" }));
  assert.equal(await said(channel, "hello"), "gateway 1:hello");
  assert.equal(counts().held, 0);

  const broken = home.open(relayedHeader({ node: "worker1", header: "gateway 1" }));
  const parts = broken[Symbol.asyncIterator]();
  assert.equal(Buffer.from((await parts.next()).value ?? []).toString(), "gateway 1:");
  sessions[0]?.close();
  await assert.rejects(parts.next(), isClosed);
  assert.equal(counts().held, 0);

  const wrong = home.open(Buffer.from("log 1-1-run-0"));
  await assert.rejects(wrong[Symbol.asyncIterator]().next(), /header log/);
  assert.throws(() => parseRelayed(Buffer.from("to ../x gateway 1")), /header to/);
});

test("the gateway of the head itself is made for the first channel, and closed once", async () => {
  let made = 0;
  const closed: number[] = [];
  const own = ownGateway(async () => {
    made += 1;
    if (made === 1) throw new SkyError("core/cancelled", { what: "making it" });
    return { ...echo, close: async () => void closed.push(made) };
  });
  await assert.rejects(own.open("gateway 1", signal), /making it/);
  const channel = await own.open("gateway 1", signal);
  assert.equal(await said(channel, "hi"), "gateway 1:hi");
  await own.close();
  assert.deepEqual(closed, [2]);
  await assert.rejects(own.open("gateway 1", signal), /this head/);
});

test("sites are nodes that are up; what is gone is told from what may come back", async () => {
  const node = (index: number) => ({
    ...{ id: index === 0 ? "head" : `worker${index}`, index, ip: `127.0.0.${index + 2}` },
    capacity: { cpus: 1, memoryBytes: 1, accelerators: [] },
  });
  const record = (name: string, status: ClusterStatus): ClusterRecord => {
    const request = {
      name,
      numNodes: 1,
      asked: {},
      cloud: "local",
      isolation: "embedded",
    } as const;
    const { capacity } = node(0);
    const made = newRecord({ ...request, capacity, token: "t", command: "" }, 0);
    return { ...made, status, nodes: [node(0), node(1)] };
  };
  const records = [record("up", "UP"), record("coming", "INIT"), record("off", "STOPPED")];
  const board = { nodePhase: (id: string) => (id === "head" ? "alive" : "lost") };
  const doors = createGatewayDoors({
    fleets: {
      records: () => records,
      record: (name) => records.find((one) => one.name === name),
    },
    heads: { get: () => ({ board }), nodes: { open: () => assert.fail() } } as never,
    openHome: () => assert.fail(),
  });
  assert.deepEqual(await doors.sites(signal), [
    { gateway: homeGateway, region: "local", addresses: [], canListen: false },
    { gateway: "up/head", region: "local", addresses: ["127.0.0.2"], canListen: true },
  ]);
  const gone = (gateway: string) => doors.gone?.(gateway)?.code;
  assert.deepEqual(
    [homeGateway, "up/head", "up/worker1", "coming/head", "off/head", "up/x", "no/head"].map(gone),
    [
      ...[undefined, undefined, undefined, undefined],
      ...["cluster/not-up", "cluster/not-found", "cluster/not-found"],
    ],
  );
  await assert.rejects(doors.open("off/head", "gateway 1", signal), (error) =>
    isSkyError(error, "cluster/not-up"),
  );
});

test("who dials whom: nobody the home, and local nodes only from their own machine", () => {
  const site = (gateway: string, region: string, ...addresses: string[]): GatewaySite => {
    return { gateway, region, addresses, canListen: addresses.length > 0 };
  };
  const home = site(homeGateway, "local");
  const [one, two] = [site("a/head", "local", "127.0.0.2"), site("a/b", "local", "127.0.0.3")];
  const [host, far] = [site("s/head", "ssh:x", "10.0.0.1"), site("t/head", "ssh:y", "10.9.0.1")];
  assert.equal(dialling(home, one), "first");
  assert.equal(dialling(one, home), "second");
  assert.equal(dialling(one, two), "second");
  assert.equal(dialling(one, host), "first");
  assert.equal(dialling(host, one), "second");
  assert.equal(dialling(host, far), "second");
  assert.equal(dialling(home, home), undefined);
  assert.equal(addressFor(host, one), undefined);
  assert.equal(addressFor(home, one), "127.0.0.2");
});

async function pair(): Promise<{ readonly home: StreamSession; readonly other: StreamSession }> {
  const hub = createStreamHub();
  const target = { host: "there", port: 0 };
  const { promise, resolve } = Promise.withResolvers<StreamSession>();
  await hub.connect("there").listen({ target, onSession: resolve });
  return { home: await hub.connect("demo/_home").dial(target, signal), other: await promise };
}

async function breath(): Promise<void> {
  for (let i = 0; i < 5; i += 1) await new Promise((resolve) => setImmediate(resolve));
}

function isClosed(error: unknown): boolean {
  return isSkyError(error, "stream/closed");
}

function isTooOld(error: unknown): boolean {
  return isSkyError(error, "transfer/no-gateway");
}
