// Our own nats-server: who gets in, how users come and go, and what happens when it dies.

import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { isSkyError } from "../../model/errors.ts";
import type { Bus } from "../../runtime/bus.ts";
import { connectNats, type NatsOptions } from "../../runtime/bus-nats.ts";
import { nodePermissions } from "../../runtime/bus-permissions.ts";
import { createAuthority, issueCertificate } from "../../runtime/certificates-os.ts";
import { createOsClock } from "../../runtime/clock-os.ts";
import { silentLog } from "../../runtime/log.ts";
import { findNatsServer, startNatsServer } from "../../runtime/nats-server-os.ts";
import { createUserNkey, publicKeyOf } from "../../runtime/nkeys-nats.ts";
import { createOsRandom } from "../../runtime/random-os.ts";
import { type BusServer, startBusServer } from "../support/bus-server.ts";
import { until } from "../support/until.ts";

const permissions = nodePermissions("demo", "a");

function check(what: string, run: (world: BusServer) => Promise<void>): void {
  test(`nats-server: ${what}`, { timeout: 60_000 }, async () => {
    const world = await startBusServer();
    try {
      await run(world);
    } finally {
      await world.close();
    }
  });
}

async function credentials(world: BusServer): Promise<NatsOptions & { readonly seed: string }> {
  const nowMs = Date.now();
  const ours = await issueCertificate(world.authority, { commonName: "x", hosts: [], nowMs });
  const { seed } = createUserNkey();
  return {
    seed,
    servers: [world.server.url],
    name: "x",
    identity: { kind: "nkey", seed },
    authority: world.authority.certificate,
    ...ours,
    clock: createOsClock(),
    random: createOsRandom(),
    connectMs: 0,
  };
}

async function assertRefused(options: NatsOptions): Promise<void> {
  await assert.rejects(connectNats(options), (error) => isSkyError(error, "bus/closed"));
}

check("without credentials, or with those of nobody, there is no way in", async (world) => {
  const good = await credentials(world);
  await assertRefused({ ...good, identity: { kind: "none" } });
  await assertRefused(good);
  await until("both are counted", () => world.server.denials().refused >= 2);
});

check("without a certificate of our authority there is no way in", async (world) => {
  const good = await credentials(world);
  await world.server.add({ publicKey: publicKeyOf(good.seed), label: "x", permissions });
  const { certificate: _certificate, key: _key, ...bare } = good;
  await assertRefused({ ...bare, attemptMs: 500 });
  const stranger = await createAuthority("stranger", Date.now());
  const forged = await issueCertificate(stranger, {
    commonName: "x",
    hosts: [],
    nowMs: Date.now(),
  });
  await assertRefused({ ...good, ...forged, attemptMs: 500 });
  await until("both are counted", () => world.server.denials().refused >= 2);
  const bus = await connectNats({ ...good, connectMs: 20_000 });
  await bus.close();
});

check("a server whose certificate is not of our authority is not trusted", async (world) => {
  const good = await credentials(world);
  await world.server.add({ publicKey: publicKeyOf(good.seed), label: "x", permissions });
  const stranger = await createAuthority("stranger", Date.now());
  await assertRefused({ ...good, authority: stranger.certificate });
});

check("users come and go without touching the others", async (world) => {
  const changes: boolean[] = [];
  const staying = await world.connect("staying", permissions);
  staying.onChange((connected) => changes.push(connected));
  const others = await Promise.all(
    Array.from({ length: 10 }, (_, index) => world.connect(`n${index}`, permissions)),
  );
  for (const bus of others) await bus.flush(20_000);
  const good = await credentials(world);
  await world.server.add({ publicKey: publicKeyOf(good.seed), label: "x", permissions });
  const leaving = await connectNats({ ...good, connectMs: 20_000 });
  await world.server.remove("x");
  await until("it is cut off", () => !leaving.connected());
  await assertRefused(good);
  await leaving.close();
  await staying.flush(20_000);
  assert.deepEqual(changes, []);
  assert.equal(world.server.restarts(), 0);
});

check("after kill -9 it is back on the same port, with all users", async (world) => {
  const bus = await world.connect("a", permissions);
  const { url } = world.server;
  const pid = world.server.pid() ?? 0;
  process.kill(pid, "SIGKILL");
  await until("another one runs", () => (world.server.pid() ?? pid) !== pid);
  await until("the client is back", () => bus.connected());
  await bus.flush(20_000);
  assert.equal(world.server.url, url);
  assert.equal(world.server.restarts(), 1);
});

check("a user that is added while it is down can connect afterwards", async (world) => {
  process.kill(world.server.pid() ?? 0, "SIGKILL");
  const bus: Bus = await world.connect("late", permissions);
  await bus.flush(20_000);
});

check("its files are the owner's only, and hold no secret of a node", async (world) => {
  const good = await credentials(world);
  await world.server.add({ publicKey: publicKeyOf(good.seed), label: "x", permissions });
  assert.equal(statSync(world.dir).mode & 0o077, 0);
  for (const name of readdirSync(world.dir)) {
    const path = join(world.dir, name);
    // The server itself writes the file with its port.
    if (!name.endsWith(".ports")) assert.equal(statSync(path).mode & 0o077, 0, name);
    assert.ok(!readFileSync(path, "utf8").includes(good.seed), name);
  }
});

test("nats-server: users of an earlier run are still welcome in the next", async () => {
  const world = await startBusServer();
  const good = await credentials(world);
  await world.server.add({ publicKey: publicKeyOf(good.seed), label: "x", permissions });
  await world.server.close();
  const again = await startNatsServer({
    dir: world.dir,
    authority: world.authority.certificate,
    server: await issueCertificate(world.authority, {
      commonName: "h",
      hosts: ["127.0.0.1"],
      nowMs: Date.now(),
    }),
    users: [],
    log: silentLog,
  });
  const bus = await connectNats({ ...good, servers: [again.url], connectMs: 20_000 });
  await bus.flush(20_000);
  await bus.close();
  await again.close();
  await world.close();
});

test("nats-server: where there is none, the error says what installs it", () => {
  assert.throws(
    () => findNatsServer({ binary: "/nowhere/nats-server" }),
    (error) => isSkyError(error, "process/failed") && /apt-get install/.test(error.message),
  );
});
