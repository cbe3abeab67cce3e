// The small texts that an agent reads: rank files, /proc, cgroups.

import assert from "node:assert/strict";
import { test } from "node:test";
import { flatCounter, parseCgroupMounts, parseOwnCgroup, parseStat } from "../../agent/proc.ts";
import {
  encodeSpec,
  exitOf,
  parseClaim,
  parseExitLine,
  parseStarted,
  specProblem,
} from "../../agent/rank-files.ts";
import { fc } from "../support/property.ts";

const none = { logLost: undefined, killedByUs: false, leaseExpired: false, oomKills: 0 };

test("an exit file counts only once it is whole", () => {
  assert.equal(parseExitLine(undefined), undefined);
  assert.equal(parseExitLine(""), undefined);
  assert.equal(parseExitLine("\n"), undefined);
  assert.equal(parseExitLine("13"), undefined);
  assert.equal(parseExitLine("137\n"), 137);
  assert.equal(parseExitLine("no\n"), undefined);
});

test("a claim counts only once it is whole", () => {
  const text = "abc-1 boot 10 11 20 21 30 31 +\n";
  const claim = {
    token: "abc-1",
    bootId: "boot",
    keeper: { pid: 10, startTicks: 11 },
    runner: { pid: 20, startTicks: 21 },
    logger: { pid: 30, startTicks: 31 },
    leaf: "abc-1",
    emptied: false,
    output: undefined,
    started: undefined,
  };
  assert.deepEqual(parseClaim(text), claim);
  assert.deepEqual(parseClaim(`${text}pipe:[4`), claim, "a line that is still being written");
  const output = "pipe:[42]";
  assert.deepEqual(parseClaim(`${text}${output}\n1700`), { ...claim, output });
  const started = "1700.000001";
  assert.deepEqual(parseClaim(`${text}${output}\n${started}\n`), { ...claim, output, started });
  assert.equal(parseClaim(`${text}/slots/report\n`)?.output, undefined, "no pipe");
  const emptied = `${text}${output}\n${started}\nemptied\n`;
  assert.deepEqual(parseClaim(emptied), { ...claim, output, started, emptied: true });
  assert.equal(parseClaim("\n"), undefined);
  assert.equal(parseClaim(text.replace("+", "-"))?.leaf, undefined);
  assert.equal(parseClaim(text.replace("+", "abc-0"))?.leaf, "abc-0", "its seat's");
  assert.equal(parseClaim(`${text}${output}\n\n`)?.started, "", "a shell without a clock");
  for (let end = 0; end < text.length; end += 1) {
    assert.equal(parseClaim(text.slice(0, end)), undefined);
  }
});

test("a start is read whatever the locale's point is", () => {
  assert.equal(parseStarted("1700000000.123456\n"), 1_700_000_000_123.456);
  assert.equal(parseStarted("1700000000,123456\n"), 1_700_000_000_123.456);
  assert.equal(parseStarted("\n"), undefined);
});

test("an exit above 128 is a signal, with evidence only where there is any", () => {
  assert.deepEqual(exitOf(0, none), { kind: "code", code: 0 });
  assert.deepEqual(exitOf(128, none), { kind: "code", code: 128 });
  assert.deepEqual(exitOf(255, none), { kind: "code", code: 255 });
  const either = exitOf(137, none);
  assert.deepEqual(either, { kind: "signal", signal: 9, evidence: "" });
  const ours = exitOf(137, { ...none, killedByUs: true });
  assert.equal(ours.kind === "signal" && ours.evidence, "sent by the agent");
  const memory = exitOf(137, { ...none, oomKills: 2 });
  assert.match(memory.kind === "signal" ? memory.evidence : "", /^2 out-of-memory kills/);
  const term = exitOf(143, { ...none, killedByUs: true });
  assert.deepEqual(term, { kind: "signal", signal: 15, evidence: "" });
  assert.equal(exitOf(0, { ...none, logLost: "137\n" }).kind, "unknown");
});

test("a kill by the watchdog is told as what it is, and an exit of its own stands", () => {
  const over = { ...none, leaseExpired: true };
  assert.deepEqual(exitOf(137, over), { kind: "stopped", why: "lease-expired" });
  assert.deepEqual(exitOf(0, over), { kind: "code", code: 0 });
});

test("what bash cannot pass on is a problem; everything else is encoded with NULs", () => {
  const text = fc.string({ unit: "binary" });
  fc.assert(
    fc.property(fc.dictionary(fc.string(), text), (env) => {
      if (specProblem({ script: "true", env }) !== undefined) return;
      const [dir, cwd, home, ...pairs] = encodeSpec({ dir: "d", cwd: "c", home: "h", env }).split(
        "\0",
      );
      assert.deepEqual([dir, cwd, home, pairs.pop()], ["d", "c", "h", ""]);
      const back = Object.fromEntries(pairs.map((pair) => [pair.split("=", 1)[0], pair]));
      for (const [name, value] of Object.entries(env)) assert.equal(back[name], `${name}=${value}`);
    }),
  );
  for (const name of ["", "a.b", "1a", "a=b", "UID", "__skylet_x"]) {
    assert.notEqual(specProblem({ script: "", env: { [name]: "" } }), undefined, name);
  }
});

test("a process's name may hold anything", () => {
  const line = `42 (a) b (c) S 1 42 40 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 98765 1 2`;
  const expected = { pid: 42, state: "S", parent: 1, session: 40, startTicks: 98_765 };
  assert.deepEqual(parseStat(line), expected);
  assert.equal(parseStat(""), undefined);
});

test("cgroups are found wherever they are mounted", () => {
  const mountinfo = [
    "30 20 0:26 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755",
    "31 30 0:27 / /sys/fs/cgroup/freezer rw - cgroup cgroup rw,freezer",
    "32 30 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory",
    "33 30 0:29 / /sys/fs/cgroup/uni\\040fied rw shared:4 - cgroup2 cgroup2 rw",
    "",
  ].join("\n");
  assert.deepEqual(
    parseCgroupMounts(mountinfo).map(({ kind, mountPoint }) => [kind, mountPoint]),
    [
      ["v2", "/sys/fs/cgroup/uni fied"],
      ["freezer", "/sys/fs/cgroup/freezer"],
    ],
  );
  const own = "6:freezer:/jobs\n0::/user.slice/a:b\n";
  assert.equal(parseOwnCgroup(own, "v2"), "/user.slice/a:b");
  assert.equal(parseOwnCgroup(own, "freezer"), "/jobs");
  assert.equal(flatCounter("oom 1\noom_kill 3\n", "oom_kill"), 3);
  assert.equal(flatCounter("", "oom_kill"), 0);
});
