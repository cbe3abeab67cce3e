// Who is in a file of host keys, and what a new key finds there.

import assert from "node:assert/strict";
import { test } from "node:test";
import { keysOf, parseHostKey, standingOf } from "../../runtime/known-hosts.ts";
import { memoryHostKey } from "../../runtime/ssh-memory.ts";

const key = memoryHostKey("lab1");
const [, , blob = ""] = key.line.split(" ");
const [, , otherBlob = ""] = memoryHostKey("other").line.split(" ");
const file = (text: string) => ({ path: "/known_hosts", text });

test("known-hosts: a line is read whole or not at all", () => {
  assert.deepEqual(parseHostKey(key.line), key);
  assert.equal(key.type, "ED25519");
  for (const line of [
    `lab1,lab2 ssh-ed25519 ${blob}`,
    `lab1 ssh-rsa ${blob}`,
    `@revoked lab1 ssh-ed25519 ${blob}`,
    `* ssh-ed25519 ${blob}`,
    `${key.line}\nevil ssh-ed25519 ${blob}`,
    "lab1 ssh-ed25519",
    "lab1 ssh-ed25519 AAAA",
    "",
  ]) {
    assert.equal(parseHostKey(line), undefined, line);
  }
});

test("known-hosts: names, patterns, hashes and comments", () => {
  const text = [
    "# lab1 is a comment",
    `lab1,10.0.0.9 ssh-ed25519 ${blob} a comment`,
    `*.lab,!bad.lab ssh-ed25519 ${blob}`,
    `|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988QV0VE8wmZL7suNrYQLITLCg= ssh-rsa ${blob}`,
    `@cert-authority * ssh-ed25519 ${blob}`,
  ].join("\n");
  assert.deepEqual(
    keysOf(text, "lab1").map((one) => [one.line, one.mark]),
    [
      [2, ""],
      [5, "@cert-authority"],
    ],
  );
  assert.deepEqual(
    keysOf(text, "192.168.1.61").map((one) => one.line),
    [4, 5],
  );
  assert.equal(keysOf(text, "A.LAB").length, 2);
  assert.equal(keysOf(text, "bad.lab").length, 1);
});

test("known-hosts: a new key finds nothing, itself, another, or its ban", () => {
  assert.deepEqual(standingOf(key, [file(""), file(`lab2 ssh-ed25519 ${otherBlob}`)]), {
    kind: "new",
  });
  assert.deepEqual(standingOf(key, [file(`lab1 ssh-ed25519 ${blob}\n`)]), { kind: "known" });
  assert.deepEqual(standingOf(key, [file(`\nlab1 ssh-ed25519 ${otherBlob}`)]), {
    ...{ kind: "other", file: "/known_hosts", line: 2 },
  });
  // Another type of key is no other key: a host has one of each.
  assert.deepEqual(standingOf(key, [file(`lab1 ssh-rsa ${otherBlob}`)]), { kind: "new" });
  assert.deepEqual(standingOf(key, [file(`@revoked * ssh-ed25519 ${blob}`)]), {
    ...{ kind: "revoked", file: "/known_hosts", line: 1 },
  });
});
