// The fault proxy of chaos does what it says, over TCP and over a unix socket.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { type FaultProxy, startFaultProxy } from "../support/proxy.ts";
import { until } from "../support/until.ts";

interface Line {
  readonly proxy: FaultProxy;
  readonly near: Socket;
  /** What came back so far. */
  heard(): string;
}

/** A client before a proxy before a server that says everything again. */
async function withLine(kind: "tcp" | "unix", work: (line: Line) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "proxy-"));
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.pipe(socket);
  });
  const path = join(folder, "server");
  await new Promise<void>((resolve) =>
    server.listen(kind === "unix" ? { path } : { host: "127.0.0.1", port: 0 }, resolve),
  );
  const address = server.address();
  const port = address !== null && typeof address === "object" ? address.port : 0;
  const front = join(folder, "proxy");
  const proxy = await startFaultProxy({
    listen: kind === "unix" ? { path: front } : { port: 0 },
    target: () => (kind === "unix" ? { path } : { host: "127.0.0.1", port }),
  });
  const near = kind === "unix" ? connect(front) : connect({ host: "127.0.0.1", port: proxy.port });
  near.on("error", () => {});
  let heard = "";
  near.on("data", (bytes: Buffer) => {
    heard += bytes.toString("latin1");
  });
  try {
    await once(near, "connect");
    await work({ proxy, near, heard: () => heard });
  } finally {
    near.destroy();
    await proxy.close();
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
    rmSync(folder, { recursive: true, force: true });
  }
}

for (const kind of ["tcp", "unix"] as const) {
  test(`${kind}: bytes pass in order, delayed or not, and the end too`, async () => {
    await withLine(kind, async ({ proxy, near, heard }) => {
      near.write("one ");
      proxy.delay(30);
      near.write("two ");
      await until("the first are there", () => heard().startsWith("one "));
      proxy.delay(0);
      near.end("three");
      await once(near, "end");
      assert.equal(heard(), "one two three");
      await until("nothing is open", () => proxy.open() === 0);
    });
  });

  test(`${kind}: what is frozen moves again when it thaws`, async () => {
    await withLine(kind, async ({ proxy, near, heard }) => {
      near.write("before ");
      await until("it is there", () => heard() === "before ");
      proxy.freeze();
      near.write("after");
      assert.equal(heard(), "before ");
      proxy.thaw();
      await until("the rest is there", () => heard() === "before after");
    });
  });

  test(`${kind}: a cut breaks the connection, and the next one is taken`, async () => {
    await withLine(kind, async ({ proxy, near }) => {
      near.write("x");
      await once(near, "data");
      assert.equal(proxy.cut(), 1);
      // By a reset: `once` would take it for a failure of ours.
      await new Promise((resolve) => near.once("close", resolve));
      await until("nothing is open", () => proxy.open() === 0);
    });
  });

  test(`${kind}: a cut does not wait for a peer that reads nothing`, async () => {
    await withLine(kind, async ({ proxy, near }) => {
      near.pause();
      near.write(Buffer.alloc(32 * 1024 * 1024));
      await until("it stands still", () => near.writableLength > 0 && near.readableLength > 0);
      proxy.cut();
      near.resume();
      await until("nothing is open", () => proxy.open() === 0);
    });
  });

  test(`${kind}: corruption flips one bit on the way out`, async () => {
    await withLine(kind, async ({ proxy, near, heard }) => {
      proxy.corrupt();
      near.write("abc");
      await until("it is there", () => heard().length === 3);
      assert.equal(heard(), "acc");
      near.write("abc");
      await until("it is there", () => heard() === "accabc");
    });
  });
}
