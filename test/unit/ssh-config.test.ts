// The texts of `ssh CLUSTER`: our block in a file of the user's, and our own file.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  hostBlock,
  includes,
  isOwnName,
  type Made,
  namesHost,
  namesOf,
  parseSections,
  plainName,
  sectionsText,
  sshName,
  withInclude,
  withoutInclude,
  withSection,
} from "../../clouds/ssh/ssh-config.ts";
import { parseResolved } from "../../runtime/openssh-options.ts";
import { fc } from "../support/property.ts";

const config = "/home of/me [1]/.sky/ssh/config";

test("ssh-config: any file of a user, with our lines and without them, is what it was", () => {
  const lines = fc.constantFrom(
    "Host a\n",
    "\r\n",
    "# Skylet: hosts of",
    "Include x",
    "\n",
    "é\xff",
  );
  const text = fc.array(fc.oneof(lines, fc.string()), { maxLength: 12 }).map((all) => all.join(""));
  const made = fc.constantFrom<Made>("nothing", "file", "folder");
  fc.assert(
    fc.property(text, made, (user, how) => {
      const own = withInclude(user, config, how);
      assert.ok(includes(own, config));
      assert.ok(own.endsWith(user));
      assert.equal(withInclude(own, config, "nothing"), own);
      assert.deepEqual(withoutInclude(own, config), { text: user, made: how });
    }),
  );
});

test("ssh-config: lines of another home, and lines that a user wrote himself, stay", () => {
  const other = withInclude("Host a\n", "/other/ssh/config", "nothing");
  const both = withInclude(other, config, "nothing");
  assert.equal(withoutInclude(both, config).text, other);
  const moved = `Host a\n${withInclude("", config, "nothing")}Host b\n`;
  assert.equal(withoutInclude(moved, config).text, "Host a\nHost b\n");
  const mine = 'Include "/home of/me \\[1\\]/.sky/ssh/config"\n';
  assert.equal(withInclude(mine, config, "nothing"), mine);
  assert.equal(withoutInclude(mine, config).text, mine);
});

test("ssh-config: names that a user gives", () => {
  const text = 'host = "demo" other\n  HostName x\n#Host no\nHost lab* !bad\n';
  for (const name of ["demo", "DEMO", "other"]) assert.ok(namesHost(text, name), name);
  for (const name of ["no", "lab1", "x", "HostName"]) assert.ok(!namesHost(text, name), name);
});

test("ssh-config: our file keeps the other clusters", () => {
  const one = withSection([], { cluster: "b", lines: ["Host b", "  port 1"] });
  const two = withSection(one, {
    cluster: "a",
    lines: ["Host a", "# a-worker1 is left out: taken"],
  });
  const text = sectionsText(two);
  assert.deepEqual(parseSections(text), two);
  assert.deepEqual(
    two.map(({ cluster }) => cluster),
    ["a", "b"],
  );
  assert.deepEqual(namesOf(text, "a"), {
    ...{ names: ["a"], left: [{ name: "a-worker1", why: "taken" }] },
  });
  assert.deepEqual(namesOf(text, "c"), { names: [], left: [] });
  assert.deepEqual(withSection(two, { cluster: "a", lines: [] }), one);
  assert.equal(sshName("demo", 0), "demo");
  assert.equal(sshName("demo", 3), "demo-worker3");
});

const everyone = ["port 22", "user me", "identityfile ~/.ssh/id_rsa", "identitiesonly no"];
const known = "userknownhostsfile /h/known_hosts";
const plain = parseResolved([`hostname ${plainName}`, ...everyone, known].join("\n"));

test("ssh-config: a block repeats what is special about a host, and nothing else", () => {
  const resolved = parseResolved(
    [
      ...["hostname 10.0.0.5", "port 2222", "user lab", "identityfile /k/a b"],
      ...["identityfile /k/c", "identityfile /k/a b"],
      ...["identitiesonly yes", "proxyjump gate", "forwardagent yes", known],
    ].join("\n"),
  );
  const target = { host: "lab1" };
  const block = { name: "demo", target, resolved, plain, knownHosts: "/s k/100%/known_hosts" };
  assert.deepEqual(hostBlock(block), [
    "Host demo",
    "  hostname 10.0.0.5",
    "  port 2222",
    "  user lab",
    '  identityfile "/k/a b"',
    "  identityfile /k/c",
    "  identitiesonly yes",
    "  proxyjump gate",
    '  userknownhostsfile "/s k/100%%/known_hosts" /h/known_hosts',
  ]);
  const same = parseResolved(["hostname 10.0.0.6", ...everyone].join("\n"));
  assert.deepEqual(hostBlock({ ...block, resolved: same }), [
    ...["Host demo", "  hostname 10.0.0.6", "  port 22"],
    '  userknownhostsfile "/s k/100%%/known_hosts"',
  ]);
});

test("ssh-config: a name is the user's own if something special is said of it", () => {
  const own = (...lines: readonly string[]) =>
    isOwnName("demo", parseResolved([...lines, ...everyone].join("\n")), plain);
  assert.ok(!own("hostname demo"));
  assert.ok(own("hostname 10.0.0.7"));
  assert.ok(own("hostname demo", "proxyjump gate"));
  assert.ok(own("hostname demo", "proxycommand nc demo 22"));
  const corporate = parseResolved([`hostname ${plainName}.corp`, ...everyone].join("\n"));
  const mine = parseResolved(["hostname demo.corp", ...everyone].join("\n"));
  assert.ok(!isOwnName("demo", mine, corporate));
});
