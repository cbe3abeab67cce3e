// Hosts, networks and configurations that are not as one would wish.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { type Code, isSkyError } from "../../model/errors.ts";
import { createOpenSsh } from "../../runtime/openssh-os.ts";
import type { SshCall } from "../../runtime/ssh.ts";
import { processesOf } from "../support/processes.ts";
import { openUserWorld, type UserWorld, type WorldWishes } from "../support/ssh-world.ts";
import { makeKey, sshdMissing } from "../support/sshd.ts";
import { until } from "../support/until.ts";
import { contractScripts } from "./ssh.contract.ts";

const never = new AbortController().signal;
const call = (script: string, more: Partial<SshCall> = {}): SshCall => ({
  ...{ script, timeoutMs: 30_000 },
  ...more,
});
const isCode =
  (code: Code, pattern = /./) =>
  (error: unknown): boolean => {
    assert.ok(isSkyError(error, code), String(error));
    assert.match(error.message, pattern);
    return true;
  };

function each(what: string, wishes: WorldWishes, work: (world: UserWorld) => Promise<void>): void {
  test(`openssh: ${what}`, { skip: sshdMissing, timeout: 120_000 }, async () => {
    const world = await openUserWorld(wishes);
    try {
      await work(world);
    } finally {
      await world.done();
    }
  });
}

each("a hundred calls at a time share one connection", {}, async ({ ssh, sshd, target }) => {
  const numbers = Array.from({ length: 100 }, (_, at) => String(at));
  const results = await Promise.all(
    numbers.map((number) => ssh.run(target, call('echo "$1"', { args: [number] }), never)),
  );
  assert.deepEqual(
    results.map(({ stdout }) => stdout.trim()),
    numbers,
  );
  assert.equal(sshd.connections, 1);
});

each("a host that takes one command at a time", { server: ["MaxSessions 1"] }, async (world) => {
  const { ssh, sshd, target } = world;
  const stream = await ssh.open(target, call("cat"), never);
  const results = Promise.all(
    ["a", "b", "c", "d"].map((input) => ssh.run(target, call("cat", { input }), never)),
  );
  stream.stdin.end();
  stream.stdout.resume();
  await stream.ended;
  assert.deepEqual(
    (await results).map(({ stdout }) => stdout),
    ["a", "b", "c", "d"],
  );
  assert.equal(sshd.connections, 1);
});

each("a host that takes no commands at all", { server: ["MaxSessions 0"] }, async (world) => {
  const { ssh, target } = world;
  await assert.rejects(ssh.run(target, call("true"), never), isCode("ssh/failed", /MaxSessions/));
});

each("a host that says nothing", { options: { connectMs: 1_000 } }, async (world) => {
  const { ssh, sshd, target } = world;
  sshd.silent = true;
  const patient = ssh.run(target, call("true"), never);
  await assert.rejects(
    ssh.run(target, call("true", { timeoutMs: 20 }), never),
    isCode("ssh/unreachable", /did not let us in within 0.02 s/),
  );
  await assert.rejects(patient, isCode("ssh/unreachable", /timed out/));
  sshd.silent = false;
  assert.equal((await ssh.run(target, call("echo back"), never)).stdout, "back\n");
});

each("whoever gives up alone ends the attempt", {}, async (world) => {
  const { ssh, sshd, target, dir } = world;
  sshd.silent = true;
  const control = new AbortController();
  const waiting = ssh.run(target, call("true"), control.signal);
  await until("it dials", () => processesOf(dir).length > 0);
  control.abort();
  await assert.rejects(waiting, isCode("core/cancelled"));
  await until("nobody dials any more", () => processesOf(dir).length === 0);
});

each("a connection whose process is killed", {}, async ({ ssh, target, dir }) => {
  const stream = await ssh.open(target, call("echo begun; cat"), never);
  await once(stream.stdout, "data");
  const masters = processesOf(dir).filter(({ command }) => / -M /.test(command));
  for (const { pid } of masters) process.kill(pid, "SIGKILL");
  await assert.rejects(stream.ended, isCode("ssh/unreachable"));
  assert.equal((await ssh.run(target, call("echo back"), never)).stdout, "back\n");
});

each("a network that is gone without a word", {}, async ({ ssh, sshd, target }) => {
  await ssh.run(target, call("true"), never);
  sshd.freeze("SIGSTOP");
  try {
    await assert.rejects(
      ssh.run(target, call("true", { timeoutMs: 60_000 }), never),
      isCode("ssh/unreachable", /not responding/),
    );
  } finally {
    sshd.freeze("SIGCONT");
  }
});

each("a flood on both outputs is cut", {}, async ({ ssh, target }) => {
  const flood = "dd if=/dev/zero bs=65536 count=320 2>/dev/null | tr '\\0' ";
  const script = `${flood} a & ${flood} b >&2; wait; exit 3`;
  const { code, stdout, stderr } = await ssh.run(target, call(script), never);
  assert.equal(code, 3);
  assert.equal(stdout, "a".repeat(1_048_576));
  assert.equal(stderr, "b".repeat(1_048_576));
});

each("a character is never cut in two", {}, async ({ ssh, target }) => {
  const script = "printf x; i=0; while [ $i -lt 350000 ]; do printf '日'; i=$((i+1)); done";
  const { stdout } = await ssh.run(target, call(script), never);
  assert.match(stdout, /^x日+$/);
  assert.equal(Buffer.byteLength(stdout), 1_048_576);
});

each("a reader that is slow holds the writer back", {}, async ({ ssh, target }) => {
  const script = "dd if=/dev/zero bs=65536 count=1600 2>/dev/null && echo all >&2";
  const stream = await ssh.open(target, call(script), never);
  await once(stream.stdout, "readable");
  assert.ok(stream.stdout.readableLength <= 262_144, `${stream.stdout.readableLength} bytes`);
  let bytes = 0;
  for await (const chunk of stream.stdout) bytes += (chunk as Buffer).length;
  assert.equal(bytes, 1600 * 65_536);
  assert.deepEqual(await stream.ended, { code: 0, stderr: "all\n" });
});

each("a stream that nobody wants any more ends its script", {}, async ({ ssh, target }) => {
  const stream = await ssh.open(target, call("while echo more; do :; done"), never);
  await once(stream.stdout, "data");
  stream.stdout.destroy();
  const { code } = await stream.ended;
  assert.notEqual(code, 0);
});

each("input that nobody reads is no error", {}, async ({ ssh, target }) => {
  const input = "x".repeat(4_000_000);
  assert.equal((await ssh.run(target, call("exit 5", { input }), never)).code, 5);
});

each("a script that ends with 255 has ended, nothing else", {}, async ({ ssh, target }) => {
  const { code, stderr } = await ssh.run(target, call("echo oops >&2; exit 255"), never);
  assert.deepEqual([code, stderr], [255, "oops\n"]);
});

const noise = 'ForceCommand echo hello; echo trouble >&2; eval "$SSH_ORIGINAL_COMMAND"';

each("a login shell that talks", { server: [noise] }, async ({ ssh, target }) => {
  const result = await ssh.run(target, call("cat; echo no >&2", { input: "in\n" }), never);
  assert.deepEqual(result, { code: 0, stdout: "in\n", stderr: "no\n" });
});

each("a login without a shell", { server: ["ForceCommand /usr/sbin/nologin"] }, async (world) => {
  await assert.rejects(
    world.ssh.run(world.target, call("true"), never),
    isCode("ssh/failed", /does not lead to a shell.*not available/s),
  );
});

const strange = [
  "Host *",
  ...["ControlMaster auto", "ControlPath ~/%C.sock", "ControlPersist 600", "RequestTTY force"],
  ...["RemoteCommand echo mine", "PermitLocalCommand yes", "LocalCommand echo sky-connected"],
  ...["LocalForward 127.0.0.1:1 127.0.0.1:2", "DynamicForward 1080", "ExitOnForwardFailure yes"],
  ...["RemoteForward 1 127.0.0.1:1", "ForwardAgent yes", "LogLevel QUIET", "BatchMode no"],
  ...["StrictHostKeyChecking no", "UpdateHostKeys ask", "VisualHostKey yes", "HashKnownHosts yes"],
  ...["EscapeChar x", "SendEnv *", "Tunnel no", "ServerAliveInterval 0", "ConnectTimeout 99"],
  ...["IgnoreUnknown UseKeychain,Forkafterauthentication,Stdinnull,Sessiontype"],
  ...["UseKeychain yes", "ForkAfterAuthentication yes", "StdinNull yes", "SessionType none"],
];

each("a user with settings for everything", { config: strange }, async (world) => {
  const { ssh, target, stranger, root } = world;
  const result = await ssh.run(target, call("cat; exit 4", { input: "x" }), never);
  assert.deepEqual(result, { code: 4, stdout: "x", stderr: "" });
  await assert.rejects(ssh.run(stranger, call("true"), never), isCode("ssh/host-key-unknown"));
  assert.ok(!readdirSync(root).some((name) => name.endsWith(".sock")));
});

each("a banner is not the script's output", {}, async (world) => {
  const banner = join(world.root, "banner");
  writeFileSync(banner, "Permission denied (publickey) to all who read this.\nline 3: bad\n");
  writeFileSync(join(world.root, "known", "sshd_config"), `Banner ${banner}\n`, { flag: "a" });
  const { ssh, target } = world;
  assert.deepEqual(await ssh.run(target, call("echo hi"), never), {
    ...{ code: 0, stdout: "hi\n", stderr: "" },
  });
});

each("a key with a passphrase and nobody to ask", {}, async ({ ssh, sshd, root }) => {
  const identityFile = makeKey(join(root, "locked"), "secret");
  const target = { host: "127.0.0.1", port: sshd.port, identityFile };
  await assert.rejects(
    ssh.run(target, call("true"), never),
    isCode("ssh/host-key-unknown", /is not on record/),
  );
  await ssh.trust(await ssh.hostKey(target, never));
  ssh.useAgent(join(root, "no-agent"));
  await assert.rejects(
    ssh.run(target, call("true"), never),
    isCode("ssh/denied", /the key .*locked has a passphrase and no agent is there with it/),
  );
});

each("keys of the agent that a client named", {}, async ({ ssh, sshd, root }) => {
  const socket = join(root, "agent");
  const agent = spawn("ssh-agent", ["-D", "-a", socket], { stdio: "ignore" });
  try {
    await until("the agent is there", () => existsSync(socket));
    const env = { ...process.env, SSH_AUTH_SOCK: socket };
    execFileSync("ssh-add", ["-q", sshd.identityFile], { env });
    const target = { host: "127.0.0.1", port: sshd.port, user: sshd.user };
    await ssh.trust(await ssh.hostKey(target, never));
    ssh.useAgent(join(root, "another"));
    await assert.rejects(ssh.run(target, call("true"), never), isCode("ssh/denied"));
    ssh.useAgent(socket);
    assert.equal((await ssh.run(target, call("echo x"), never)).stdout, "x\n");
  } finally {
    agent.kill();
    await once(agent, "exit");
  }
});

each(
  "commands that were given up and hold their place",
  { server: ["MaxSessions 1"] },
  async (world) => {
    const { ssh, sshd, target } = world;
    const control = new AbortController();
    const given = await ssh.open(target, call("echo $$; exec sleep 600"), control.signal);
    const [pid] = await once(given.stdout, "data");
    try {
      control.abort();
      await assert.rejects(given.ended, isCode("core/cancelled"));
      const run = () => ssh.run(target, call("echo x"), never);
      await assert.rejects(run(), isCode("ssh/unreachable", /given up still run there/));
      assert.equal((await run()).stdout, "x\n");
      await until("the old connection is gone", () => sshd.connections === 1);
    } finally {
      process.kill(Number(String(pid)));
    }
  },
);

each("a host with another key than before gets nothing", {}, async (world) => {
  const { ssh, sshd, target, root } = world;
  sshd.renewHostKey();
  const known = join(root, "user_known_hosts");
  const pattern = new RegExp(`${known}: line 1 .*ssh-keygen -R .*${sshd.port}`);
  await assert.rejects(
    ssh.run(target, call("echo x"), never),
    isCode("ssh/host-key-changed", pattern),
  );
  const key = await ssh.hostKey(target, never);
  await assert.rejects(ssh.trust(key), isCode("ssh/host-key-changed", /line 1/));
  await assert.rejects(ssh.run(target, call("true"), never), isCode("ssh/host-key-changed"));
});

each(
  "keys that many learn at a time are there once",
  {},
  async ({ ssh, dir, stranger, options }) => {
    const key = await ssh.hostKey(stranger, never);
    const others = Array.from({ length: 4 }, () => createOpenSsh(options));
    await Promise.all([ssh, ...others, ...others].map((one) => one.trust(key)));
    assert.equal(readFileSync(join(dir, "known_hosts"), "utf8"), `${key.line}\n`);
    const forged = { ...key, line: `${key.line}\nevil ${key.line.split(" ").slice(1).join(" ")}` };
    await assert.rejects(ssh.trust(forged), isCode("request/invalid"));
  },
);

const behind: WorldWishes = {
  more: ({ other }) =>
    ["Host behind", "HostName 127.0.0.1", `Port ${other.port}`, `User ${other.user}`]
      .concat([`IdentityFile ${other.identityFile}`, "ProxyJump gate"])
      .concat([`Host gate`, "HostName localhost", `Port ${other.port}`, `User ${other.user}`])
      .concat([`IdentityFile ${other.identityFile}`, "ControlMaster auto", "RequestTTY yes"])
      .join("\n"),
};

each("a host behind a jump host that is new as well", behind, async ({ ssh, dir }) => {
  const target = { host: "behind" };
  const run = () => ssh.run(target, call("echo hi"), never);
  await assert.rejects(run(), isCode("ssh/host-key-unknown", /\[localhost\]:\d+ \(a jump host/));
  const names: string[] = [];
  for (let round = 0; round < 2; round += 1) {
    const key = await ssh.hostKey(target, never);
    names.push(key.name.replace(/\d+$/, ""));
    await ssh.trust(key);
  }
  assert.deepEqual(names, ["[localhost]:", "[127.0.0.1]:"]);
  assert.equal((await run()).stdout, "hi\n");
  assert.deepEqual(
    readdirSync(dir).filter((name) => /^[kw]-/.test(name)),
    [],
  );
});

each("a jump host that does not let us in", behind, async ({ ssh, sshConfig, other }) => {
  const key = await ssh.hostKey({ host: "gate" }, never);
  await ssh.trust(key);
  const text = readFileSync(sshConfig, "utf8");
  const wrong = text.replace(/Host gate\n/, "$&IdentitiesOnly yes\nUser nobody-knows\n");
  writeFileSync(sshConfig, wrong);
  assert.ok(other.port > 0);
  await assert.rejects(
    ssh.run({ host: "behind" }, call("true"), never),
    isCode("ssh/denied", /a jump host of behind.*nobody-knows@localhost/),
  );
});

each("a tunnel carries what it is given, from a long path", {}, async (world) => {
  const { ssh, target, root, local, dir } = world;
  const remote = join(root, "s:1%h");
  const server = createServer((socket) => socket.pipe(socket));
  server.listen(remote);
  await once(server, "listening");
  const tunnel = await ssh.tunnel(target, { local, remote }, never);
  const talk = async (word: string): Promise<string> => {
    const socket = connect(shortWay(local, root));
    socket.end(word);
    let said = "";
    for await (const chunk of socket) said += String(chunk);
    return said;
  };
  assert.deepEqual(await Promise.all(["a", "b", "c"].map(talk)), ["a", "b", "c"]);
  await tunnel.close();
  server.close();
  assert.deepEqual(readdirSync(join(local, "..")), []);
  assert.deepEqual(
    readdirSync(dir).filter((name) => name.startsWith("t-")),
    [],
  );
  const again = await ssh.tunnel(target, { local, remote }, never);
  await world.cut();
  assert.match(await again.ended, /connection/i);
  await until("its socket is gone", () => readdirSync(join(local, "..")).length === 0);
});

/** A way to a socket that fits into an address. */
function shortWay(path: string, root: string): string {
  const link = join(root, "l");
  if (!existsSync(link)) symlinkSync(join(path, ".."), link);
  return join(link, "api.sock");
}

each("a connection that nobody uses ends", { options: { idleMs: 1 } }, async (world) => {
  const { ssh, sshd, target, dir } = world;
  await ssh.run(target, call("true"), never);
  await until("it has ended", () => sshd.connections === 0 && processesOf(dir).length === 0);
  assert.equal((await ssh.run(target, call("echo x"), never)).stdout, "x\n");
});

each("close ends what runs", {}, async ({ ssh, sshd, target, dir }) => {
  const stream = await ssh.open(target, call("cat"), never);
  const running = assert.rejects(
    ssh.run(target, call(contractScripts.wait), never),
    isCode("core/cancelled"),
  );
  await until("both run", () => processesOf(dir).length >= 4);
  await ssh.close();
  await assert.rejects(stream.ended, isCode("core/cancelled"));
  await running;
  assert.deepEqual(processesOf(dir), []);
  await until("the host sees it", () => sshd.connections === 0);
  assert.deepEqual(
    readdirSync(dir).filter((name) => /^[a-z]-/.test(name)),
    [],
  );
});

each("when our process is killed, nothing of it is left", {}, async (world) => {
  const { options, target, sshd, dir, local } = world;
  const { sshConfig } = options;
  const holder = join(import.meta.dirname, "openssh-holder.ts");
  // It reads until its connection ends, as everything does that can last.
  const wishes = { dir, sshConfig, host: target.host, local, script: "echo begun; cat" };
  const child = spawn(process.execPath, [holder, JSON.stringify(wishes)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    await once(child.stdout, "data");
    assert.equal(sshd.connections, 1);
  } finally {
    child.kill("SIGKILL");
  }
  await until("nothing runs here", () => processesOf(dir).length === 0);
  await until("nothing runs there", () => sshd.connections === 0);
  // What the kernel could not take away goes with the next one.
  await world.ssh.run(target, call("true"), never);
  const left = readdirSync(dir).filter((name) => name.includes(`-${child.pid}-`));
  assert.deepEqual(left, []);
});

each("two of us in one folder do not meet", {}, async ({ ssh, options, target, sshd }) => {
  const other = createOpenSsh(options);
  await Promise.all([ssh, other].map((one) => one.run(target, call("true"), never)));
  assert.equal(sshd.connections, 2);
  await other.close();
  assert.equal((await ssh.run(target, call("echo x"), never)).stdout, "x\n");
});

each("no ssh, and a configuration that is wrong", {}, async (world) => {
  const { options, target, sshConfig, ssh } = world;
  const none = createOpenSsh({ ...options, program: "no-such-ssh" });
  await assert.rejects(
    none.run(target, call("true"), never),
    isCode("ssh/failed", /no-such-ssh was not found: install/),
  );
  await none.close();
  writeFileSync(sshConfig, "Host target\n  Nonsense yes\n");
  await assert.rejects(
    ssh.run(target, call("true"), never),
    isCode("ssh/failed", /line 2: Bad configuration option: nonsense/),
  );
});
