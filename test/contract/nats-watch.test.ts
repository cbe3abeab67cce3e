// A nats-server that is stopped: for a moment it is waited for, for longer it is replaced, and not
// again and again. Its port may be taken meanwhile.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server } from "node:net";
import { test } from "node:test";
import { identityOf } from "../../runtime/process-identity-os.ts";
import { type BusServer, type BusServerOptions, startBusServer } from "../support/bus-server.ts";
import { until } from "../support/until.ts";

const permissions = { publish: ["t.>"], subscribe: ["t.>"] };
/** As by default, only all of it a tenth as long. */
const quick = { lookMs: 50, answerMs: 200, stillMs: 1_000 };

function check(
  what: string,
  options: BusServerOptions,
  run: (world: BusServer, pid: number) => Promise<void>,
): void {
  test(`nats watch: ${what}`, { timeout: 60_000 }, async () => {
    const world = await startBusServer(options);
    const pid = world.server.pid() ?? 0;
    try {
      await run(world, pid);
    } finally {
      await world.close();
    }
  });
}

check("stopped for too long it is replaced, on its port", { watch: quick }, async (world, pid) => {
  const { server } = world;
  const { url } = server;
  const bus = await world.connect("a", permissions);
  process.kill(pid, "SIGSTOP");
  await until("another one runs", () => (server.pid() ?? pid) !== pid);
  assert.equal(identityOf(pid), undefined);
  await until("the client is back", () => bus.counts?.().reconnects === 1);
  await bus.flush(20_000);
  assert.deepEqual([server.url, server.restarts()], [url, 1]);
  assert.match(server.status().trouble ?? "", /did nothing and gave no answer for/);
});

const patient = { ...quick, stillMs: 60_000 };

check("stopped for a while it is waited for", { watch: patient }, async (world, pid) => {
  const { server } = world;
  const bus = await world.connect("a", permissions);
  process.kill(pid, "SIGSTOP");
  await until("its silence is known", () => server.status().silentMs > 500);
  process.kill(pid, "SIGCONT");
  await until("it answers again", () => server.status().silentMs === 0);
  await bus.flush(20_000);
  assert.deepEqual([server.pid(), server.restarts()], [pid, 0]);
});

check(
  "stopped again and again it is left alone, and that is told",
  { watch: { ...quick, stillMs: 400, endsMax: 1 } },
  async ({ server }, pid) => {
    process.kill(pid, "SIGSTOP");
    const second = await until("another one runs", () => {
      const now = server.pid();
      return now !== pid && now;
    });
    await until("it answers", () => server.status().silentMs === 0);
    process.kill(second, "SIGSTOP");
    await until("that is told", () => /too often/.test(server.status().trouble ?? ""));
    assert.equal(server.pid(), second);
    process.kill(second, "SIGCONT");
    await until("it answers again", () => server.status().silentMs === 0);
    assert.equal(server.restarts(), 1);
  },
);

const moved: string[] = [];

check(
  "when somebody else takes its port it moves, and that is told",
  { watch: { ...quick, portMs: 0 }, onMoved: () => moved.push("moved") },
  async ({ server }, pid) => {
    const { url } = server;
    const thief = await steal(Number(new URL(url).port), () => server.pid() ?? pid);
    await until("it runs elsewhere", () => moved.length > 0);
    assert.notEqual(server.url, url);
    assert.ok(server.pid() !== undefined);
    thief.close();
  },
);

/** Takes the port of a server that is started anew as soon as it is gone: who is first has it. */
async function steal(port: number, holder: () => number): Promise<Server> {
  for (let tries = 0; tries < 50; tries += 1) {
    const pid = holder();
    if (identityOf(pid) !== undefined) process.kill(pid, "SIGKILL");
    await until("it is gone", () => identityOf(pid) === undefined);
    const thief = createServer((socket) => socket.destroy());
    thief.listen({ host: "127.0.0.1", port });
    const took = await once(thief, "listening").then(
      () => true,
      () => false,
    );
    if (took) return thief;
  }
  throw new Error(`port ${port} could not be taken`);
}
