// How to log into a cluster's hosts, in a sentence each.

import assert from "node:assert/strict";
import { test } from "node:test";
import { sshHints } from "../../client/cli/ssh-hints.ts";

test("ssh-hints: names that ssh knows, and why it does not know one", () => {
  const two = { name: "demo", nodes: [1, 2] };
  assert.deepEqual(sshHints({ names: ["demo"], left: [] }, { name: "demo", nodes: [1] }), [
    "To log into its head:         ssh demo",
  ]);
  const left = [{ name: "demo", why: "a pool has a host of that name" }];
  assert.deepEqual(sshHints({ names: ["demo-worker1"], left }, two), [
    "`ssh demo` is not set up: a pool has a host of that name.",
    "To log into a worker:         ssh demo-worker1",
  ]);
});
