// A nats-server that outlives its head: adopted by the next one, or replaced; and nobody else's
// process is ever touched, whatever the record says.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { connect as secure } from "node:tls";
import type { Bus } from "../../runtime/bus.ts";
import { connectNats } from "../../runtime/bus-nats.ts";
import {
  createAuthority,
  issueCertificate,
  type KeyedCertificate,
} from "../../runtime/certificates-os.ts";
import { createOsClock } from "../../runtime/clock-os.ts";
import { silentLog } from "../../runtime/log.ts";
import type { NatsUser } from "../../runtime/nats-config.ts";
import type { NatsRun } from "../../runtime/nats-files-os.ts";
import {
  type NatsServer,
  type NatsServerOptions,
  startNatsServer,
} from "../../runtime/nats-server-os.ts";
import { createUserNkey } from "../../runtime/nkeys-nats.ts";
import { bootId, findProcesses, identityOf } from "../../runtime/process-identity-os.ts";
import { createOsRandom } from "../../runtime/random-os.ts";
import { until } from "../support/until.ts";

type Options = Omit<NatsServerOptions, "log">;

/** What an earlier head left: its server, and a node that is connected to it. */
interface Left {
  readonly dir: string;
  readonly authority: KeyedCertificate;
  readonly options: Options;
  readonly pid: number;
  readonly url: string;
  readonly node: Bus;
  /** Of the node's connection, since it stands. */
  readonly changes: readonly boolean[];
}

const permissions = { publish: ["t.>"], subscribe: ["t.>"] };
const hosts = ["127.0.0.1", "127.0.0.2"];

async function left(t: TestContext): Promise<Left> {
  const dir = mkdtempSync(join(tmpdir(), "sky bus "));
  const nowMs = Date.now();
  const authority = await createAuthority("test head", nowMs);
  const server = await issueCertificate(authority, { commonName: "h", hosts, nowMs });
  const { seed, publicKey } = createUserNkey();
  const users = [{ publicKey, label: "node", permissions }];
  const watch = { answerMs: 500, stillMs: 1_000 };
  const options = { dir, server, users, authority: authority.certificate, watch };
  writeFileSync(`${dir}/options`, JSON.stringify(options));
  const script = join(import.meta.dirname, "../support/bus-orphan.ts");
  const head = spawn(process.execPath, [script, `${dir}/options`], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const { pid, url } = JSON.parse(String((await once(head.stdout, "data"))[0]));
  t.after(async () => {
    for (const one of serversOver(dir)) process.kill(one, "SIGKILL");
    await until("no server is left", () => serversOver(dir).length === 0);
    rmSync(dir, { recursive: true, force: true });
  });
  const node = await connected(authority, { url, seed, label: "node" });
  t.after(() => node.close());
  const changes: boolean[] = [];
  node.onChange((is) => changes.push(is));
  head.kill("SIGKILL");
  await once(head, "exit");
  assert.deepEqual(serversOver(dir), [pid], "it outlives its head");
  return { dir, authority, options, pid, url, node, changes };
}

async function connected(
  authority: KeyedCertificate,
  who: { readonly url: string; readonly seed: string; readonly label: string },
): Promise<Bus> {
  const { url, seed, label } = who;
  return connectNats({
    ...{ servers: [url], name: label, connectMs: 20_000 },
    identity: { kind: "nkey", seed },
    authority: authority.certificate,
    ...(await issueCertificate(authority, { commonName: label, hosts: [], nowMs: Date.now() })),
    ...{ clock: createOsClock(), random: createOsRandom() },
  });
}

/** Pids of the servers over the configuration in a folder. */
function serversOver(dir: string): readonly number[] {
  const found = findProcesses(({ args }) => args.includes(`${dir}/nats-server.conf`));
  return found.map(({ pid }) => pid);
}

async function next(t: TestContext, options: Options): Promise<NatsServer> {
  const server = await startNatsServer({ ...options, log: silentLog });
  t.after(() => server.close());
  return server;
}

function recordOf(dir: string): NatsRun {
  return JSON.parse(readFileSync(`${dir}/nats-server.json`, "utf8")) as NatsRun;
}

function writeRecord(dir: string, record: unknown): void {
  writeFileSync(`${dir}/nats-server.json`, JSON.stringify(record));
}

/** A process of this user that has nothing to do with any of this. */
function stranger(t: TestContext): number {
  const child = spawn("sleep", ["600"], { stdio: "ignore" });
  t.after(() => child.kill("SIGKILL"));
  assert.ok(child.pid !== undefined);
  return child.pid;
}

/** Whom the certificate names that a server shows to a new connection. */
async function nameOn(
  url: string,
  { certificate: ca }: KeyedCertificate,
  { certificate: cert, key }: KeyedCertificate,
): Promise<string> {
  const { hostname: host, port } = new URL(url);
  const socket = connect({ host, port: Number(port) });
  await once(socket, "data");
  const tls = secure({ socket, host, ca, cert, key });
  await once(tls, "secureConnect");
  const { CN } = tls.getPeerCertificate().subject;
  tls.destroy();
  return String(CN);
}

const check = (what: string, run: (t: TestContext) => Promise<void>): void => {
  test(`orphan: ${what}`, { timeout: 60_000 }, run);
};

check("the next head adopts it: the node stays connected and hears the new head", async (t) => {
  const { dir, authority, options, pid, url, node, changes } = await left(t);
  const { seed, publicKey } = createUserNkey();
  const head: NatsUser = { publicKey, label: "head", permissions };
  const server = await next(t, { ...options, users: [head] });
  assert.deepEqual([server.pid(), server.url], [pid, url]);
  assert.deepEqual([server.status().adopted, server.restarts()], [true, 0]);
  const got: string[] = [];
  node.subscribe("t.to.node", ({ payload }) => got.push(Buffer.from(payload).toString()));
  await node.flush(20_000);
  const bus = await connected(authority, { url, seed, label: "head" });
  bus.publish("t.to.node", Buffer.from("from the new head"));
  await until("it arrived", () => got.length > 0);
  assert.deepEqual(got, ["from the new head"]);
  assert.deepEqual(changes, [], "the node's connection never broke");
  await bus.close();
  await server.close();
  assert.deepEqual(serversOver(dir), [], "it ends with the head that adopted it");
});

check("once adopted it is watched: killed, it is started again on its port", async (t) => {
  const { options, pid, url, node } = await left(t);
  const server = await next(t, options);
  process.kill(pid, "SIGKILL");
  await until("another one runs", () => (server.pid() ?? pid) !== pid);
  await until("the node is back", () => node.connected());
  await node.flush(20_000);
  assert.deepEqual([server.url, server.restarts(), server.status().adopted], [url, 1, false]);
});

check("it takes a new certificate of the same authority", async (t) => {
  const { authority, options, pid, url, changes } = await left(t);
  const renewed = await issueCertificate(authority, {
    ...{ commonName: "renewed", hosts, nowMs: Date.now() },
  });
  const server = await next(t, { ...options, server: renewed });
  assert.equal(server.pid(), pid);
  assert.equal(await nameOn(url, authority, renewed), "renewed");
  assert.deepEqual(changes, []);
});

check("with a configuration that it cannot take it is replaced, on its port", async (t) => {
  const { dir, options, pid } = await left(t);
  const port = recordOf(dir).port;
  const server = await next(t, { ...options, host: "127.0.0.2" });
  assert.notEqual(server.pid(), pid);
  assert.deepEqual(serversOver(dir), [server.pid()]);
  assert.equal(server.url, `tls://127.0.0.2:${port}`);
});

check("one of another authority is replaced, on its port", async (t) => {
  const { dir, options, pid, url } = await left(t);
  const nowMs = Date.now();
  const other = await createAuthority("another", nowMs);
  const server = await next(t, {
    ...options,
    authority: other.certificate,
    server: await issueCertificate(other, { commonName: "h", hosts, nowMs }),
  });
  assert.equal(identityOf(pid), undefined);
  assert.deepEqual(serversOver(dir), [server.pid()]);
  assert.equal(server.url, url);
});

check("one that is frozen is replaced, and the node comes to the next", async (t) => {
  const { dir, options, pid, url, node, changes } = await left(t);
  process.kill(pid, "SIGSTOP");
  const server = await next(t, options);
  assert.equal(identityOf(pid), undefined);
  assert.deepEqual(serversOver(dir), [server.pid()]);
  assert.equal(server.url, url);
  await until("the node is back", () => changes.at(-1) === true);
  await node.flush(20_000);
});

check("one of which no word was left is found and ended", async (t) => {
  const { dir, options, pid } = await left(t);
  rmSync(`${dir}/nats-server.json`);
  const server = await next(t, options);
  assert.equal(identityOf(pid), undefined);
  assert.deepEqual(serversOver(dir), [server.pid()]);
});

check("a record that was cut off, and half a list of users, are none", async (t) => {
  const { dir, options, pid } = await left(t);
  writeFileSync(`${dir}/nats-server.json`, `{"pid":${pid},"star`);
  writeFileSync(`${dir}/users.json`, '[{"label":"x","publicKey":"UX"},{"label":"node","publ');
  writeFileSync(`${dir}/nats-server.conf`, "host: ");
  const server = await next(t, options);
  assert.deepEqual(serversOver(dir), [server.pid()]);
  assert.notEqual(server.pid(), pid);
});

check("users that no server would take are not read", async (t) => {
  const { dir, options, pid } = await left(t);
  writeFileSync(`${dir}/users.json`, '[{"label":"x","publicKey":"UX"},null,{"label":"y"}]');
  const server = await next(t, options);
  assert.equal(server.pid(), pid);
});

check("a pid that was given to somebody else is not touched", async (t) => {
  const { dir, options, pid, url } = await left(t);
  const record = recordOf(dir);
  process.kill(pid, "SIGKILL");
  await until("it is gone", () => serversOver(dir).length === 0);
  const other = stranger(t);
  const seen = identityOf(other);
  // The worst case: even the moment is right, as in another boot it might be.
  for (const wrong of [{ pid: other }, { ...seen }, { ...seen, boot: "another" }]) {
    writeRecord(dir, { ...record, ...wrong });
    const server = await startNatsServer({ ...options, log: silentLog });
    assert.deepEqual(identityOf(other), seen, "it lives");
    assert.equal(server.url, url, "the port is still the one of the record");
    await server.close();
  }
  assert.deepEqual(identityOf(other), seen, "it still lives");
});

check("the nats-server of another home is not touched", async (t) => {
  const ours = await left(t);
  const theirs = await left(t);
  process.kill(ours.pid, "SIGKILL");
  await until("it is gone", () => serversOver(ours.dir).length === 0);
  writeRecord(ours.dir, recordOf(theirs.dir));
  const server = await next(t, ours.options);
  assert.deepEqual(serversOver(ours.dir), [server.pid()]);
  assert.deepEqual(serversOver(theirs.dir), [theirs.pid]);
  assert.deepEqual(theirs.changes, []);
});

check("a record of another boot names nobody", async (t) => {
  const { dir, options, pid, url } = await left(t);
  writeRecord(dir, { ...recordOf(dir), boot: `not ${bootId()}` });
  const server = await next(t, options);
  // It is found all the same, by what it runs.
  assert.equal(identityOf(pid), undefined);
  assert.deepEqual([serversOver(dir), server.url], [[server.pid()], url]);
});
