// Who somebody is, is proven and never believed: a real head, its nats-server and its bulk wire,
// against strangers, and against a node that speaks for another.
//
// What is under test exists only between processes, so the home is of that isolation in both
// passes.
// Every refusal is counted, and `sky debug` shows the counts.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { type Credentials, credentialsPath, parseCredentials } from "../../../agent/credentials.ts";
import { beatSubject, headNode, inboxPattern, subjectOf } from "../../../model/address.ts";
import { isSkyError } from "../../../model/errors.ts";
import { homeAt } from "../../../model/home.ts";
import { wireVersion } from "../../../model/wire.ts";
import { channelTo } from "../../../proto/channel-grpc.ts";
import { clientOf } from "../../../proto/client-grpc.ts";
import { encodeEnvelope } from "../../../proto/envelope.ts";
import { logHeader } from "../../../proto/log-channel.ts";
import type { WireMessage } from "../../../proto/messages.ts";
import { joinService } from "../../../proto/services.ts";
import type { Bus } from "../../../runtime/bus.ts";
import { connectNats, type NatsOptions } from "../../../runtime/bus-nats.ts";
import { headPeer, peerText } from "../../../runtime/certificates.ts";
import {
  createAuthority,
  createRequest,
  issueCertificate,
} from "../../../runtime/certificates-os.ts";
import { createOsClock } from "../../../runtime/clock-os.ts";
import { createUserNkey } from "../../../runtime/nkeys-nats.ts";
import { createOsRandom } from "../../../runtime/random-os.ts";
import { socketAddress } from "../../../runtime/socket-os.ts";
import { createTcpStreams, type StreamSecurity } from "../../../runtime/stream-tcp.ts";
import { place, until } from "../../support/programs.ts";
import { jobOf, phaseReached, submit } from "../jobs.ts";

const here = place(undefined, { isolation: "process" });
const cluster = "two";
const clock = createOsClock();
const random = createOsRandom();
const scheduler = { cluster, node: headNode, kind: "scheduler", id: "main" } as const;

before(async () => {
  const up = await here.sky(["launch", "-y", "-c", cluster, "--num-nodes", "2", "--cpus", "2"]);
  assert.equal(up.code, 0, up.stdout + up.stderr);
});
after(() => here.close());

/** The parts of `sky debug` that count refusals. */
interface Debug {
  readonly inside: {
    readonly process: {
      readonly incarnation: number;
      readonly metrics: Readonly<Record<string, number>>;
      readonly lanes: {
        readonly process: {
          readonly denied: Readonly<Record<string, number>>;
          readonly refused: number;
          readonly joins: { readonly joined: number; readonly refused: number };
          readonly streams: { readonly refused: number };
        };
      };
    };
    readonly clusters: Readonly<Record<string, { readonly logs: { readonly refused: number } }>>;
  };
}

async function debug(): Promise<Debug["inside"]> {
  const { code, stdout, stderr } = await here.sky(["debug", cluster, "-o", "json"]);
  assert.equal(code, 0, stderr);
  return (JSON.parse(stdout) as Debug).inside;
}

/** Does something that must be refused, and waits until its count has risen. */
async function counted(
  what: string,
  count: (inside: Debug["inside"]) => number,
  act: () => Promise<unknown>,
): Promise<void> {
  const before = count(await debug());
  await act();
  await until(`${what} is counted`, async () => count(await debug()) > before);
}

/** What the skylet of worker1 proves itself with. */
function stolen(): Credentials {
  const { state } = homeAt(here.home).cluster(cluster).node("worker1");
  const found = parseCredentials(readFileSync(credentialsPath(state)), {
    ...{ cluster, node: "worker1" },
  });
  assert.ok(found, "worker1 keeps its credentials");
  return found;
}

type Proof = Pick<NatsOptions, "identity" | "certificate" | "key">;

function connectWith({ busUrl, authority }: Credentials, proof: Proof): Promise<Bus> {
  return connectNats({
    ...{ servers: [busUrl], name: "a test", authority, clock, random },
    ...{ connectMs: 0, attemptMs: 800 },
    ...proof,
  });
}

function asWorker1(): Promise<Bus> {
  const all = stolen();
  const { certificate, key, nkeySeed: seed } = all;
  return connectWith(all, { certificate, key, identity: { kind: "nkey", seed } });
}

/** Keys of somebody who made an authority of his own, in worker1's name. */
async function forged(): Promise<{ readonly certificate: string; readonly key: string }> {
  const nowMs = clock.now().wallMs;
  const authority = await createAuthority("somebody else", nowMs);
  return issueCertificate(authority, { commonName: `${cluster}/worker1`, hosts: [], nowMs });
}

test("nobody gets onto the bus without credentials, or with forged ones", async () => {
  const { certificate, key, nkeySeed } = stolen();
  const fresh = createUserNkey().seed;
  const proofs: readonly Proof[] = [
    { identity: { kind: "none" } },
    { identity: { kind: "none" }, certificate, key },
    { identity: { kind: "nkey", seed: fresh }, certificate, key },
    { identity: { kind: "nkey", seed: nkeySeed } },
    { identity: { kind: "nkey", seed: nkeySeed }, ...(await forged()) },
  ];
  for (const [index, proof] of proofs.entries()) {
    await counted(
      `stranger ${index}`,
      ({ process }) => process.lanes.process.refused,
      () =>
        assert.rejects(connectWith(stolen(), proof), (error) => isSkyError(error, "bus/closed")),
    );
  }
});

test("what a node reports of another's rank changes nothing, and is counted", async () => {
  const gate = `${here.folder}/gate`;
  const id = await submit(here, cluster, `until [ -e ${gate} ]; do sleep 0.05; done; exit 3`);
  const before = await phaseReached(here, { cluster, id }, "RUNNING");
  assert.equal(before.ranks[0]?.node, "head");

  const { incarnation } = (await debug()).process;
  const key = { job: id, attempt: 1, phase: "run", index: 0 } as const;
  const exit = { kind: "code", code: 0 } as const;
  const done = { key, exit, endedAt: 1, logBytes: 0 } as const;
  const lies: readonly WireMessage[] = [
    { kind: "rank-exited", ...done },
    { kind: "rank-swept", key, sweep: sweptNothing },
    { kind: "rank-started", key, pid: 1, startedAt: 1 },
  ];
  const bus = await asWorker1();
  for (const lie of lies) {
    await counted(
      lie.kind,
      ({ process }) =>
        process.metrics[`reports_refused_total{cluster="${cluster}",node="worker1"}`] ?? 0,
      async () => {
        bus.publish(subjectOf("worker1", scheduler), encodeEnvelope(lie, incarnation));
        await bus.flush(10_000);
      },
    );
  }
  await bus.close();
  assert.deepEqual(await jobOf(here, cluster, id), before);

  writeFileSync(gate, "");
  const after = await phaseReached(here, { cluster, id }, "FAILED");
  assert.deepEqual([after.ranks[0]?.exitCode, after.ranks[0]?.pid], [3, before.ranks[0]?.pid]);
});

const sweptNothing = { node: "head", found: 0, killed: 0, survivors: 0, unproven: [] };

test("a node may not send or beat as another, nor listen to it; each try is counted", async () => {
  const bus = await asWorker1();
  const heard: string[] = [];
  const denied: string[] = [];
  bus.onDenied((subject) => denied.push(subject));
  const listen = (pattern: string) => bus.subscribe(pattern, ({ subject }) => heard.push(subject));
  const beat = encodeEnvelope({ kind: "beat", seq: 1, bootId: "b", headSeq: 0 }, 1);
  const tries: readonly (readonly [subject: string, act: (subject: string) => void])[] = [
    [subjectOf("head", scheduler), (subject) => bus.publish(subject, beat)],
    [subjectOf(headNode, { ...scheduler, node: "head" }), (subject) => bus.publish(subject, beat)],
    [beatSubject(cluster, "head"), (subject) => bus.publish(subject, beat)],
    [beatSubject(cluster, headNode), (subject) => bus.publish(subject, beat)],
    [inboxPattern(cluster, "head"), listen],
    [inboxPattern("*", headNode), listen],
    [beatSubject(cluster, "head"), listen],
    [">", listen],
  ];
  for (const [subject, act] of tries) {
    const before = denied.length;
    await counted(
      subject,
      ({ process }) => process.lanes.process.denied[`${cluster}/worker1`] ?? 0,
      async () => {
        act(subject);
        await bus.flush(10_000);
        await until(`${subject} is denied`, () => denied.length > before);
      },
    );
  }
  assert.deepEqual(
    denied,
    tries.map(([subject]) => subject),
  );
  // Messages flowed between the others meanwhile, and none of them came here.
  const ran = await here.sky(["exec", cluster, "true"]);
  assert.equal(ran.code, 0, ran.stderr);
  assert.deepEqual(heard, []);
  await bus.close();
});

test("no join without the token that was made for this node", async () => {
  const address = socketAddress(homeAt(here.home).socket);
  const channel = channelTo(`unix:${address.path}`);
  const client = clientOf(channel, joinService);
  const { request } = await createRequest(`${cluster}/worker1`);
  const join = (node: string, token: string) =>
    client.join(
      {
        ...{ cluster, node, token, version: "test", wireVersion, capabilities: [] },
        ...{ nkeyPublic: createUserNkey().publicKey, certificateRequest: request },
      },
      { timeoutMs: 20_000 },
    );
  try {
    for (const [node, token] of [
      ["worker1", ""],
      ["worker1", "0".repeat(64)],
      ["worker7", "0".repeat(64)],
      [headNode, "0".repeat(64)],
    ] as const) {
      await counted(
        `a join of ${node}`,
        ({ process }) => process.lanes.process.joins.refused,
        () => assert.rejects(join(node, token), (error) => isSkyError(error, "join/denied")),
      );
    }
    assert.equal((await debug()).process.lanes.process.joins.joined, 2, "the two that were let in");
  } finally {
    channel.close();
    address.release();
  }
});

test("the bulk wire takes from a proven node the logs of its own ranks only", async () => {
  const gate = `${here.folder}/gate-2`;
  const run = `echo mine; until [ -e ${gate} ]; do sleep 0.05; done`;
  const id = await submit(here, cluster, run);
  await phaseReached(here, { cluster, id }, "RUNNING");
  const { certificate, key, authority, streamHost: host, streamPort: port } = stolen();
  const dial = (security: StreamSecurity) =>
    createTcpStreams({ security, clock }).dial(
      { host, port, peer: peerText(headPeer) },
      AbortSignal.timeout(20_000),
    );

  await counted(
    "a forged certificate",
    ({ process }) => process.lanes.process.streams.refused,
    async () =>
      assert.rejects(dial({ kind: "tls", ...(await forged()), authority }), (error) =>
        isSkyError(error, "stream/denied"),
      ),
  );

  const session = await dial({ kind: "tls", certificate, key, authority });
  await counted(
    "another node's log",
    ({ clusters }) => clusters[cluster]?.logs.refused ?? 0,
    async () => {
      const rank = { job: id, attempt: 1, phase: "run", index: 0 } as const;
      const channel = session.open(logHeader(rank));
      await assert.rejects(async () => {
        for await (const _ of channel) await channel.write(Buffer.from("not mine"));
      }, /is not of worker1/);
    },
  );
  session.close();

  writeFileSync(gate, "");
  const { code, stdout } = await here.sky(["logs", cluster, String(id)]);
  assert.equal(code, 0, stdout);
  assert.match(stdout, /mine/);
  assert.doesNotMatch(stdout, /not mine/);
});
