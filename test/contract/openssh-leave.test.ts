// A host that is let go of has no connection of ours, and the folder of connections is empty.

import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { silentLog } from "../../runtime/log.ts";
import { createOpenSsh } from "../../runtime/openssh-os.ts";
import { sshdMissing, startSshd } from "../support/sshd.ts";
import { until } from "../support/until.ts";

const { signal } = new AbortController();

test("a connection ends when its host is left, or when what goes over it has ended", {
  skip: sshdMissing,
}, async () => {
  const root = mkdtempSync(join(tmpdir(), "sky-leave-"));
  const sshd = await startSshd(root);
  const known = join(root, "known");
  writeFileSync(known, `${sshd.knownHostsLine}\n`);
  const sshConfig = join(root, "config");
  const lines = [`Port ${sshd.port}`, `User ${sshd.user}`, `IdentityFile ${sshd.identityFile}`];
  writeFileSync(sshConfig, [...lines, `UserKnownHostsFile ${known}`, ""].join("\n"));
  const dir = join(root, "ssh");
  const ssh = createOpenSsh({ dir, log: silentLog, sshConfig });
  const target = { host: "127.0.0.1" };
  const connections = () => readdirSync(dir).filter((name) => name.startsWith("c-")).length;
  try {
    await ssh.run(target, { script: "true", timeoutMs: 20_000 }, signal);
    assert.equal(connections(), 1);
    await ssh.leave(target);
    assert.equal(connections(), 0);
    const script = "read line";
    const stream = await ssh.open(target, { script, timeoutMs: 20_000 }, signal);
    await ssh.leave(target);
    assert.equal(connections(), 1);
    stream.stdin.end("over\n");
    await stream.ended;
    await until("its connection has ended", () => connections() === 0);
  } finally {
    await ssh.close();
    await sshd.stop();
    rmSync(root, { recursive: true });
  }
});
