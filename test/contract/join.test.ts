// A node joins for real: over gRPC on a unix socket, into a real nats-server and onto the bulk
// wire with TLS, and nobody else does.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { ServerCredentials } from "@grpc/grpc-js";
import type { Credentials } from "../../agent/credentials.ts";
import { credentialsPath } from "../../agent/credentials.ts";
import { joinCluster } from "../../agent/join-grpc.ts";
import { isSkyError } from "../../model/errors.ts";
import { wireVersion, wireVersionOldest } from "../../model/wire.ts";
import { channelTo } from "../../proto/channel-grpc.ts";
import { clientOf } from "../../proto/client-grpc.ts";
import {
  addService,
  closeGrpcServer,
  createGrpcServer,
  listenGrpc,
} from "../../proto/server-grpc.ts";
import { type ClientOf, joinService } from "../../proto/services.ts";
import type { Bus } from "../../runtime/bus.ts";
import { connectNats } from "../../runtime/bus-nats.ts";
import { headPermissions } from "../../runtime/bus-permissions.ts";
import { headPeer, peerText } from "../../runtime/certificates.ts";
import { createRequest, issueCertificate } from "../../runtime/certificates-os.ts";
import { createOsClock } from "../../runtime/clock-os.ts";
import { createOsFiles } from "../../runtime/files-os.ts";
import { silentLog } from "../../runtime/log.ts";
import { createUserNkey } from "../../runtime/nkeys-nats.ts";
import { createOsRandom } from "../../runtime/random-os.ts";
import type { StreamSession } from "../../runtime/stream.ts";
import { createTcpStreams } from "../../runtime/stream-tcp.ts";
import { createJoinDesk, type JoinDesk } from "../../scheduler/join-grpc.ts";
import { type BusServer, startBusServer } from "../support/bus-server.ts";
import { until } from "../support/until.ts";

interface Stage {
  readonly dir: string;
  readonly bus: BusServer;
  readonly desk: JoinDesk;
  readonly client: ClientOf<typeof joinService>;
  readonly sessions: StreamSession[];
  /** Joins as this node would. */
  join(node: string, token?: string): Promise<Credentials>;
  stateDir(node: string): string;
}

const clock = createOsClock();
const random = createOsRandom();
const timeoutMs = 20_000;
const signal = (): AbortSignal => AbortSignal.timeout(timeoutMs);
const isDenied = (error: unknown): boolean => isSkyError(error, "join/denied");

function check(what: string, run: (stage: Stage) => Promise<void>): void {
  test(`join: ${what}`, { timeout: 60_000 }, async () => {
    const { stage, close } = await open();
    try {
      await run(stage);
    } finally {
      await close();
    }
  });
}

async function open(): Promise<{ readonly stage: Stage; readonly close: () => Promise<void> }> {
  const dir = mkdtempSync(join(tmpdir(), "sky-join-"));
  const bus = await startBusServer();
  const sessions: StreamSession[] = [];
  const own = { commonName: peerText(headPeer), hosts: ["127.0.0.1"], nowMs: Date.now() };
  const listener = await streamsOf({
    ...(await issueCertificate(bus.authority, own)),
    authority: bus.authority.certificate,
  }).listen({
    target: { host: "127.0.0.1", port: 0 },
    onSession: (session) => sessions.push(session),
  });
  const desk = createJoinDesk({
    ...{ authority: bus.authority, users: bus.server, clock, random, log: silentLog },
    busUrl: () => bus.server.url,
    stream: () => listener.target,
  });
  const server = createGrpcServer();
  addService(server, joinService, {
    handlers: desk.handlers,
    hearBug: (bug) => assert.fail(`${bug}`),
  });
  const target = `unix:${dir}/api.sock`;
  await listenGrpc(server, target, ServerCredentials.createInsecure());
  const channel = channelTo(target);
  const client = clientOf(channel, joinService);
  const stateDir = (node: string): string => `${dir}/${node}`;
  const stage: Stage = {
    ...{ dir, bus, desk, client, sessions, stateDir },
    join: (node, token) =>
      joinCluster({
        ...{ cluster: "demo", node, client, clock, version: "test", signal: signal() },
        ...(token === undefined ? {} : { token }),
        files: createOsFiles(dir),
        stateDir: stateDir(node),
      }),
  };
  const close = async (): Promise<void> => {
    channel.close();
    await closeGrpcServer(server, 100);
    await listener.close();
    await bus.close();
    rmSync(dir, { recursive: true, force: true });
  };
  return { stage, close };
}

function streamsOf(tls: { certificate: string; key: string; authority: string }) {
  return createTcpStreams({ security: { kind: "tls", ...tls }, clock });
}

function connectAs(creds: Credentials, connectMs = timeoutMs): Promise<Bus> {
  return connectNats({
    ...{ servers: [creds.busUrl], name: `${creds.cluster}/${creds.node}`, clock, random },
    ...{ authority: creds.authority, certificate: creds.certificate, key: creds.key, connectMs },
    identity: { kind: "nkey", seed: creds.nkeySeed },
  });
}

check(
  "with its token a node gets onto the bus and the bulk wire, in its own name",
  async (stage) => {
    const creds = await stage.join("worker1", stage.desk.issue("demo", "worker1"));
    const head = await stage.bus.connect("skyhead", headPermissions());
    const got: string[] = [];
    head.subscribe("sky.*.from.*.to.skyhead.>", ({ subject }) => got.push(subject));
    await head.flush(timeoutMs);
    const bus = await connectAs(creds);
    const subject = "sky.demo.from.worker1.to.skyhead.scheduler.main";
    bus.publish(subject, Buffer.from("here"));
    await until("the head hears it", () => got.length === 1);
    assert.deepEqual(got, [subject]);

    const target = { host: creds.streamHost, port: creds.streamPort, peer: peerText(headPeer) };
    const session = await streamsOf(creds).dial(target, signal());
    await until("the head has the session", () => stage.sessions.length === 1);
    assert.equal(stage.sessions[0]?.peer, "demo/worker1");
    assert.deepEqual(stage.desk.counts(), { joined: 1, refused: 0 });
    session.close();
    await bus.close();
  },
);

check(
  "the credentials are the owner's only, and good for a restart without a token",
  async (stage) => {
    const creds = await stage.join("worker1", stage.desk.issue("demo", "worker1"));
    assert.equal(statSync(credentialsPath(stage.stateDir("worker1"))).mode & 0o777, 0o600);
    assert.deepEqual(await stage.join("worker1"), creds);
    const bus = await connectAs(creds);
    await bus.flush(timeoutMs);
    await bus.close();
  },
);

check("a token is good once, for its node only; a guess is good for nothing", async (stage) => {
  const token = stage.desk.issue("demo", "worker1");
  await assert.rejects(stage.join("worker2", token), isDenied);
  await assert.rejects(stage.join("worker1", "0".repeat(64)), isDenied);
  await assert.rejects(stage.join("worker1"), isDenied);
  const creds = await stage.join("worker1", token);
  rmSync(credentialsPath(stage.stateDir("worker1")));
  await assert.rejects(stage.join("worker1", token), isDenied);
  assert.deepEqual(stage.desk.counts(), { joined: 1, refused: 3 });
  const bus = await connectAs(creds);
  await bus.close();
});

check("a skylet that starts again with the orders of before goes on as it was", async (stage) => {
  const token = stage.desk.issue("demo", "worker1");
  const creds = await stage.join("worker1", token);
  assert.deepEqual(await stage.join("worker1", token), creds);
});

check(
  "a node that joins again replaces what it was; one that is dismissed is out",
  async (stage) => {
    const before = await stage.join("worker1", stage.desk.issue("demo", "worker1"));
    const after = await stage.join("worker1", stage.desk.issue("demo", "worker1"));
    await assert.rejects(connectAs(before, 0), (error) => isSkyError(error, "bus/closed"));
    const bus = await connectAs(after);
    const unused = stage.desk.issue("demo", "worker1");
    await stage.desk.dismiss("demo", "worker1");
    await until("it is cut off", () => !bus.connected());
    await bus.close();
    await assert.rejects(connectAs(after, 0), (error) => isSkyError(error, "bus/closed"));
    rmSync(credentialsPath(stage.stateDir("worker1")));
    await assert.rejects(stage.join("worker1", unused), isDenied);
  },
);

check("a node that its head is too old for does not come in", async (stage) => {
  const token = stage.desk.issue("demo", "worker1");
  const client = {
    join: async (...call: Parameters<typeof stage.client.join>) => {
      return { ...(await stage.client.join(...call)), wireVersion: wireVersionOldest - 1 };
    },
  } as typeof stage.client;
  const joining = joinCluster({
    ...{ cluster: "demo", node: "worker1", token, client, clock, version: "test" },
    ...{ signal: signal(), files: createOsFiles(stage.dir), stateDir: stage.stateDir("worker1") },
  });
  await assert.rejects(joining, (error) => {
    assert.ok(isSkyError(error, "join/version"), String(error));
    assert.match(error.message, /the head speaks wire version 0, worker1 1: upgrade the head/);
    return true;
  });
});

check("what does not have the right form, or another wire version, is refused", async (stage) => {
  const token = stage.desk.issue("demo", "worker1");
  const { request } = await createRequest("demo/skyhead");
  const good = {
    ...{ cluster: "demo", node: "worker1", token, version: "test", wireVersion },
    ...{ nkeyPublic: createUserNkey().publicKey, certificateRequest: request, capabilities: [] },
  };
  const options = { timeoutMs };
  const refusals = [
    [{ node: "worker1.to" }, "request/invalid", /node/],
    [{ cluster: "demo>" }, "request/invalid", /cluster/],
    [{ nkeyPublic: 'UX" } ]' }, "request/invalid", /nkey_public/],
    [{ wireVersion: 0 }, "join/version", /worker1 speaks wire version 0, this head 1: upgrade w/],
    [
      { wireVersion: wireVersion + 2, wireVersionOldest: wireVersion + 1 },
      "join/version",
      /worker1 speaks wire version 2 to 3, this head 1: upgrade this head/,
    ],
    [{ wireVersion: 0, token: "0".repeat(64) }, "join/denied", /a wrong token/],
    [{ certificateRequest: "junk" }, "request/invalid", /PKCS #10/],
  ] as const;
  for (const [change, code, text] of refusals) {
    await assert.rejects(stage.client.join({ ...good, ...change }, options), (error) => {
      assert.ok(isSkyError(error, code), String(error));
      assert.match(error.message, text);
      return true;
    });
  }
  // The name that the request asked for is not the one that it gets.
  const reply = await stage.client.join(good, options);
  const { X509Certificate } = await import("node:crypto");
  assert.equal(new X509Certificate(reply.certificate).subject, "CN=demo/worker1");
});
