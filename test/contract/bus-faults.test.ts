// What a connection to the bus lives through: a peer that reads nothing, a wire that is dead and
// does not say so, a clock that jumps, a server that is somebody else. It comes back by itself, and
// what waits meanwhile is bounded on both ends.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Bus } from "../../runtime/bus.ts";
import { unconfirmedBytesMax } from "../../runtime/bus-window.ts";
import { identityOf } from "../../runtime/process-identity-os.ts";
import { type BusServer, type BusServerOptions, startBusServer } from "../support/bus-server.ts";
import { type FaultProxy, startFaultProxy } from "../support/proxy.ts";
import { until } from "../support/until.ts";

const permissions = { publish: ["t.>"], subscribe: ["t.>"] };
const mega = Buffer.alloc(1_000_000, "x");
/** The server may stand still in a test for as long as it likes. */
const patient: BusServerOptions = { watch: { stillMs: 60_000 } };

interface Stage {
  readonly world: BusServer;
  /** Before the server. */
  readonly proxy: FaultProxy;
  /** Where new connections through the proxy go; the server, unless said otherwise. */
  aim(server: BusServer): void;
}

function check(what: string, run: (stage: Stage) => Promise<void>): void {
  test(`bus: ${what}`, { timeout: 120_000 }, async () => {
    const world = await startBusServer(patient);
    let target = world;
    const proxy = await startFaultProxy({
      listen: { port: 0 },
      target: () => ({ host: "127.0.0.1", port: Number(new URL(target.server.url).port) }),
    });
    const aim = (server: BusServer): void => {
      target = server;
    };
    try {
      await run({ world, proxy, aim });
    } finally {
      await world.close();
      await proxy.close();
    }
  });
}

const reconnects = (bus: Bus): number => bus.counts?.().reconnects ?? 0;
const dropped = (bus: Bus): number => bus.counts?.().dropped ?? 0;

check("a peer that reads nothing is cut off; nobody else waits for it", async (stage) => {
  const { world, proxy } = stage;
  const sender = await world.connect("sender", permissions);
  const reader = await world.connect("reader", permissions);
  const frozen = await world.connect("frozen", permissions, proxy.port);
  let read = 0;
  reader.subscribe("t.x", () => {
    read += 1;
  });
  frozen.subscribe("t.x", () => {});
  await Promise.all([reader.flush(20_000), frozen.flush(20_000)]);
  proxy.freeze();
  // More than the server keeps for it, and what sockets and the proxy hold besides.
  const count = (3 * unconfirmedBytesMax) / mega.length;
  for (let sent = 0; sent < count; sent += 1) {
    sender.publish("t.x", mega);
    if (sent % 8 === 7) await sender.flush(20_000);
  }
  const isSlow = (line: string): boolean => /Slow Consumer Detected/.test(line);
  await until("it was cut off", () => world.server.logTail().some(isSlow));
  await until("the other one has all of it", () => read === Math.ceil(count));
  assert.deepEqual([reconnects(sender), dropped(sender), reconnects(reader)], [0, 0, 0]);
  proxy.thaw();
  await until("it comes back", () => reconnects(frozen) === 1 && frozen.connected());
  await frozen.flush(20_000);
});

check("a server that reads nothing: what waits for it is bounded", async ({ world }) => {
  const sender = await world.connect("sender", permissions);
  const reader = await world.connect("reader", permissions);
  const got: number[] = [];
  reader.subscribe("t.x", ({ payload }) => got.push(Number(Buffer.from(payload).readUInt32LE())));
  await reader.flush(20_000);
  const pid = world.server.pid() ?? 0;
  process.kill(pid, "SIGSTOP");
  const count = 200;
  for (let sent = 0; sent < count; sent += 1) {
    const numbered = Buffer.alloc(mega.length);
    numbered.writeUInt32LE(sent);
    sender.publish("t.x", numbered);
  }
  const kept = Math.floor(unconfirmedBytesMax / (mega.length + 256));
  assert.equal(dropped(sender), count - kept);
  process.kill(pid, "SIGCONT");
  await until("it has what was kept", () => got.length === kept, {
    describe: () => `${got.length} of ${kept}, ${reconnects(sender)} reconnects`,
  });
  const first = Array.from({ length: kept }, (_, index) => index);
  assert.deepEqual(got, first);
  sender.publish("t.x", Buffer.alloc(8));
  await until("messages flow again", () => got.length === kept + 1);
});

check("a wire that is dead and full is noticed, and dialled anew", async ({ world, proxy }) => {
  const bus = await world.connect("a", permissions, proxy.port);
  proxy.freeze();
  for (let sent = 0; sent < 40; sent += 1) bus.publish("t.x", mega);
  await until("it is noticed", () => !bus.connected());
  proxy.thaw();
  await until("it is back", () => bus.connected() && reconnects(bus) >= 1);
  await bus.flush(20_000);
});

check("a wall clock that goes back by an hour keeps nobody waiting", async ({ world, proxy }) => {
  const bus = await world.connect("a", permissions, proxy.port);
  const now = Date.now;
  try {
    Date.now = () => now() - 3_600_000;
    assert.equal(proxy.cut(), 1);
    await until("it is back", () => reconnects(bus) === 1);
    await bus.flush(20_000);
  } finally {
    Date.now = now;
  }
});

check("a server of another authority is not trusted, however often it is met", async (stage) => {
  const { world, proxy, aim } = stage;
  const stranger = await startBusServer(patient);
  try {
    const got: string[] = [];
    const bus = await world.connect("a", permissions, proxy.port);
    bus.subscribe("t.x", ({ payload }) => got.push(Buffer.from(payload).toString()));
    aim(stranger);
    proxy.cut();
    await until("it was met", () => stranger.server.denials().refused >= 3);
    assert.equal(bus.connected(), false);
    aim(world);
    await until("it is back", () => bus.connected());
    bus.publish("t.x", Buffer.from("to itself"));
    await until("its subscription stands", () => got.length === 1);
  } finally {
    await stranger.close();
  }
});

check("one that subscribes without end takes no more than its share", async ({ world }) => {
  const greedy = await world.connect("greedy", permissions);
  const sender = await world.connect("sender", permissions);
  const got = new Set<string>();
  for (let index = 0; index < 1_000; index += 1) {
    greedy.subscribe(`t.${index}`, ({ subject }) => got.add(subject));
  }
  await greedy.flush(20_000);
  for (let index = 0; index < 1_000; index += 1) sender.publish(`t.${index}`, Buffer.from("x"));
  await sender.flush(20_000);
  await greedy.flush(20_000);
  assert.equal(got.size, 256);
  assert.ok(identityOf(world.server.pid() ?? 0) !== undefined);
});
