// What OpenSSH prints, in its versions 7.6 to 10, and what we make of it.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Code } from "../../model/errors.ts";
import { isSessionRefused, noShell, sshErrorOf } from "../../runtime/openssh-errors.ts";

const attempt = {
  target: { host: "lab1" },
  hostname: "10.0.0.9",
  knownName: "[10.0.0.9]:2222",
  user: "alice",
  folder: "/sky/ssh",
};

interface Case {
  readonly said: string;
  readonly code: Code;
  /** Parts of the message. */
  readonly has: readonly string[];
}

const closedJump = `kex_exchange_identification: Connection closed by remote host\r
Connection closed by UNKNOWN port 65535\r
`;

const changedKey = `@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!
Someone could be eavesdropping on you right now (man-in-the-middle attack)!
It is also possible that a host key has just been changed.
The fingerprint for the ED25519 key sent by the remote host is
SHA256:mQ5kvC1lJ6mMZZ3gdSdz3YvOGUPEO6T8P6C8JhbKg1w.
Please contact your system administrator.
Add correct host key in ./known_hosts to get rid of this message.
Offending ED25519 key in ./known_hosts:3
  remove with:
  ssh-keygen -f "./known_hosts" -R "[10.0.0.9]:2222"
Host key for [10.0.0.9]:2222 has changed and you have requested strict checking.
Host key verification failed.
`;

const cases: Readonly<Record<string, Case>> = {
  refused: {
    said: "ssh: connect to host 10.0.0.9 port 2222: Connection refused\r\n",
    code: "ssh/unreachable",
    has: ["host lab1", "connection refused (10.0.0.9 port 2222)"],
  },
  "timed out": {
    said: "ssh: connect to host 10.0.0.9 port 22: Connection timed out\r\n",
    code: "ssh/unreachable",
    has: ["connection timed out"],
  },
  "no route": {
    said: "ssh: connect to host 10.0.0.9 port 22: No route to host",
    code: "ssh/unreachable",
    has: ["no route to host"],
  },
  "no name": {
    said: "ssh: Could not resolve hostname lab1: Name or service not known\r\n",
    code: "ssh/unreachable",
    has: ["the name lab1 is not known"],
  },
  "no name, of a jump host": {
    said: [
      "ssh: Could not resolve hostname gate: Temporary failure in name resolution\n",
      `${closedJump}`,
    ].join(""),
    code: "ssh/unreachable",
    has: ["host lab1", "jump host gate is not known"],
  },
  "a jump host that is down": {
    said: `ssh: connect to host 10.9.9.9 port 22: Connection refused\n${closedJump}`,
    code: "ssh/unreachable",
    has: ["jump host 10.9.9.9 port 22"],
  },
  "nothing behind a jump host": {
    said: [
      "channel 0: open failed: connect failed: No route to host\n",
      "stdio forwarding failed\n",
      `${closedJump}`,
    ].join(""),
    code: "ssh/unreachable",
    has: ["jump host on the way cannot reach it (no route to host)"],
  },
  "a jump host that passes nothing on": {
    said: [
      "channel 0: open failed: administratively prohibited: open failed\n",
      "stdio forwarding failed\n",
      `${closedJump}`,
    ].join(""),
    code: "ssh/unreachable",
    has: ["AllowTcpForwarding"],
  },
  "a jump host that denies": {
    said: `bob@gate: Permission denied (publickey).\r\n${closedJump}`,
    code: "ssh/denied",
    has: ["host gate (a jump host of lab1)", "bob@gate"],
  },
  "silence, version 8": {
    said: "Connection timed out during banner exchange\r\n",
    code: "ssh/unreachable",
    has: ["timed out during banner exchange"],
  },
  "silence, version 9": {
    said: [
      "Connection timed out during banner exchange\r\n",
      "Connection to 10.0.0.9 port 22 timed out\r\n",
    ].join(""),
    code: "ssh/unreachable",
    has: ["timed out during banner exchange"],
  },
  "reset, version 7": {
    said: "ssh_exchange_identification: read: Connection reset by peer\r\n",
    code: "ssh/unreachable",
    has: ["Connection reset by peer"],
  },
  "reset, version 9": {
    said: [
      "kex_exchange_identification: read: Connection reset by peer\r\n",
      "Connection reset by 10.0.0.9 port 22\r\n",
    ].join(""),
    code: "ssh/unreachable",
    has: ["reset by"],
  },
  "broken off": {
    said: "client_loop: send disconnect: Broken pipe\r\n",
    code: "ssh/unreachable",
    has: ["Broken pipe"],
  },
  "no answer any more": {
    said: "Timeout, server 10.0.0.9 not responding.\r\n",
    code: "ssh/unreachable",
    has: ["server 10.0.0.9 not responding"],
  },
  "a ProxyCommand that says why": {
    said: "proxy says no\nbanner exchange: Connection to UNKNOWN port 65535: Broken pipe\r\n",
    code: "ssh/unreachable",
    has: ["the way there ended: proxy says no"],
  },
  "a ProxyCommand without a word": {
    said: closedJump,
    code: "ssh/unreachable",
    has: ["the ProxyCommand for lab1 ended"],
  },
  "no keys that fit": {
    said: "alice@10.0.0.9: Permission denied (publickey,password).\r\n",
    code: "ssh/denied",
    has: ["host lab1", "none of our keys opens alice@10.0.0.9", "ssh-copy-id alice@10.0.0.9"],
  },
  "no keys that fit, before version 7.7": {
    said: "Permission denied (publickey).\r\n",
    code: "ssh/denied",
    has: ["alice@lab1"],
  },
  "a password only": {
    said: "alice@10.0.0.9: Permission denied (password,keyboard-interactive).\r\n",
    code: "ssh/denied",
    has: ["takes no keys, only a password or a password or a code", "PubkeyAuthentication yes"],
  },
  "too many keys": {
    said: [
      "Received disconnect from 10.0.0.9 port 22:2: Too many authentication failures\r\n",
      "Disconnected from 10.0.0.9 port 22\r\n",
    ].join(""),
    code: "ssh/denied",
    has: ["identity_file"],
  },
  "a key file that is not there": {
    said: [
      "Warning: Identity file /k/id not accessible: No such file or directory.\n",
      "alice@10.0.0.9: Permission denied (publickey).\r\n",
    ].join(""),
    code: "ssh/denied",
    has: ["the key /k/id is not there; none of our keys"],
  },
  "a key file that others can read": {
    said: [
      "@         WARNING: UNPROTECTED PRIVATE KEY FILE!          @\n",
      "Permissions 0644 for '/k/id' are too open.\n",
      "It is required that your private key files are NOT accessible by others.\n",
      'Load key "/k/id": bad permissions\n',
      "alice@10.0.0.9: Permission denied (publickey).\r\n",
    ].join(""),
    code: "ssh/denied",
    has: ["others can read the key /k/id (chmod 600); none"],
  },
  "an unknown key": {
    said: [
      "No ED25519 host key is known for [10.0.0.9]:2222 and you ",
      "have requested strict checking.\r\n",
      "Host key verification failed.\r\n",
    ].join(""),
    code: "ssh/host-key-unknown",
    has: ["host lab1", "ED25519 key is not on record (as [10.0.0.9]:2222)"],
  },
  "an unknown key of a jump host": {
    said: [
      "No ED25519 host key is known for gate and you have requested strict checking.\r\n",
      "Host key verification failed.\r\n",
      `${closedJump}`,
    ].join(""),
    code: "ssh/host-key-unknown",
    has: ["host gate (a jump host of lab1)"],
  },
  "a changed key": {
    said: changedKey,
    code: "ssh/host-key-changed",
    has: [
      "host lab1",
      "/sky/ssh/known_hosts: line 3 has another ED25519 key",
      "ssh-keygen -R '[10.0.0.9]:2222' -f /sky/ssh/known_hosts",
    ],
  },
  "a changed key, version 10": {
    said: changedKey.replace("Host key for", "ED25519 host key for"),
    code: "ssh/host-key-changed",
    has: ["line 3"],
  },
  "a revoked key": {
    said: [
      "@       WARNING: REVOKED HOST KEY DETECTED!               @\n",
      "The ED25519 host key for 10.0.0.9 is marked as revoked.\n",
      "Host key verification failed.\n",
    ].join(""),
    code: "ssh/host-key-changed",
    has: ["revoked"],
  },
  "a ProxyCommand with a stranger": {
    said: `Host key verification failed.\r\n${closedJump}`,
    code: "ssh/failed",
    has: ["ProxyCommand", "ssh lab1"],
  },
  "a wrong configuration": {
    said: [
      "/home/config: line 3: Bad configuration option: foo\r\n",
      "/home/config: terminating, 1 bad configuration options\r\n",
    ].join(""),
    code: "ssh/failed",
    has: ["/home/config: line 3: Bad configuration option: foo"],
  },
  "a configuration that others can write": {
    said: "Bad owner or permissions on /home/config\r\n",
    code: "ssh/failed",
    has: ["Bad owner or permissions on /home/config"],
  },
  "nothing in common": {
    said: [
      "Unable to negotiate with 10.0.0.9 port 22: no matching host ",
      "key type found. Their offer: ssh-rsa\r\n",
    ].join(""),
    code: "ssh/failed",
    has: ["Their offer: ssh-rsa"],
  },
  "no SSH server": {
    said: [
      "kex_exchange_identification: banner line contains invalid characters\r\n",
      "banner exchange: Connection to 10.0.0.9 port 80: invalid format\r\n",
    ].join(""),
    code: "ssh/failed",
    has: ["what answers at 10.0.0.9 port 80 is no SSH server"],
  },
  "words that nobody knows": {
    said: "first\nsomething new went wrong\n",
    code: "ssh/failed",
    has: ["something new went wrong"],
  },
  "no word": { said: "", code: "ssh/failed", has: ["without a word"] },
};

for (const [name, { said, code, has }] of Object.entries(cases)) {
  test(`openssh-errors: ${name}`, () => {
    const error = sshErrorOf(said, attempt);
    assert.equal(error.code, code, error.message);
    for (const part of has) assert.ok(error.message.includes(part), error.message);
    assert.ok(!error.message.includes("\r"), error.message);
  });
}

test("openssh-errors: a banner that speaks of trouble is none", () => {
  const banner = "NOTICE: Permission denied to all but staff. Bad guys: keep out!\n";
  const error = sshErrorOf(`${banner}ssh: connect to host h port 22: Connection refused`, attempt);
  assert.equal(error.code, "ssh/unreachable");
});

test("openssh-errors: sessions and shells", () => {
  const refused =
    "mux_client_request_session: session request failed: Session open refused by peer\r\nControlSocket ./c-1-1 already exists, disabling multiplexing\r\n";
  assert.ok(isSessionRefused(refused));
  assert.ok(!isSessionRefused("Permission denied"));
  const error = noShell({ host: "lab1" }, "This account is currently not available.\n");
  assert.match(error.message, /does not lead to a shell .*not available/);
});
