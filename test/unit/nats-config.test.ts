// The configuration for nats-server, and what we read in its log.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isSkyError } from "../../model/errors.ts";
import { nodePermissions } from "../../runtime/bus-permissions.ts";
import { natsConfigText, parseNatsLogLine, parsePortsFile } from "../../runtime/nats-config.ts";

const config = {
  host: "127.0.0.1",
  port: -1,
  portsDir: '/home/ann "the best"/bus',
  certificateFile: "/c",
  keyFile: "/k",
  authorityFile: "/a",
  users: [
    { publicKey: "UA", label: "demo/a\n}", permissions: nodePermissions("demo", "a") },
    { publicKey: "UB", label: "nobody", permissions: { publish: [], subscribe: [] } },
  ],
};

test("nats config: each user has its own permissions, and none is an open door", () => {
  const text = natsConfigText(config);
  assert.ok(text.includes('nkey: "UA"'));
  assert.ok(text.includes('allow: ["sky.demo.from.a.to.>", "sky.demo.beat.a"]'));
  assert.ok(text.includes('publish: { deny: [">"] }'));
  assert.ok(text.includes("verify: true"));
  assert.equal(text.match(/nkey:/g)?.length, config.users.length);
});

test("nats config: quotes and line breaks cannot leave their place", () => {
  const text = natsConfigText(config);
  assert.ok(text.includes('ports_file_dir: "/home/ann \\"the best\\"/bus"'));
  assert.ok(text.includes("# demo/a }\n"));
});

test("nats config: without users it is refused, because everybody would get in", () => {
  assert.throws(
    () => natsConfigText({ ...config, users: [] }),
    (error) => isSkyError(error, "core/broken-invariant"),
  );
});

test("nats log: the lines that mean something to us", () => {
  const start = "[7] 2026/11/22 02:30:35.727928";
  const error = `${start} [ERR] 127.0.0.1:1 - cid:5 -`;
  const forged = '" Publish Violation - Nkey \\"UB\\", Subject \\"b\\""';
  const rows = [
    [`${start} [INF] Server is ready`, { kind: "ready" }],
    [`${start} [INF] Reloaded server configuration`, { kind: "reloaded" }],
    [
      `${start} [ERR] Failed to reload server configuration: no such file`,
      { kind: "reload-failed", why: "no such file" },
    ],
    [
      `${error} "v3.0:nats.js:demo/a" - Publish Violation - Nkey "UA", Subject "x.y"`,
      { kind: "denied", publicKey: "UA", subject: "x.y" },
    ],
    [
      `${error} Subscription Violation - Nkey "UA", Subject "x.>", SID 1`,
      { kind: "denied", publicKey: "UA", subject: "x.>" },
    ],
    [
      `${start} [ERR] 127.0.0.1:1 - cid:4 - authentication error`,
      { kind: "refused", why: "authentication error" },
    ],
    [
      `${start} [FTL] Error listening on port: 1, "address already in use"`,
      { kind: "address-in-use" },
    ],
    [`${start} [INF] Listening for client connections on 127.0.0.1:4222`, undefined],
    // A client may call itself what it likes.
    [`${start} [ERR] 127.0.0.1:1 - cid:5 - "Server is ready" - Slow Consumer`, undefined],
    [
      `${error} ${forged} - Publish Violation - Nkey "UA", Subject "x"`,
      { kind: "denied", publicKey: "UA", subject: "x" },
    ],
    ["Server is ready", undefined],
    ["", undefined],
  ] as const;
  for (const [line, want] of rows) assert.deepEqual(parseNatsLogLine(line), want, line);
});

test("nats ports file: the port, or nothing while it is half written", () => {
  assert.equal(parsePortsFile('{"nats":["tls://127.0.0.1:4222"]}'), 4222);
  assert.equal(parsePortsFile('{"nats":["nats://127.0.0.1:1"]}'), 1);
  assert.equal(parsePortsFile(""), undefined);
});
