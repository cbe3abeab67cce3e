// Sockets at paths that the kernel would refuse: bound, dialled, private, and taken away again.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { isSkyError } from "../../model/errors.ts";
import { listenPrivately, socketAddress } from "../../runtime/socket-os.ts";

const refused = (error: unknown): boolean => isSkyError(error, "process/failed");

function inFolder(what: string, run: (path: string) => Promise<void>): void {
  test(`socket-os: ${what}`, { timeout: 30_000 }, async () => {
    const dir = mkdtempSync(join(tmpdir(), "sky-socket-"));
    try {
      await run(join(dir, `home with spaces ${"x".repeat(200)}`, "api.sock"));
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
}

async function listen(server: Server, path: string): Promise<void> {
  server.listen(path);
  await once(server, "listening");
}

async function greeting(path: string): Promise<string> {
  const address = socketAddress(path);
  const socket = connect(address.path);
  const [data] = await once(socket, "data");
  socket.destroy();
  address.release();
  return String(data);
}

inFolder("a long path is listened on and dialled, by its owner alone", async (path) => {
  const server = createServer((socket) => socket.end("hello"));
  const bound = await listenPrivately(path, (short) => listen(server, short));
  assert.ok(bound.path.length <= 100);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(statSync(dirname(path)).mode & 0o777, 0o700);
  assert.equal(await greeting(path), "hello");
  server.close();
  await once(server, "close");
  bound.release();
  bound.release();
  assert.deepEqual(readdirSync(dirname(path)), []);
});

inFolder("what a dead listener left is taken away, a file is not", async (path) => {
  const dead = createServer();
  const first = await listenPrivately(path, (short) => listen(dead, short));
  const server = createServer((socket) => socket.end("second"));
  const second = await listenPrivately(path, (short) => listen(server, short));
  assert.equal(await greeting(path), "second");
  for (const one of [dead, server]) one.close();
  for (const one of [first, second]) one.release();
  rmSync(path, { force: true });

  writeFileSync(path, "somebody's");
  const third = createServer();
  await assert.rejects(
    listenPrivately(path, (short) => listen(third, short)),
    refused,
  );
  assert.equal(statSync(path).size, 10);
});

inFolder("descriptors are given back", async (path) => {
  mkdirSync(dirname(path), { recursive: true });
  const count = (): number => readdirSync("/proc/self/fd").length;
  const before = count();
  for (let i = 0; i < 20; i += 1) socketAddress(path).release();
  await assert.rejects(
    listenPrivately(path, () => Promise.reject(new Error("no"))),
    refused,
  );
  assert.equal(count(), before);
});

test("socket-os: a short path is itself; a folder that is not there is refused", () => {
  assert.equal(socketAddress("/short/api.sock").path, "/short/api.sock");
  assert.throws(() => socketAddress(`/${"no/".repeat(60)}api.sock`), refused);
});
