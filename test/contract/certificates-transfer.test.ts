// On the port of a transfer only the peers of that transfer get in, while it lasts; everybody else
// is refused and counted.

import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { test } from "node:test";
import { isSkyError } from "../../model/errors.ts";
import { clockSkewMs, transferHoursMax } from "../../runtime/certificates.ts";
import { createAuthority, issueCertificate } from "../../runtime/certificates-os.ts";
import {
  createTransferPasses,
  type TransferPass,
  transferSecurity,
} from "../../runtime/certificates-transfer-os.ts";
import { createOsClock } from "../../runtime/clock-os.ts";
import type { StreamDialOptions, StreamListener } from "../../runtime/stream.ts";
import {
  createTcpStreams,
  type StreamSecurity,
  type StreamTcpPort,
} from "../../runtime/stream-tcp.ts";
import { until } from "../support/until.ts";

const clock = createOsClock();
const nowMs = Date.now();
const hourMs = 3_600_000;
const signal = (): AbortSignal => AbortSignal.timeout(20_000);
const isDenied = (error: unknown): boolean => isSkyError(error, "stream/denied");

const source = "demo/head";
const [sink, relay] = ["demo/worker1", "other/worker1"];
const peers = [{ peer: source, hosts: ["127.0.0.1"] }, { peer: sink }, { peer: relay }];

function passesOf(transfer: string, madeMs = nowMs): Promise<ReadonlyMap<string, TransferPass>> {
  return createTransferPasses({ transfer, peers, nowMs: madeMs, hours: 1 });
}

const passes = await passesOf("t-1");

function passOf(peer: string, given = passes): TransferPass {
  return given.get(peer) ?? assert.fail(`no pass for ${peer}`);
}

function portOf(security: StreamSecurity): StreamTcpPort {
  return createTcpStreams({ security, clock });
}

interface Listening {
  readonly port: StreamTcpPort;
  readonly listener: StreamListener;
  readonly peers: string[];
}

function check(
  what: string,
  run: (there: Listening) => Promise<void>,
  allow: (peer: string) => boolean = () => true,
): void {
  test(`certificates of a transfer: ${what}`, { timeout: 30_000 }, async () => {
    const port = portOf(transferSecurity(passOf(source)));
    const met: string[] = [];
    const listener = await port.listen({
      target: { host: "127.0.0.1", port: 0 },
      onSession: (session) => met.push(session.peer),
      allow,
    });
    try {
      await run({ port, listener, peers: met });
    } finally {
      await listener.close();
    }
  });
}

async function isRefused(
  { port, listener, peers: met }: Listening,
  security: StreamSecurity,
): Promise<void> {
  for (const options of [{}, { lanes: 2 }] satisfies readonly StreamDialOptions[]) {
    const before = port.counts().refused;
    await assert.rejects(portOf(security).dial(listener.target, signal(), options), isDenied);
    assert.equal(port.counts().refused, before + 1);
  }
  assert.deepEqual(met, []);
}

check("its peers get in, each under its name", async (there) => {
  const names = [sink, relay];
  for (const name of names) {
    const session = await portOf(transferSecurity(passOf(name))).dial(
      there.listener.target,
      signal(),
    );
    assert.equal(session.peer, source);
    session.close();
  }
  await until("both are in", () => there.peers.length === 2);
  assert.deepEqual(there.peers, names);
});

check("a peer of another transfer is refused", async (there) => {
  const others = await passesOf("t-1");
  const { authority } = passOf(sink);
  await isRefused(there, transferSecurity({ ...passOf(sink, others), authority }));
});

check("a node's ordinary certificate is refused", async (there) => {
  const head = await createAuthority("a head", nowMs);
  const ordinary = await issueCertificate(head, { commonName: sink, hosts: [], nowMs });
  const { authority } = passOf(sink);
  await isRefused(there, { kind: "tls", ...ordinary, authority });
});

check("a node's ordinary listener is not trusted with a transfer", async () => {
  const head = await createAuthority("a head", nowMs);
  const hosts = ["127.0.0.1"];
  const ordinary = await issueCertificate(head, { commonName: source, hosts, nowMs });
  const security = { kind: "tls", ...ordinary, authority: head.certificate } as const;
  const listener = await portOf(security).listen({
    target: { host: "127.0.0.1", port: 0 },
    onSession: () => {},
  });
  const port = portOf(transferSecurity(passOf(sink)));
  await assert.rejects(port.dial({ ...listener.target, peer: source }, signal()), isDenied);
  await listener.close();
});

test("certificates of a transfer: those whose time is over are refused", async () => {
  const long = await passesOf("t-2", nowMs - 3 * hourMs);
  // An authority that is still good says the same of a peer whose certificate is not.
  const authority = await createAuthority("transfer t-3", nowMs);
  const validity = { notBeforeMs: nowMs - 3 * hourMs, notAfterMs: nowMs - hourMs };
  const late = await issueCertificate(authority, { commonName: sink, hosts: [], nowMs, validity });
  const good = await issueCertificate(authority, { commonName: source, hosts: [], nowMs });
  const port = portOf({ kind: "tls", ...good, authority: authority.certificate });
  const listener = await port.listen({
    target: { host: "127.0.0.1", port: 0 },
    onSession: () => assert.fail("it got in"),
  });
  const target = { ...listener.target, peer: source };
  const expired = portOf({ kind: "tls", ...late, authority: authority.certificate });
  await assert.rejects(expired.dial(target, signal()), isDenied);
  const longAgo = transferSecurity({ ...passOf(sink, long), authority: authority.certificate });
  await assert.rejects(portOf(longAgo).dial(target, signal()), isDenied);
  assert.equal(port.counts().refused, 2);
  await listener.close();
});

check(
  "a peer that is not expected is refused, though it has a pass",
  async (there) => {
    await isRefused(there, transferSecurity(passOf(relay)));
    const session = await portOf(transferSecurity(passOf(sink))).dial(
      there.listener.target,
      signal(),
    );
    session.close();
    await until("it is in", () => there.peers.length > 0);
    assert.deepEqual(there.peers, [sink]);
  },
  (peer) => peer === sink,
);

test("certificates of a transfer: they end with it, and sign nothing", () => {
  for (const pass of passes.values()) {
    for (const pem of [pass.certificate, pass.authority]) {
      const { validFrom, validTo } = new X509Certificate(pem);
      assert.ok(Date.parse(validTo) <= nowMs + hourMs, validTo);
      assert.ok(Date.parse(validFrom) >= nowMs - clockSkewMs - 1_000, validFrom);
    }
    assert.equal(new X509Certificate(pass.certificate).ca, false);
  }
  const keys = new Set([...passes.values()].map(({ key }) => key));
  assert.equal(keys.size, passes.size, "each has a key of its own");
});

test("certificates of a transfer: what makes no sense is refused", async () => {
  const base = { transfer: "t-9", peers: [{ peer: sink }], nowMs, hours: 1 };
  const wrong = [
    { ...base, hours: 0 },
    { ...base, hours: transferHoursMax + 1 },
    { ...base, peers: [{ peer: sink }, { peer: sink }] },
    { ...base, peers: [{ peer: "nobody" }] },
    { ...base, peers: [{ peer: "a/b/c" }] },
  ];
  for (const options of wrong) {
    await assert.rejects(createTransferPasses(options), (error) =>
      isSkyError(error, "request/invalid"),
    );
  }
});
