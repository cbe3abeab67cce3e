// A look at a host: the script runs here and leaves nothing, its answers become a report, and
// whatever else comes back becomes a report with a problem.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { reportOf } from "../../clouds/ssh/host-probe.ts";
import { probeHost } from "../../clouds/ssh/host-probe-ssh.ts";
import { architectures } from "../../clouds/ssh/host-problems.ts";
import { acceleratorName } from "../../model/accelerator-name.ts";
import type { SshCall } from "../../runtime/ssh.ts";
import { checkout } from "../support/programs.ts";
import { fc } from "../support/property.ts";

const nowMs = 1_700_000_000_000;
const target = { host: "gpu1.lab" };
const asked = { host: "gpu1", target, beforeMs: nowMs, afterMs: nowMs + 100 };

/** What a clock says that is so far from the moment of the question. */
const nanos = (ms: number): string => `${nowMs + ms}000000`;

/** What a good host says; `over` says otherwise, or nothing where it is "". */
function answers(over: Readonly<Record<string, string | readonly string[]>> = {}): string {
  const usual: Record<string, string | readonly string[]> = {
    clock: [nanos(50), nanos(60)],
    ...{ system: "Linux", kernel: "6.1.0-18-amd64", machine: "x86_64", bits: "64" },
    os: 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"',
    ...{ libc: "glibc 2.36", libstdcxx: "/usr/lib/x86_64-linux-gnu", cpus: "64" },
    memory: "MemTotal:       131072 kB",
    ...{ "cpu-max": "max 100000", "memory-max": "max", "home-path": "/users/ann" },
    disk: "/dev/sda1      100000000  50000000  40000000      56% /a mount",
    ...{ bash: "5.2.15(1)-release", address: "10.0.0.1", user: "ann", uid: "1000" },
    ...{ boot: "b-1", systemd: "degraded", linger: "Linger=no" },
  };
  const all = { ...usual, ...over };
  const lines = Object.entries(all).flatMap(([key, value]) =>
    [value].flat().flatMap((text) => (text === "" ? [] : [`@${key} ${text}`])),
  );
  return ["@skylet-probe 1", ...lines, "@end 1", ""].join("\n");
}

function look(over: Readonly<Record<string, string | readonly string[]>> = {}) {
  return reportOf({ code: 0, stdout: answers(over), stderr: "" }, asked);
}

test("a good host has a report without a problem", () => {
  assert.deepEqual(look(), {
    host: "gpu1",
    os: "Debian GNU/Linux 12 (bookworm)",
    arch: "x64",
    libc: "glibc 2.36",
    cpus: 64,
    memoryBytes: 134_217_728,
    diskFreeBytes: 40_960_000_000,
    devices: [],
    clockSkewMs: 0,
    ip: "10.0.0.1",
    user: "ann",
    bootId: "b-1",
    keeper: "systemd",
    claims: {},
    problems: [],
  });
});

test("CPUs and memory are those that we may use", () => {
  const { cpus, memoryBytes } = look({
    "cpu-max": ["max 100000", "150000 100000", "-1 100000", "800000 100000"],
    "memory-max": ["9223372036854771712", "1048576", "max"],
  });
  assert.deepEqual({ cpus, memoryBytes }, { cpus: 1.5, memoryBytes: 1_048_576 });
});

test("devices have the names that people ask for", () => {
  const gpu = ["0, NVIDIA A100-SXM4-80GB, 81920", "3, Tesla V100-SXM2-16GB, [N/A]", "No devices"];
  assert.deepEqual(look({ gpu }).devices, [
    { id: 0, name: "A100-80GB", memoryBytes: 85_899_345_920 },
    { id: 3, name: "V100", memoryBytes: 0 },
  ]);
  assert.equal(acceleratorName("NVIDIA L40S"), "L40S");
  assert.equal(acceleratorName("Tesla T4"), "T4");
  assert.equal(acceleratorName("NVIDIA GeForce RTX 4090"), "RTX-4090");
});

test("what is in use is told with the cluster that has it", () => {
  const claim = ["gpu-0 train-1a2b3c4d", "workdir ../clusters/other-00000000", "gpu-1", "broken "];
  assert.deepEqual(look({ claim }).claims, {
    "gpu-0": "train-1a2b3c4d",
    workdir: "other-00000000",
  });
});

test("a nats-server of the host's own is taken from 2.9.10 on", () => {
  const of = (version: string) =>
    look({ "nats-server": "/usr/sbin/nats-server", "nats-version": version }).natsServer;
  for (const good of ["v2.9.10", "v2.10.0", "v2.9.22-beta.1", "v3.0.0", "v2.9.10"]) {
    assert.equal(of(`nats-server: ${good}`), "/usr/sbin/nats-server", good);
  }
  for (const old of ["v2.9.9", "v2.8.20", "v1.99.99", "what?", ""])
    assert.equal(of(old), undefined);
});

test("who starts a node again: systemd's manager of the user, else cron, else nobody", () => {
  const of = (over: Readonly<Record<string, string>>) => look({ systemd: "", ...over }).keeper;
  assert.equal(of({ systemd: "running" }), "systemd");
  assert.equal(of({ systemd: "offline", crontab: "ok", crond: "cron" }), "cron");
  assert.equal(of({ systemd: "running", linger: "", crontab: "ok", crond: "crond" }), "cron");
  assert.equal(of({ crontab: "no crontab for ann", crond: "cron" }), "cron");
  assert.equal(of({ crontab: "ok" }), "none", "no daemon runs");
  assert.equal(of({ crontab: "You (ann) are not allowed", crond: "cron" }), "none");
});

test("the address is where the host was reached; ours for it where it does not know", () => {
  assert.equal(look({ address: "fe80::1%eth0" }).ip, "fe80::1%eth0");
  assert.equal(look({ address: "::ffff:10.0.0.7" }).ip, "10.0.0.7");
  assert.equal(look({ address: "UNKNOWN" }).ip, "gpu1.lab");
  assert.equal(look({ address: "" }).ip, "gpu1.lab");
});

test("a clock is as far off as it must be at least, whatever the way there took", () => {
  const of = (...clock: readonly string[]) => look({ clock }).clockSkewMs;
  assert.equal(of(nanos(0), nanos(100)), 0, "both ends");
  assert.equal(of(nanos(7_050), nanos(7_060)), 6_960, "answered after 100 ms");
  assert.equal(of(nanos(-7_950), nanos(-7_940)), -7_949);
  assert.equal(of("1700000000", "1700000000"), 0, "in seconds");
  assert.equal(of("1700000007", "1700000007"), 6_900);
  assert.equal(of("what?"), 0);
});

const skewed = (ms: number) => ({ clock: nanos(50 + ms) });

const full = "mkdir: cannot create directory: No space left on device";

/** Every sentence, what provokes it and whether nodes cannot run there. */
const faults: readonly (readonly [
  says: RegExp,
  over: Readonly<Record<string, string | readonly string[]>>,
  fatal: boolean,
])[] = [
  [/^it runs Darwin, not Linux$/, { system: "Darwin" }, true],
  [/^its architecture is riscv64$/, { machine: "riscv64" }, true],
  [/^its architecture is arm$/, { machine: "aarch64", bits: "32" }, true],
  [/^there is no bash, which runs the jobs$/, { bash: "" }, true],
  [/^bash does not run: Segmentation fault$/, { bash: "Segmentation fault" }, true],
  [/^its bash is 4\.2\.46\(2\)-release; 4\.4 or later is/, { bash: "4.2.46(2)-release" }, true],
  [/^the home \/users\/ann is on nfs4: hosts that share it/, { "home-type": "nfs4" }, true],
  [/^there is no tar, no gzip$/, { missing: ["tar", "gzip"] }, true],
  [/^its glibc is 2\.17; Node's binaries need 2\.28 or later$/, { libc: "glibc 2.17" }, true],
  [/^its glibc is 2\.27;/, { libc: "", ldd: "ldd (Ubuntu GLIBC 2.27-3ubuntu1) 2.27" }, true],
  [/^its C library is musl 1\.2\.4;/, { libc: "", ldd: ["musl libc", "Version 1.2.4"] }, true],
  [/^its C library is musl;/, { libc: "", musl: "/lib/ld-musl-x86_64.so.1" }, true],
  [/^nothing says which C library it has/, { libc: "" }, false],
  [/^there is no libstdc\+\+\.so\.6/, { libstdcxx: "" }, true],
  [/^its kernel 3\.10\.0 is older than 4\.18/, { kernel: "3.10.0" }, false],
  [/^the home \/users\/ann is not writable: Read-only file system$/, readOnly(), true],
  [/^programs in the home \/users\/ann cannot be started/, { "home-runs": "no" }, true],
  [
    /^the disk of the home \/users\/ann has 1 MiB free/,
    { disk: "x 2 1 1024 50% /", home: full },
    true,
  ],
  [/^\/tmp is not writable: Permission denied$/, { tmp: "mkdir: Permission denied" }, false],
  [/^programs in \/tmp cannot be started/, { "tmp-runs": "no" }, false],
  [/^its clock is 7 s ahead of ours: /, skewed(7_000), false],
  [/^its clock is 29 min behind ours: /, skewed(-1_740_000), false],
  [/^its clock is 31 min ahead of ours, so that TLS /, skewed(1_860_000), true],
  [/^its clock is 24 h behind ours, /, skewed(-86_400_000), true],
  [/^nothing starts a node again after a reboot/, { systemd: "" }, false],
  [/^the login is root/, { uid: "0" }, false],
  [/^we reached it at 127\.0\.0\.1, where other hosts do not/, { address: "127.0.0.1" }, false],
  [/^nvidia-smi fails, so no device is used: no driver$/, { "gpu-fault": "no driver" }, false],
];

function readOnly(): Readonly<Record<string, string>> {
  return { home: "mkdir: cannot create directory '/users/ann/x': Read-only file system" };
}

for (const [says, over, fatal] of faults) {
  test(`one sentence, and what to do: ${says.source}`, () => {
    const { problems } = look(over);
    assert.equal(problems.length, 1, JSON.stringify(problems));
    assert.match(problems[0]?.why ?? "", says);
    assert.equal(problems[0]?.fatal, fatal);
    assert.match(problems[0]?.fix ?? "", /^[a-zA-Z]/);
  });
}

test("docs/ssh.md explains every sentence, and none that is not said", () => {
  const page = readFileSync(join(checkout, "docs/ssh.md"), "utf8");
  const rows = [...page.matchAll(/^\| (.+?) \| (yes|no) \| .+ \|$/gm)].map(
    ([, sentence = "", fatal]) => ({
      pattern: new RegExp(`^${sentence.split("…").map(RegExp.escape).join(".+")}$`),
      fatal: fatal === "yes",
    }),
  );
  const cutOff = reportOf({ code: 1, stdout: "", stderr: "lost" }, asked).problems;
  const said = [...faults.flatMap(([, over]) => look(over).problems), ...cutOff];
  for (const { why, fatal } of said) {
    assert.ok(
      rows.some((row) => row.pattern.test(why) && row.fatal === fatal),
      `no row says: ${why}`,
    );
  }
  for (const { pattern } of rows) {
    assert.ok(
      said.some(({ why }) => pattern.test(why)),
      `nothing says ${pattern.source}`,
    );
  }
});

test("what a login shell says around it is not ours", () => {
  const stdout = `Welcome!\n@os of a liar\n${answers()}\n@cpus 1\nbye\n`;
  assert.deepEqual(reportOf({ code: 0, stdout, stderr: "" }, asked), look());
});

test("an answer that was cut off anywhere, or is none, is a problem and nothing else", () => {
  const whole = answers();
  for (let length = 0; length < whole.indexOf("@end"); length += 7) {
    const stdout = whole.slice(0, length);
    const { problems } = reportOf({ code: 255, stdout, stderr: "lost\n" }, asked);
    assert.equal(problems.length, 1);
    assert.equal(problems[0]?.why, "our look at it was cut off; the last word was: lost");
    assert.ok(problems[0]?.fatal);
  }
  const silent = reportOf({ code: 3, stdout: "", stderr: "" }, asked);
  assert.match(silent.problems[0]?.why ?? "", /the last word was: nothing, and code 3$/);
});

test("whatever comes back is a report, in printable sentences", () => {
  const key = fc.constantFrom(
    "os",
    "cpus",
    "memory",
    "disk",
    "gpu",
    "clock",
    "claim",
    "address",
    "x",
  );
  const line = fc.tuple(key, fc.string({ unit: "binary" })).map(([k, value]) => `@${k} ${value}`);
  const text = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.array(line).map((lines) => lines.join("\n")),
  );
  fc.assert(
    fc.property(text, fc.boolean(), fc.string({ unit: "binary" }), (inner, marked, stderr) => {
      const stdout = marked ? `@skylet-probe 1\n${inner}\n@end 1\n` : inner;
      const report = reportOf({ code: 1, stdout, stderr }, asked);
      const told = JSON.stringify(report);
      assert.ok(Number.isFinite(report.cpus) && Number.isFinite(report.clockSkewMs), told);
      assert.ok(Number.isFinite(report.memoryBytes) && Number.isFinite(report.diskFreeBytes), told);
      for (const { why } of report.problems) assert.doesNotMatch(why, /\p{Cc}/u);
    }),
    { numRuns: 500 },
  );
});

// ---- the script itself, here

interface Ground {
  readonly home: string;
  readonly bin: string;
}

function ground(t: TestContext): Ground {
  const root = mkdtempSync(join(tmpdir(), "probe-"));
  t.after(() => rmSync(root, { recursive: true }));
  const [home, bin] = [join(root, "home"), join(root, "bin")];
  mkdirSync(home);
  mkdirSync(bin);
  return { home, bin };
}

function tool({ bin }: Ground, name: string, body: string): void {
  writeFileSync(join(bin, name), `#!/bin/sh\n${body}\n`);
  chmodSync(join(bin, name), 0o755);
}

async function run({ home, bin }: Ground, env: Readonly<Record<string, string>> = {}) {
  const ssh = {
    run: async (_: unknown, { script }: SshCall) => {
      const path = `${bin}:${process.env["PATH"] ?? ""}`;
      const { status, stdout, stderr } = spawnSync("/bin/sh", ["-c", script, "sh"], {
        env: { HOME: home, PATH: path, SSH_CONNECTION: "10.9.9.9 40000 10.9.9.1 22", ...env },
        encoding: "utf8",
      });
      return { code: status ?? 255, stdout, stderr };
    },
  };
  const clock = { now: () => ({ wallMs: Date.now(), monoMs: 0, bootId: "" }) };
  const host = { name: "here", target: { host: "here.lab" } };
  return await probeHost(ssh, host, { clock, signal: new AbortController().signal });
}

test("the script tells of this machine and leaves nothing on it", async (t) => {
  const place = ground(t);
  const claims = join(place.home, ".skylet/claims");
  mkdirSync(claims, { recursive: true });
  symlinkSync("train-1a2b3c4d", join(claims, "gpu-1"));
  symlinkSync("gone-00000000", join(claims, "gpu-2"));
  mkdirSync(join(place.home, ".skylet/clusters/train-1a2b3c4d"), { recursive: true });
  tool(place, "nvidia-smi", "echo '1, NVIDIA H100 80GB HBM3, 81559'");
  tool(place, "nats-server", "echo nats-server: v2.10.1");
  const report = await run(place);
  assert.ok(architectures.includes(report.arch), report.arch);
  assert.match(report.libc, /^glibc 2\.\d+$/);
  assert.ok(report.cpus > 0 && report.memoryBytes > 0 && report.diskFreeBytes > 0);
  assert.deepEqual(report.devices, [{ id: 1, name: "H100", memoryBytes: 85_520_809_984 }]);
  assert.equal(report.ip, "10.9.9.1");
  assert.equal(report.clockSkewMs, 0);
  assert.match(report.bootId, /^[0-9a-f-]{36}$/);
  assert.equal(report.natsServer, join(place.bin, "nats-server"));
  assert.deepEqual(report.claims, { "gpu-1": "train-1a2b3c4d" });
  assert.deepEqual(
    report.problems.filter(({ fatal }) => fatal),
    [],
  );
  assert.deepEqual(readdirSync(place.home), [".skylet"]);
});

test("the script really tries: a home that takes no files, a driver that is broken", async (t) => {
  const place = ground(t);
  tool(place, "nvidia-smi", "echo 'NVIDIA-SMI has failed'; exit 9");
  tool(place, "date", "echo 86400");
  tool(place, "getconf", "echo glibc 2.17");
  const { problems } = await run({ ...place, home: "/proc" });
  const told = problems.map(({ why }) => why).join("\n");
  assert.match(told, /^the home \/proc is not writable: /m);
  assert.match(told, /^nvidia-smi fails, so no device is used: NVIDIA-SMI has failed$/m);
  assert.match(told, /^its clock is \d+ days behind ours/m);
  assert.match(told, /^its glibc is 2\.17;/m);
});

test("the script finds its tools in their usual folders, whatever the path is", async (t) => {
  const place = ground(t);
  const { problems } = await run({ ...place, home: homedir() }, { PATH: place.bin });
  // The usual folders are looked through whatever the path is.
  assert.doesNotMatch(problems.map(({ why }) => why).join("\n"), /cut off|there is no/);
});

test("the script is for any shell of POSIX", () => {
  const { stderr, status } = spawnSync("sh", ["-n", join(checkout, "clouds/ssh/host-probe.sh")], {
    encoding: "utf8",
  });
  assert.equal(`${stderr}${status}`, "0");
});
