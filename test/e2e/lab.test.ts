// The lab itself: hosts are apart, reach each other, break when asked to, and leave nothing.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { until } from "../support/until.ts";
import { type Host, isClean, type Lab, labProblem, startLab, takesConnections } from "./lab.ts";
import { type Ran, run, startOf } from "./lab-run.ts";

const problem = labProblem();
const skip = problem ?? false;

/** A command over ssh, as the client's user would type it. */
function ssh(lab: Lab, host: Host, script: string): Promise<Ran> {
  return run(["ssh", "-o", "BatchMode=yes", host.name, script], {
    env: lab.client.env,
    mayFail: true,
  });
}

describe("four hosts", { skip }, () => {
  let lab: Lab;

  before(async () => {
    lab = await startLab({
      hosts: { 2: { sshPort: 2_222, diskMib: 64 }, 3: { users: ["grace"] } },
    });
  });

  after(() => lab?.close());

  test("a login reaches each of them, by its name, port and user", async () => {
    for (const host of lab.hosts) {
      const { stdout, stderr } = await ssh(lab, host, 'echo "$(hostname) $(id -un) $HOME"');
      assert.equal(stdout, `${host.name} ${host.user} /home/${host.user}\n`, stderr);
    }
  });

  test("files, processes and names are each host's own", async () => {
    const [first, second] = [lab.host(0), lab.host(1)];
    await ssh(lab, first, "echo mine >~/file; cd /tmp; echo mine >file");
    const pid = (await ssh(lab, first, "setsid sleep 600 >/dev/null 2>&1 & echo $!")).stdout.trim();
    const left = first.sweep();
    assert.deepEqual(left.files, [`+ ${first.home}/file`, `+ ${join("/tmp", "file")}`]);
    assert.equal(left.processes.length, 1, left.processes.join("\n"));
    assert.ok(isClean(second.sweep()), JSON.stringify(second.sweep()));
    const { stdout } = await ssh(lab, second, "cat ~/file; cd /tmp; cat file; ps ax");
    assert.doesNotMatch(stdout, /mine|sleep 600/);
    await ssh(lab, first, `kill ${pid}; rm ~/file; cd /tmp; rm file`);
    await until("the first host is as it was", () => isClean(first.sweep()), {
      describe: () => JSON.stringify(first.sweep()),
    });
  });

  test("a bare host has nothing of what we bring along", async () => {
    const script = "command -v node python3 nats-server curl; command -v bash tar gzip sha256sum";
    const { stdout } = await ssh(lab, lab.host(0), script);
    assert.equal(
      stdout,
      ["bash", "tar", "gzip", "sha256sum"].map((p) => `/usr/bin/${p}\n`).join(""),
    );
  });

  test("a port that is opened and a unit that is written are seen by a sweep", async () => {
    const host = lab.host(1);
    await host.exec("mkdir -p .config/systemd/user; echo x >.config/systemd/user/a.service", {
      user: "ada",
    });
    const opened = await sshd(host, 4_321);
    const left = host.sweep();
    assert.deepEqual(left.ports, ["tcp 4321"]);
    assert.ok(left.files.includes(`+ ${host.home}/.config/systemd/user/a.service`));
    await host.exec(`kill ${opened}; rm -r ${host.home}/.config`);
    await until("the host is as it was", () => isClean(host.sweep()));
  });

  test("hosts reach each other; a cut link silences one until it is healed", async () => {
    const [first, second] = [lab.host(0), lab.host(1)];
    assert.equal(await reaches(first, second), true);
    await second.cutLink();
    assert.equal(await reaches(first, second), false);
    assert.equal(await takesConnections(second.address, 22), false);
    assert.equal(await takesConnections(first.address, 22), true);
    await second.healLink();
    await until("the link works again", () => reaches(first, second));
    assert.equal(await takesConnections(second.address, 22), true);
  });

  test("a throttled link holds bytes back, and an open one does not", async () => {
    const host = lab.host(1);
    const bytes = 1_000_000;
    const ask = { env: lab.client.env };
    const copy = ["ssh", host.name, `head -c ${bytes} /dev/zero`];
    await host.throttle(400_000);
    const startedAt = performance.now();
    assert.equal((await run(copy, ask)).stdout.length, bytes);
    const seconds = (performance.now() - startedAt) / 1_000;
    // The limit is a promise of the kernel, not of a fast machine: it can only take longer.
    assert.ok(bytes / seconds < 600_000, `${bytes} bytes in ${seconds} s`);
    await host.throttle();
    assert.equal((await host.exec("tc qdisc show dev eth0")).stdout.includes("tbf"), false);
  });

  test("a reboot ends all, empties /tmp, keeps the home, and makes a new boot id", async () => {
    const host = lab.host(0);
    const look = "cat /proc/sys/kernel/random/boot_id; cut -d. -f1 /proc/uptime";
    await ssh(
      lab,
      host,
      "echo kept >~/kept; cd /tmp; echo lost >lost; setsid sleep 600 >&- 2>&- &",
    );
    const [boot, uptime] = (await ssh(lab, host, look)).stdout.split("\n");
    await host.reboot();
    const [newBoot, newUptime] = (await ssh(lab, host, look)).stdout.split("\n");
    assert.notEqual(newBoot, boot);
    assert.match(newBoot ?? "", /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/);
    assert.ok(Number(newUptime) < Number(uptime), `${newUptime} after ${uptime}`);
    const { stdout } = await ssh(lab, host, "cat ~/kept; ls /tmp; ps ax");
    assert.match(stdout, /^kept\n/);
    assert.doesNotMatch(stdout, /lost|sleep 600/);
    await host.exec(`rm ${host.home}/kept`);
    assert.ok(isClean(host.sweep()), JSON.stringify(host.sweep()));
  });

  test("a hidden host is reached over another one", async () => {
    const other = await startLab({ count: 2, hosts: { 1: { hidden: true } } });
    try {
      assert.equal(await takesConnections(other.host(1).address, 22), false);
      assert.equal((await ssh(other, other.host(1), "hostname")).stdout, "lab1\n");
    } finally {
      await other.close();
    }
  });

  test("a host that is down is not there, and there again when it boots", async () => {
    const host = lab.host(3);
    await host.halt();
    assert.equal(await takesConnections(host.address, 22), false);
    await host.boot();
    assert.equal((await ssh(lab, host, "echo there")).stdout, "there\n");
  });

  test("another host key is refused by a client that knew the first", async () => {
    const host = lab.host(1);
    const key = host.publicKey();
    await host.changeHostKey();
    assert.notEqual(host.publicKey(), key);
    const { code, stderr } = await ssh(lab, host, "true");
    assert.equal(code, 255);
    assert.match(stderr, /REMOTE HOST IDENTIFICATION HAS CHANGED/);
  });

  test("a full disk takes no byte, and takes some when it was emptied", async () => {
    const host = lab.host(2);
    await host.fillDisk();
    const full = await ssh(lab, host, "echo something >~/new");
    assert.match(full.stderr, /No space left on device/);
    await host.emptyDisk();
    assert.equal((await ssh(lab, host, "echo something >~/new; cat ~/new; rm ~/new")).code, 0);
  });
});

describe("hosts that lack something", { skip }, () => {
  let lab: Lab;

  before(async () => {
    lab = await startLab({
      strangers: true,
      hosts: {
        0: { noBash: true },
        1: { readOnlyHome: true, clockOffsetS: -86_400 },
        2: { login: "password" },
        3: { homeMib: 1, glibc: "2.17", given: ["bin/node"] },
      },
    });
  });

  after(() => lab?.close());

  const trusting = async (host: Host, script: string): Promise<Ran> => {
    const options = ["-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=accept-new"];
    const ask = { env: lab.client.env, mayFail: true };
    return run(["ssh", ...options, host.name, script], ask);
  };

  test("a host that was never seen is refused until its key is taken", async () => {
    const { code, stderr } = await ssh(lab, lab.host(0), "true");
    assert.equal(code, 255);
    assert.match(stderr, /Host key verification failed/);
    assert.equal((await trusting(lab.host(0), "true")).code, 0);
    assert.match(readFileSync(lab.client.knownHosts, "utf8"), /ssh-ed25519/);
  });

  test("no bash, a read-only home, a wrong clock, a small home, an old C library", async () => {
    const bash = await trusting(lab.host(0), "command -v bash; echo $0");
    assert.doesNotMatch(bash.stdout, /bash/);
    const home = await trusting(lab.host(1), "touch ~/x");
    assert.match(home.stderr, /Read-only file system/);
    const clock = Number((await trusting(lab.host(1), "date +%s")).stdout);
    const here = Number((await run(["date", "+%s"])).stdout);
    assert.ok(Math.abs(here - 86_400 - clock) < 60, `${clock} at ${here}`);
    const small = await trusting(
      lab.host(3),
      "head -c 2000000 /dev/zero >~/x; rm ~/x; ldd --version",
    );
    assert.match(small.stderr, /No space left on device/);
    assert.match(small.stdout, /GNU libc\) 2\.17/);
    assert.equal((await trusting(lab.host(3), "command -v node")).stdout, "/usr/bin/node\n");
  });

  test("a host that takes passwords only refuses a key", async () => {
    const { code, stderr } = await trusting(lab.host(2), "true");
    assert.equal(code, 255);
    assert.match(stderr, /Permission denied \(password\)/);
  });
});

describe("hosts that start a user's programs again", { skip }, () => {
  let lab: Lab;

  before(async () => {
    const keeper = noSystemd() === false ? "systemd" : "none";
    lab = await startLab({ count: 2, hosts: { 0: { keeper: "cron" }, 1: { keeper } } });
  });

  after(() => lab?.close());

  const runs = (host: Host): boolean =>
    host.processes().some(({ command }) => command.endsWith("sleep 777"));

  test("cron does so after a reboot", async () => {
    const host = lab.host(0);
    const none = await ssh(lab, host, "crontab -l");
    assert.match(none.stderr, /no crontab for ada/);
    await ssh(lab, host, 'echo "@reboot sleep 777" | crontab -; crontab -l');
    assert.deepEqual(host.sweep().files, ["+ /var/spool/cron/crontabs/ada"]);
    await host.reboot();
    await until("it runs", () => runs(host));
    await ssh(lab, host, "crontab -r; kill $(pidof sleep)");
    await until("the host is as it was", () => isClean(host.sweep()), {
      describe: () => JSON.stringify(host.sweep()),
    });
  });

  test("systemd does so after a reboot", { skip: noSystemd() }, async () => {
    const host = lab.host(1);
    const units = ".config/systemd/user";
    const service = "[Service]\nExecStart=/usr/bin/sleep 777\n";
    const unit = `${service}[Install]\nWantedBy=default.target\n`;
    const systemctl = "XDG_RUNTIME_DIR=/run/user/1000 systemctl --user";
    const made = await ssh(
      lab,
      host,
      `mkdir -p ${units}; printf '${unit}' >${units}/a.service; ${systemctl} enable --now a`,
    );
    assert.equal(made.code, 0, made.stderr);
    await until("it runs", () => runs(host));
    assert.deepEqual(host.sweep().cgroups, ["user/app.slice/a.service"]);
    await host.reboot();
    await until("it runs again", () => runs(host));
    await ssh(lab, host, `${systemctl} disable --now a.service; rm -r .config`);
    await until("the host is as it was", () => isClean(host.sweep()), {
      describe: () => JSON.stringify(host.sweep()),
    });
  });
});

describe("the end of a lab", { skip }, () => {
  test("closing it leaves no process, mount, link, group or file", async () => {
    const lab = await startLab({ count: 2 });
    const inits = lab.hosts.map(({ pid }) => ({ pid, start: startOf(pid) }));
    const { folder } = lab;
    await ssh(lab, lab.host(0), "setsid sleep 600 >&- 2>&- &");
    assert.notDeepEqual(traces(folder), []);
    await lab.close();
    assert.deepEqual(traces(folder), []);
    for (const { pid, start } of inits) assert.notEqual(startOf(pid), start);
    await lab.close();
  });

  test("a run that was killed leaves no host, and its next takes the rest away", async () => {
    const program = join(import.meta.dirname, "lab-shell.ts");
    const child = spawn(process.execPath, [program, "2"], { stdio: ["pipe", "pipe", "inherit"] });
    let said = "";
    child.stdout.on("data", (bytes: Buffer) => (said += bytes.toString()));
    await until("the other lab is there", () => said.includes("Ctrl-C"), { describe: () => said });
    const folder = /SKY_HOME=(.+)\/sky-home/.exec(said)?.[1] ?? "";
    const inits = [...said.matchAll(/init (\d+)/g)].map(([, pid]) => Number(pid));
    assert.equal(inits.length, 2);
    assert.ok(inits.every((pid) => startOf(pid) !== undefined));
    child.kill("SIGKILL");
    await until("its hosts have ended", () => inits.every((pid) => startOf(pid) === undefined));
    assert.ok(existsSync(folder));
    const lab = await startLab({ count: 1 });
    await lab.close();
    await until("nothing of it is left", () => traces(folder).length === 0);
  });
});

/** What is missing for a user's systemd on a host, or `false`. */
function noSystemd(): string | false {
  return existsSync("/lib/systemd/systemd") ? false : "there is no systemd on this machine";
}

/** What of a lab is on this machine: its folder, mounts, control groups, links and processes. */
function traces(folder: string): readonly string[] {
  const name = folder.slice(folder.lastIndexOf("/") + 1);
  const mounts = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  const groups = mounts.filter((line) => line.includes(" - cgroup2 ")).map((l) => l.split(" ")[4]);
  const processes = readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && names(pid, name));
  return [
    ...(existsSync(folder) ? [folder] : []),
    ...mounts.filter((line) => line.includes(name)),
    ...groups.map((point) => `${point}/${name}`).filter((path) => existsSync(path)),
    ...processes.filter((pid) => Number(pid) !== process.pid),
  ];
}

function names(pid: string, text: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(text);
  } catch {
    return false; // It ended meanwhile.
  }
}

/** Starts a second sshd on a host, as something that listens; gives its pid on the host. */
async function sshd(host: Host, port: number): Promise<string> {
  const command = `/usr/sbin/sshd -D -o AddressFamily=inet -p ${port} >&- 2>&- & echo $!`;
  const pid = (await host.exec(command)).stdout.trim();
  await until("it listens", () => host.sweep().ports.length === 1);
  return pid;
}

/** Whether one host gets a line from another's sshd. */
async function reaches(from: Host, to: Host): Promise<boolean> {
  const ask = `timeout 1 bash -c 'read -r line </dev/tcp/${to.name}/${to.sshPort}; echo "$line"'`;
  const { stdout } = await from.exec(ask, { mayFail: true });
  return stdout.startsWith("SSH-2.0");
}
