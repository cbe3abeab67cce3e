// A join in a process of its own ends with 0 only if it joined, however often it had to try.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { ordersText } from "../../bin/skylet/orders.ts";
import { checkout } from "../support/programs.ts";
import { startFaultProxy } from "../support/proxy.ts";

const root = mkdtempSync(join(tmpdir(), "sky-join-"));
after(() => rmSync(root, { recursive: true, force: true }));

test("a join that never reaches its head tries again and again, and fails", async () => {
  const socket = join(root, "api.sock");
  let dialled = 0;
  const nobody = () => {
    dialled += 1;
    return undefined;
  };
  const proxy = await startFaultProxy({ listen: { path: socket }, target: nobody });
  const child = spawn(process.execPath, [join(checkout, "bin/skylet.ts"), "join"], {
    stdio: ["pipe", "ignore", "ignore"],
  });
  const capacity = { cpus: 1, memoryBytes: 1, accelerators: [] };
  const orders = { cluster: "demo", node: "head", capacity, root, socket, token: "no" };
  child.stdin.end(ordersText({ ...orders, incarnation: 1 }));
  const [code] = await once(child, "exit");
  await proxy.close();
  assert.equal(code, 1);
  assert.ok(dialled > 1, `${dialled} times`);
});
