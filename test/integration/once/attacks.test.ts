// Attacks on a living cluster: garbage and frames of 64 MiB on every port, an old join token,
// another user of the machine, and a search for secrets wherever they must not be.
//
// After each, the cluster must work as before. What a stolen identity may do is in
// `identity.test.ts`. All of this is about ports and files, so it runs in `process` isolation only.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { connect as connectHttp2, constants } from "node:http2";
import { connect, type Socket } from "node:net";
import { join, relative } from "node:path";
import { after, before, test } from "node:test";
import { connect as connectTls } from "node:tls";
import { gunzipSync } from "node:zlib";
import type { Credentials } from "../../../agent/credentials.ts";
import { credentialsPath, parseCredentials } from "../../../agent/credentials.ts";
import { homeAt } from "../../../model/home.ts";
import { place, until } from "../../support/programs.ts";
import { jobOf, phaseReached, submit } from "../jobs.ts";

const here = place(undefined, { isolation: "process" });
const cluster = "fort";
const files = homeAt(here.home);
const bytesInMib = 1_048_576;
const frameMib = 64;

before(async () => {
  const up = await here.sky(["launch", "-y", "-c", cluster, "--num-nodes", "2", "--cpus", "2"]);
  assert.equal(up.code, 0, up.stdout + up.stderr);
});
after(() => here.close());

function worker1(): Credentials {
  const { state } = files.cluster(cluster).node("worker1");
  const text = readFileSync(credentialsPath(state));
  const found = parseCredentials(text, { cluster, node: "worker1" });
  assert.ok(found, "worker1 keeps its credentials");
  return found;
}

/** The cluster takes a job, runs it on both nodes and tells its end. */
async function works(): Promise<void> {
  const id = await submit(here, cluster, "--num-nodes", "2", "true");
  await phaseReached(here, { cluster, id }, "SUCCEEDED");
}

/** Writes all of `bytes` in pieces, as far as the peer takes them, until it hangs up. */
async function pour(socket: Socket, bytes: number, first: Uint8Array): Promise<void> {
  const gone = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  socket.on("error", () => {});
  socket.resume();
  socket.write(first);
  const piece = randomBytes(bytesInMib);
  for (let sent = 0; sent < bytes && !socket.destroyed; sent += piece.length) {
    const taken = new Promise<void>((resolve) => socket.write(piece, () => resolve()));
    await Promise.race([taken, gone]);
  }
  socket.end();
  await until("the peer hangs up", () => {
    if (!socket.destroyed) socket.destroySoon();
    return socket.destroyed;
  });
}

function residentMib(pid: number): number {
  const [, kib = "0"] =
    /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kib) / 1_024;
}

/** Runs `attack` and demands that nothing of it stays in the memory of head or bus. */
async function unmoved(attack: () => Promise<void>): Promise<void> {
  const watched = here.processes().filter(({ command }) => /skyhead|nats-server/.test(command));
  assert.ok(watched.length >= 2, "head and bus run");
  const before = watched.map(({ pid }) => residentMib(pid));
  await attack();
  await works();
  for (const [index, { pid, command }] of watched.entries()) {
    const grown = residentMib(pid) - (before[index] ?? 0);
    assert.ok(grown < 2 * frameMib, `${command} grew by ${grown} MiB`);
  }
}

/** What a peer that knows a little of each protocol may begin with. */
const openings: Readonly<Record<string, Uint8Array>> = {
  nothing: new Uint8Array(),
  zeros: new Uint8Array(4_096),
  "an HTTP/2 preface and a frame of the longest length": Buffer.concat([
    Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    Buffer.from([0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01]),
  ]),
  "a CONNECT and a PUB of 64 MiB": Buffer.from(
    `CONNECT {}\r\nPUB sky.fort.from.head.to.skyhead.x.y ${frameMib * bytesInMib}\r\n`,
  ),
};

test("garbage and 64 MiB on the API's socket hurt nobody", async () => {
  await unmoved(async () => {
    for (const first of Object.values(openings)) {
      await pour(connect(files.socket), frameMib * bytesInMib, first);
    }
  });
});

test("garbage and 64 MiB on the bus's port, before and inside TLS, hurt nobody", async () => {
  const { busUrl } = worker1();
  const { hostname: host, port } = new URL(busUrl);
  const target = { host, port: Number(port) };
  await unmoved(async () => {
    for (const first of Object.values(openings)) {
      await pour(connect(target), frameMib * bytesInMib, first);
      await pour(await insideTls(target, false), frameMib * bytesInMib, first);
      await pour(await insideTls(target, true), frameMib * bytesInMib, first);
    }
  });
});

test("garbage and 64 MiB on the bulk wire's port, before and inside TLS, hurt nobody", async () => {
  const { streamHost: host, streamPort: port } = worker1();
  await unmoved(async () => {
    for (const first of Object.values(openings)) {
      await pour(connect({ host, port }), frameMib * bytesInMib, first);
      await pour(await insideTls({ host, port }, true), frameMib * bytesInMib, first);
    }
  });
});

/** A TLS connection, with worker1's own certificate or with none. */
async function insideTls(
  target: { readonly host: string; readonly port: number },
  proven: boolean,
): Promise<Socket> {
  const { certificate, key, authority } = worker1();
  const proof = proven ? { cert: certificate, key } : {};
  const socket = connectTls({ ...target, ca: authority, rejectUnauthorized: false, ...proof });
  await new Promise<void>((resolve) => {
    socket.once("secureConnect", resolve);
    socket.once("error", () => resolve());
    socket.once("close", () => resolve());
  });
  return socket;
}

test("a call of 64 MiB is refused by its size, and the next one is answered", async () => {
  const session = connectHttp2("http://localhost", {
    createConnection: () => connect(files.socket),
  });
  session.on("error", () => {});
  const call = session.request({
    [constants.HTTP2_HEADER_METHOD]: "POST",
    [constants.HTTP2_HEADER_PATH]: "/sky.v1.JobService/Submit",
    [constants.HTTP2_HEADER_CONTENT_TYPE]: "application/grpc+proto",
    te: "trailers",
  });
  let status: unknown;
  call.on("response", (headers) => {
    status ??= headers["grpc-status"];
  });
  call.on("trailers", (headers) => {
    status ??= headers["grpc-status"];
  });
  call.on("error", () => {});
  call.resume();
  const closed = new Promise<void>((resolve) => call.once("close", () => resolve()));
  const header = Buffer.alloc(5);
  header.writeUInt32BE(frameMib * bytesInMib, 1);
  call.write(header);
  const piece = Buffer.alloc(bytesInMib);
  for (let sent = 0; sent < frameMib && !call.closed && status === undefined; sent += 1) {
    await Promise.race([
      closed,
      new Promise<void>((resolve) => call.write(piece, () => resolve())),
    ]);
  }
  await until("the call is refused", () => status !== undefined);
  session.destroy();
  // RESOURCE_EXHAUSTED. Source: grpc.io, "Status codes and their use in gRPC".
  assert.equal(status, "8");
  await works();
});

test("another user of the machine gets neither the socket nor a file", (t) => {
  if (process.getuid?.() !== 0) {
    t.skip("needs root, to become another user");
    return;
  }
  const asNobody = (...command: readonly string[]) =>
    spawnSync("setpriv", ["--reuid=65534", "--regid=65534", "--clear-groups", ...command], {
      encoding: "utf8",
    });
  // The folder above is opened to all: what protects must be the home itself.
  const outside = asNobody("true");
  assert.equal(outside.status, 0, outside.stderr);
  const dial = `require("node:net").connect(${JSON.stringify(files.socket)})
    .on("connect", () => process.exit(0)).on("error", (error) => {
      console.log(error.code);
      process.exit(9);
    });`;
  const dialled = asNobody(process.execPath, "-e", dial);
  assert.deepEqual([dialled.status, dialled.stdout.trim()], [9, "EACCES"]);
  for (const path of [files.journal, files.headLog, files.bus, files.cluster(cluster).root]) {
    assert.notEqual(asNobody("cat", path).status, 0, `${path} cannot be read`);
    assert.notEqual(asNobody("ls", path).status, 0, `${path} cannot be listed`);
  }
});

test("every folder of the head is 0700 and every file 0600", () => {
  // nats-server writes the numbers of its ports for all to read; the folder is closed.
  const ours = filesBelow(files.head).filter((path) => !path.endsWith(".ports"));
  const wrong = ours.flatMap((path) => {
    const found = statSync(path, { throwIfNoEntry: false });
    if (found === undefined) return [];
    const mode = found.mode & 0o777;
    const isClosed = found.isDirectory() ? mode === 0o700 : (mode & 0o077) === 0;
    return isClosed ? [] : [`${relative(here.home, path)} ${mode.toString(8)}`];
  });
  assert.deepEqual(wrong, []);
});

test("a secret is in no journal, log, argument, error, table or bundle", async () => {
  const secret = `s3cr3t-${randomBytes(8).toString("hex")}`;
  const gate = `${here.folder}/gate-secret`;
  const yaml = [
    "num_nodes: 2",
    "secrets:",
    `  TOKEN: ${secret}`,
    "setup: 'echo setup $TOKEN'",
    "run: |",
    '  echo "whole $TOKEN"',
    // Cut in the middle, by time and by a flush: it must be masked all the same.
    '  printf "cut %s" "$' + '{TOKEN:0:9}"; sleep 0.2; printf "%s\\n" "$' + '{TOKEN:9}"',
    `  until [ -e ${gate} ]; do sleep 0.05; done`,
    '  echo "failed with $TOKEN" >&2; exit 3',
  ].join("\n");
  const id = await submitFile(yaml);
  await phaseReached(here, { cluster, id }, "RUNNING");
  const followed = here.start(["logs", cluster, String(id)]);
  await until("both lines are there", () => followed.stdout().split("cut ").length === 3);

  for (const { pid, command } of here.processes()) {
    const line = readCmdline(pid);
    assert.ok(!line.includes(secret), `in the arguments of ${command}`);
  }
  spawnSync("touch", [gate]);
  const { code, stdout, stderr } = await followed.ended;
  assert.equal(code, 100, stderr);
  await phaseReached(here, { cluster, id }, "FAILED");
  const mask = "*".repeat(secret.length);
  assert.match(stdout, new RegExp(`whole ${mask.replaceAll("*", "\\*")}\n`));
  assert.match(stdout, new RegExp(`cut ${mask.replaceAll("*", "\\*")}\n`));

  const to = join(here.folder, "secret.json.gz");
  const said = [stdout, stderr];
  for (const args of [
    ["why", cluster, String(id)],
    ["queue", cluster, "-o", "json"],
    ["status", "-o", "json"],
    ["debug", cluster, "-o", "json"],
    ["doctor", cluster],
    ["debug", "export", cluster, "--to", to],
  ]) {
    const ran = await here.sky(args);
    said.push(ran.stdout, ran.stderr);
  }
  said.push(gunzipSync(readFileSync(to)).toString());
  for (const text of said) assert.ok(!text.includes(secret), text);

  // On disk it may be where the rank itself wrote it, on its node, and nowhere else.
  const places = filesBelow(here.home).filter((path) => holds(path, secret));
  const elsewhere = places.filter((path) => !/\/nodes\/[^/]+\/ranks\//.test(path));
  assert.deepEqual(elsewhere, []);
  assert.equal((await jobOf(here, cluster, id)).status, "FAILED");
});

async function submitFile(yaml: string): Promise<number> {
  const file = here.file("secret.yaml", yaml);
  const ran = await here.sky(["launch", "-y", "-c", cluster, "-d", file]);
  assert.equal(ran.code, 0, ran.stdout + ran.stderr);
  const [, id] = /Job ID: (\d+)/.exec(ran.stdout) ?? [];
  assert.ok(id, ran.stdout);
  return Number(id);
}

function readCmdline(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch (error) {
    // It has ended meanwhile.
    if (["ENOENT", "ESRCH"].includes((error as NodeJS.ErrnoException).code ?? "")) return "";
    throw error;
  }
}

function filesBelow(root: string): readonly string[] {
  return readdirSync(root, { recursive: true, encoding: "utf8" }).map((name) => join(root, name));
}

function holds(path: string, text: string): boolean {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined || !found.isFile()) return false;
  return readFileSync(path).includes(text);
}
