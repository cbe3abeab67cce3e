// config.yaml: defaults, values, and errors that name the field.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parseConfig } from "../../model/config-file.ts";
import { isSkyError } from "../../model/errors.ts";

test("an empty file means the defaults", () => {
  const config = parseConfig("c", "");
  assert.equal(config.local.isolation, "embedded");
  assert.equal(config.idleExitSeconds, 60);
  assert.deepEqual(parseConfig("c", "# nothing\n"), config);
});

test("an alias without an anchor is an invalid setting, not a crash", () => {
  assert.throws(
    () => parseConfig("c", "idle_exit_seconds: *x\n"),
    (error) => isSkyError(error, "config/invalid") && /^c: .*alias.*x/.test(error.message),
  );
});

test("what is set is taken, the rest keeps its default", () => {
  const config = parseConfig("c", "local:\n  isolation: process\nidle_exit_seconds: 0.5\n");
  assert.equal(config.local.isolation, "process");
  assert.equal(config.idleExitSeconds, 0.5);
  assert.equal(config.leaseSeconds, 30);
  assert.equal(parseConfig("c", "lease_seconds: 0").leaseSeconds, 0);
  assert.throws(
    () => parseConfig("c", "lease_seconds: 1"),
    /lease_seconds: 1 is neither 0 nor at least 5/,
  );
  assert.equal(config.log.level, "info");
  assert.deepEqual(config.bulk, { port: 0 });
});

test("where nodes find the head may be elsewhere than where it listens", () => {
  const text = "bus:\n  advertise: head.example:4222\nbulk:\n  port: 7000\n  advertise: a:7001\n";
  const { bus, bulk, join } = parseConfig("c", `${text}join:\n  advertise: /run/join.sock\n`);
  assert.deepEqual(join, { advertise: "/run/join.sock" });
  assert.deepEqual(bus, { advertise: { host: "head.example", port: 4222 } });
  assert.deepEqual(bulk, { port: 7000, advertise: { host: "a", port: 7001 } });
});

test("a bus of somebody else is named with all that it takes to use it", () => {
  const keys = "  credentials: /h.creds\n  node_credentials: /{cluster}-{node}\n";
  const { bus } = parseConfig("c", `bus:\n  url: tls://a:1, tls://b:2\n${keys}  authority: /ca\n`);
  assert.deepEqual(bus.given, {
    ...{ urls: ["tls://a:1", "tls://b:2"], credentials: "/h.creds" },
    ...{ nodeCredentials: "/{cluster}-{node}", authority: "/ca" },
  });
  assert.equal(parseConfig("c", `bus:\n  url: tls://a:1\n${keys}`).bus.given?.authority, undefined);
});

test("what is wrong is refused with the file and the field", () => {
  const rows: readonly [string, RegExp][] = [
    ["local:\n  isolatoin: process\n", /local\.isolatoin.*Did you mean 'isolation'\?/],
    ["local:\n  isolation: docker\n", /local\.isolation: 'docker' is not one of embedded, process/],
    ["idle_exit_seconds: soon\n", /idle_exit_seconds: 'soon' is not a number/],
    ["idle_exit_seconds: -1\n", /idle_exit_seconds: -1 is less than 0/],
    ["history:\n  jobs: 1.5\n", /history\.jobs: 1\.5 is not a whole number/],
    ["history:\n  events: 0\n", /history\.events: 0 is less than 1/],
    ["bulk:\n  port: 70000\n", /bulk\.port: 70000 is more than 65535/],
    ["journal:\n", /journal: null is not a list of settings/],
    ["journal:\n  replica: a\n", /journal\.replica: 'a' is not an absolute path/],
    ["- a list\n", /c: the file: \["a list"\] is not a list of settings/],
    ["bus:\n  advertise: nowhere\n", /bus\.advertise: 'nowhere' is not host:port/],
    ["bus:\n  url: tls://a:1\n", /bus: url, credentials and node_credentials go together/],
    ["bus:\n  url: nats://a:1\n", /bus\.url: 'nats:\/\/a:1' is not tls/],
    ["bus:\n  url: tls://me:secret@a:1\n", /bus\.url: .* is not tls/],
    ["bus:\n  credentials: h.creds\n", /bus\.credentials: 'h\.creds' is not an absolute path/],
    ["bus:\n  authority: /ca\n", /bus: authority goes with url/],
    ["bulk:\n  advertise: a:70000\n", /bulk\.advertise/],
    ["join:\n  advertise: a:1\n", /join\.advertise/],
    ["bulk:\n  prot: 1\n", /bulk\.prot.*Did you mean 'port'\?/],
    ["local: [\n", /c:\d+:\d+/],
  ];
  for (const [text, expected] of rows) {
    assert.throws(
      () => parseConfig("c", text),
      (error) => isSkyError(error, "config/invalid") && expected.test(error.message),
      text,
    );
  }
});
