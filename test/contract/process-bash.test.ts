// What the user's script sees and may do, on Linux: each line here was somebody's broken job.
//
// One node with a path of 200 characters and a space, one port, in this process; every test has a
// rank of its own.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { startLauncher } from "../../agent/launcher-os.ts";
import { parseCgroupMounts } from "../../agent/proc.ts";
import { isDenied, linkOf, namesIn, processIds, readText } from "../../agent/proc-os.ts";
import { startProcessOs } from "../../agent/process-os.ts";
import { isSkyError } from "../../model/errors.ts";
import type { Exit } from "../../model/job.ts";
import { createMemoryClock } from "../../runtime/clock-memory.ts";
import { createOsClock } from "../../runtime/clock-os.ts";
import { silentLog } from "../../runtime/log.ts";
import type { ProcessPort } from "../../runtime/process.ts";
import { createOsRandom } from "../../runtime/random-os.ts";
import { hear, until } from "./process.contract.ts";

const base = mkdtempSync(join(tmpdir(), "skylet bash "));
const root = `${base}/${"a long name ".repeat(20)}`.slice(0, 199).concat("x");
const home = `${root}/home`;
const ranksDir = `${root}/ranks`;
const bashrcHome = `${root}/home with bashrc`;
const alive = setInterval(() => {}, 1_000);
let port: ProcessPort;
let heard: ReturnType<typeof hear>;
let count = 0;

before(async () => {
  mkdirSync(home, { recursive: true });
  mkdirSync(bashrcHome);
  const names = { stateDir: `${root}/state`, ranksDir, home, name: "bash" };
  const ports = { clock: createOsClock(), random: createOsRandom(), log: silentLog };
  port = await startProcessOs({ ...names, ...ports, logGraceMs: 150 });
  heard = hear(port);
});

after(async () => {
  await port.close();
  rmSync(base, { recursive: true, force: true, maxRetries: 10 });
  clearInterval(alive);
});

interface Ran {
  readonly exit: Exit;
  readonly dir: string;
  readonly out: Buffer;
}

async function start(
  script: string,
  env: Record<string, string> = {},
  in_ = home,
): Promise<string> {
  count += 1;
  const dir = `${ranksDir}/${count}-1-run-0`;
  await port.prepare({ dir, script, cwd: in_, home: in_, env, goWhenReady: true });
  return dir;
}

async function run(script: string, env?: Record<string, string>, in_?: string): Promise<Ran> {
  const dir = await start(script, env, in_);
  const { exit, logBytes } = await heard.exit(dir);
  const out = readFileSync(`${dir}/log`);
  assert.equal(logBytes, out.length);
  return { exit, dir, out };
}

const code = (value: number): Exit => ({ kind: "code", code: value });

/** All that a rank finds in its environment beside its own. */
const allowedNames =
  "PATH HOME LANG TERM USER LOGNAME SHELL TZ PYTHONUNBUFFERED SHLVL PWD _ SKYLET_RANK".split(" ");

/** Cgroups of nodes with this name, in all hierarchies. */
function cgroupsNamed(end: string): readonly string[] {
  const mounts = parseCgroupMounts(readFileSync("/proc/self/mountinfo", "utf8"));
  return mounts.flatMap(({ mountPoint }) =>
    namesIn(mountPoint).filter((name) => name.startsWith("skylet-") && name.endsWith(end)),
  );
}

/** Living processes whose command line is exactly this. */
function countOf(args: string): number {
  return readdirSync("/proc").filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim() === args;
    } catch {
      // Not a process, or no longer one.
      return false;
    }
  }).length;
}

test("exit codes: 0, 1, 7, a missing command, set -e, kill -9 of itself, kill -9 0", async () => {
  assert.deepEqual((await run("true")).exit, code(0));
  assert.deepEqual((await run("false")).exit, code(1));
  assert.deepEqual((await run("exit 7")).exit, code(7));
  const missing = await run("no-such-command-here");
  assert.deepEqual(missing.exit, code(127));
  assert.match(missing.out.toString(), /no-such-command-here: command not found/);
  assert.deepEqual((await run("set -e\nfalse\necho no")).exit, code(1));
  assert.deepEqual((await run("bash /no/such/script.sh")).exit, code(127));
  for (const script of ["kill -9 $$", "kill -9 0", "exec kill -9 $$"]) {
    const { exit } = await run(script);
    assert.equal(exit.kind === "signal" && exit.evidence, "", script);
  }
  const { exit } = await run("exit 137");
  assert.equal(exit.kind === "signal" && exit.signal, 9);
});

test("a script with a syntax error fails and says where", async () => {
  const { exit, out } = await run("echo one\nif then\n");
  assert.notDeepEqual(exit, code(0));
  assert.match(out.toString(), /line 2: syntax error/);
});

test("writing to the output again truncates nothing", async () => {
  const script = [
    "echo one",
    "echo two | tee /dev/stderr >/dev/null",
    "echo three > /dev/stdout",
    "exec 1>/dev/stdout",
    "echo four",
    'python3 -c \'open("/dev/stdout", "w").write("five\\n")\' 2>/dev/null || echo five',
  ];
  const { out } = await run(script.join("\n"));
  assert.equal(out.toString(), "one\ntwo\nthree\nfour\nfive\n");
});

test("variables arrive byte for byte", async () => {
  const env = {
    SPACES: "  a  b ",
    QUOTES: `'"\`\\`,
    DOLLAR: "$HOME $(date) $X !!",
    LINES: "one\ntwo\n\n",
    TEXT: "grüße, 世界 🚀",
    REPLACED: "\ufffd\u0080",
    EMPTY: "",
    GLOB: "* ? [a] ~ {a,b}",
    IFS: ",;",
    HOME_OF: "~",
    LONG: "x".repeat(100_000),
    PATH: `${process.env["PATH"]}:/with space`,
  };
  const { out, exit } = await run("exec env -0", env);
  assert.deepEqual(exit, code(0));
  const seen = new Map(
    out
      .toString()
      .split("\0")
      .map((pair) => [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)]),
  );
  for (const [name, value] of Object.entries(env)) {
    assert.equal(seen.get(name), value, name);
  }
});

test("a variable that bash cannot pass on is refused, and nothing starts", async () => {
  for (const name of ["a.b", "1A", "", "A B", "UID", "SHELLOPTS", "A=B"]) {
    await assert.rejects(start("true", { [name]: "x" }), (error) =>
      isSkyError(error, "process/failed"),
    );
  }
  await assert.rejects(start("true", { A: "a\0b" }), (error) =>
    isSkyError(error, "process/failed"),
  );
  await assert.rejects(start("true\0", {}), (error) => isSkyError(error, "process/failed"));
});

test("nothing of ours reaches the script", async () => {
  process.env["SKYLET_TEST_LEAK"] = "leaked";
  const script = [
    "env | cut -d= -f1 | sort | tr '\\n' ' '; echo",
    "ls /proc/self/fd | tr '\\n' ' '; echo",
    "grep -E 'SigIgn|SigBlk' /proc/self/status | cut -f2 | tr '\\n' ' '; echo",
    'echo "$# $0 $(umask) $SHLVL"',
    "trap -p; set | grep -i __skylet | grep -v BASH_ARGV",
    "pwd; readlink /proc/self/fd/0; cat",
    "cat /proc/$$/oom_score_adj",
  ];
  const { out } = await run(script.join("\n"));
  const [names = "", fds, signals, shell, pwd, stdin, oom] = out.toString().split("\n");
  for (const name of names.trim().split(" ")) {
    assert.ok(allowedNames.includes(name) || name.startsWith("LC_"), name);
  }
  assert.equal(fds?.trim(), "0 1 2 3");
  assert.equal(signals, "0000000000000000 0000000000000000 ");
  const mask = process.umask().toString(8).padStart(4, "0");
  assert.equal(shell, `0 bash ${mask} 1`);
  assert.equal(pwd, home);
  assert.equal(stdin, "/dev/null");
  assert.ok(Number(oom) >= 500);
});

test("the shell is interactive if and only if HOME has a .bashrc", async () => {
  const plain = await run("echo $-");
  assert.doesNotMatch(plain.out.toString(), /i/);
  writeFileSync(
    `${bashrcHome}/.bashrc`,
    "hook() { echo hooked; }\nexport FROM_RC=1 TASK=rc\necho rc >&2\n",
  );
  const script = 'case $- in *i*) echo interactive;; esac\nhook\necho "$FROM_RC $TASK wow!x"';
  const { out, exit } = await run(script, { TASK: "task" }, bashrcHome);
  assert.deepEqual(exit, code(0));
  assert.equal(out.toString(), "rc\ninteractive\nhooked\n1 task wow!x\n");
  assert.deepEqual(readdirSync(bashrcHome), [".bashrc"]);
  assert.deepEqual((await run("exit 7", {}, bashrcHome)).exit, code(7));
  assert.deepEqual((await run("set -e\nfalse\necho no", {}, bashrcHome)).exit, code(1));
  assert.deepEqual((await run("set -u\necho $NOPE\necho no", {}, bashrcHome)).exit.kind, "code");
});

test("TERM ends an interactive shell too, and its children die of TERM", async () => {
  writeFileSync(`${bashrcHome}/.bashrc`, ":\n");
  const dir = await start("echo up\nsleep 1000", {}, bashrcHome);
  await until(() => statSync(`${dir}/log`).size > 0, "the first line");
  await port.signal(dir, "TERM");
  const { exit } = await heard.exit(dir);
  assert.equal(exit.kind === "signal" && exit.signal, 15);
});

test("a rank that was stopped goes on to take its TERM", async () => {
  const dir = await start("kill -STOP $$\nsleep 1000");
  const { pid } = await heard.start(dir);
  await until(() => readFileSync(`/proc/${pid}/stat`, "utf8").includes(") T "), "it is stopped");
  await port.signal(dir, "TERM");
  const { exit } = await heard.exit(dir);
  assert.equal(exit.kind === "signal" && exit.signal, 15);
});

test("a handler of TERM runs, and the exit is the script's own", async () => {
  const dir = await start("trap 'echo bye; exit 9' TERM\necho up\nwhile :; do sleep 0.05; done");
  await until(() => statSync(`${dir}/log`).size > 0, "the first line");
  await port.signal(dir, "TERM");
  assert.deepEqual((await heard.exit(dir)).exit, code(9));
  assert.match(readFileSync(`${dir}/log`, "utf8"), /bye/);
});

test("a background child that holds the output neither keeps the rank open nor stays", async () => {
  const { exit, out } = await run("sleep 4242.1 &\necho done");
  assert.deepEqual(exit, code(0));
  assert.equal(out.toString(), "done\n");
  await until(() => countOf("sleep 4242.1") === 0, "the background child's end");
});

test("the last bytes of a process substitution are kept", async () => {
  const { out } = await run("exec > >(sleep 0.05; cat)\necho late");
  assert.equal(out.toString(), "late\n");
});

test("a successful rank leaves no process, also one that left its session", async () => {
  await run("setsid sleep 4242.2 >/dev/null 2>&1 &\nnohup sleep 4242.3 >/dev/null 2>&1 &\nexit 0");
  await until(() => countOf("sleep 4242.2") + countOf("sleep 4242.3") === 0, "their end");
});

test("a sweep finds whoever tried to get away, and nobody else", async () => {
  const bystander = await start("echo up\nexec sleep 4242.9");
  const escapes = [
    "setsid sleep 4242.4 &",
    "(cd /; setsid nohup sleep 4242.4 >/dev/null 2>&1 </dev/null &)",
    "env -i setsid bash -c 'cd /; (sleep 4242.4 &) ' >/dev/null 2>&1",
    "(exec env -i setsid sleep 4242.4) >/dev/null 2>&1 &",
    "trap '' TERM HUP; sleep 4242.4 &",
  ];
  const dir = await start(`${escapes.join("\n")}\necho up\nsleep 4242.4`);
  await until(() => countOf("sleep 4242.4") === escapes.length + 1, "all of them");
  const swept = await port.sweep(dir);
  assert.equal(swept.survivors, 0);
  assert.ok(swept.found > escapes.length, `found ${swept.found}`);
  assert.equal(swept.killed, swept.found);
  assert.equal(countOf("sleep 4242.4"), 0);
  const { exit } = await heard.exit(dir);
  assert.equal(exit.kind === "signal" && exit.evidence, "sent by the agent");
  assert.equal(countOf("sleep 4242.9"), 1);
  await port.sweep(bystander);
  await heard.exit(bystander);
});

test("when the writer of its log is killed, a rank is ended and its exit is unknown", async () => {
  const dir = await start("echo up\nsleep 4242.5");
  await until(() => statSync(`${dir}/log`).size > 0, "the first line");
  const logger = Number(readFileSync(`${dir}/claim`, "utf8").split(" ")[6]);
  process.kill(logger, "SIGKILL");
  const { exit } = await heard.exit(dir);
  assert.equal(exit.kind, "unknown");
  await until(() => countOf("sleep 4242.5") === 0, "the end of what it ran");
});

test("files of a rank are its owner's only, and its variables are not kept", async () => {
  const { dir } = await run("true", { SECRET: "hunter2" });
  for (const name of readdirSync(dir)) {
    assert.equal(statSync(`${dir}/${name}`).mode & 0o077, 0, name);
    assert.doesNotMatch(readFileSync(`${dir}/${name}`, "utf8"), /hunter2/, name);
  }
  assert.equal(readFileSync(`${dir}/exit`, "utf8"), "0\n");
  const everything = execFileSync("ps", ["-eo", "args"], { encoding: "utf8" });
  assert.doesNotMatch(everything, /hunter2/);
});

test("a working directory that is not there is refused before anything is claimed", async () => {
  const dir = `${ranksDir}/9999-1-run-0`;
  const spec = { dir, script: "true", cwd: `${root}/nowhere`, home, env: {}, goWhenReady: true };
  await assert.rejects(port.prepare(spec), (error) => isSkyError(error, "process/failed"));
  await port.prepare({ ...spec, cwd: home });
  assert.deepEqual((await heard.exit(dir)).exit, code(0));
});

test("a working directory that a job deleted is made anew for the next one", async () => {
  const cwd = `${home}/deleted`;
  const spec = { script: "rm -rf ~/deleted", cwd, home, env: {}, goWhenReady: true };
  for (const attempt of [1, 2]) {
    const dir = `${ranksDir}/9998-${attempt}-run-0`;
    await port.prepare({ ...spec, dir });
    assert.deepEqual((await heard.exit(dir)).exit, code(0));
    assert.ok(!existsSync(cwd));
  }
});

test("what has nothing to show keeps nothing from a sweep", () => {
  assert.equal(isDenied("/proc/self/environ"), false);
  assert.equal(isDenied("/proc/0/environ"), false);
  if (process.getuid?.() !== 0) return;
  // Threads of the kernel: to root too, reading their variables fails.
  const threads = processIds().filter((pid) => readText(`/proc/${pid}/cmdline`) === "");
  const denied = threads.filter((pid) => isDenied(`/proc/${pid}/environ`));
  assert.deepEqual(denied, []);
});

test("a hundred at once all start, end, and leave nothing", async () => {
  const ran = await Promise.all(Array.from({ length: 100 }, (_, n) => run(`echo ${n}; exit ${n}`)));
  for (const [n, { exit, out }] of ran.entries()) {
    assert.deepEqual(exit, code(n));
    assert.equal(out.toString(), `${n}\n`);
  }
});

test("a launcher that is killed is replaced, and what runs does not notice", async () => {
  const running = await start("sleep 0.3; echo still here; exit 6");
  const processes = execFileSync("ps", ["-eo", "pid,ppid,args"], { encoding: "utf8" });
  const line = processes.split("\n").find((each) => {
    const [, parent, ...args] = each.trim().split(/\s+/);
    return Number(parent) === process.pid && args.join(" ").includes("launcher.sh");
  });
  process.kill(Number(line?.trim().split(/\s+/)[0]), "SIGKILL");
  assert.deepEqual((await heard.exit(running)).exit, code(6));
  for (const n of [1, 2, 3, 4]) assert.deepEqual((await run(`exit ${n}`)).exit, code(n));
});

test("what the launcher of a killed agent had still to say is not taken for ours", async () => {
  const place = `${root}/heir`;
  mkdirSync(`${place}/state/slots`, { recursive: true });
  mkdirSync(`${place}/home`);
  execFileSync("mkfifo", [`${place}/state/slots/report`]);
  // A rank that outlives its agent keeps the FIFO, and what nobody has read in it.
  const fifo = openSync(`${place}/state/slots/report`, "r+");
  writeSync(fifo, "g 0123-gate-0.go\nw 0123-0 -\nr 0123-0\ng 0123-gate-8.go\n");
  const names = { stateDir: `${place}/state`, ranksDir: `${place}/ranks`, home: `${place}/home` };
  const ports = { clock: createOsClock(), random: createOsRandom(), log: silentLog };
  const heir = await startProcessOs({ ...names, ...ports, name: "heir" });
  const ends = hear(heir);
  const dir = `${place}/ranks/1-1-run-0`;
  const spec = { dir, script: "exit 5", cwd: `${place}/home`, home: `${place}/home`, env: {} };
  await heir.prepare({ ...spec, goWhenReady: true });
  assert.deepEqual((await ends.exit(dir)).exit, code(5));
  await heir.close();
  closeSync(fifo);
});

test("what a successful rank left behind without a cgroup ends with its port", async () => {
  const place = `${root}/strays`;
  mkdirSync(`${place}/home`, { recursive: true });
  const names = { stateDir: `${place}/state`, ranksDir: `${place}/ranks`, home: `${place}/home` };
  const ports = { clock: createOsClock(), random: createOsRandom(), log: silentLog };
  const other = await startProcessOs({ ...names, ...ports, name: "strays", cgroupKinds: [] });
  const ends = hear(other);
  const dir = `${place}/ranks/1-1-run-0`;
  const script = "cd /; setsid sleep 1000 >/dev/null 2>&1 & echo $! > ~/pid";
  const spec = { dir, script, cwd: `${place}/home`, home: `${place}/home`, env: {} };
  await other.prepare({ ...spec, goWhenReady: true });
  await ends.exit(dir);
  await other.close();
  const pid = readFileSync(`${place}/home/pid`, "utf8").trim();
  await until(() => linkOf(`/proc/${pid}/cwd`) === undefined, "the end of what it left");
});

test("without a cgroup who left its session and its environment ends as well", async () => {
  const place = `${root}/daemons`;
  mkdirSync(`${place}/home`, { recursive: true });
  const names = { stateDir: `${place}/state`, ranksDir: `${place}/ranks`, home: `${place}/home` };
  const ports = { clock: createOsClock(), random: createOsRandom(), log: silentLog };
  const other = await startProcessOs({ ...names, ...ports, name: "daemons", cgroupKinds: [] });
  const ends = hear(other);
  const dir = `${place}/ranks/1-1-run-0`;
  const script = "(cd /; setsid nohup env -i /bin/sleep 1000 & echo $! > ~/pid)";
  const spec = { dir, script, cwd: `${place}/home`, home: `${place}/home`, env: {} };
  await other.prepare({ ...spec, goWhenReady: true });
  await ends.exit(dir);
  const pid = readFileSync(`${place}/home/pid`, "utf8").trim();
  await until(() => linkOf(`/proc/${pid}/cwd`) === undefined, "the end of what it left");
  await other.close();
});

test("a port that is closed leaves no process, no cgroup and no slot", async () => {
  const place = `${root}/closing`;
  mkdirSync(`${place}/home`, { recursive: true });
  const names = { stateDir: `${place}/state`, ranksDir: `${place}/ranks`, home: `${place}/home` };
  const ports = { clock: createOsClock(), random: createOsRandom(), log: silentLog };
  const before = cgroupsNamed("-closing");
  const other = await startProcessOs({ ...names, ...ports, name: "closing" });
  const ends = hear(other);
  const dir = `${place}/ranks/1-1-run-0`;
  const spec = { dir, script: "true", cwd: `${place}/home`, home: `${place}/home`, env: {} };
  await other.prepare({ ...spec, goWhenReady: true });
  await ends.exit(dir);
  await other.prepare({ ...spec, dir: `${place}/ranks/2-1-run-0`, goWhenReady: false });
  await other.close();
  assert.deepEqual(
    readdirSync(`${place}/state/slots`).filter((name) => name !== "report"),
    [],
  );
  const held = () =>
    readdirSync("/proc").filter((pid) => linkOf(`/proc/${pid}/cwd`)?.startsWith(place) === true);
  await until(() => held().length === 0, "the last of its processes");
  assert.deepEqual(cgroupsNamed("-closing"), before);
});

test("gates that the launcher is making while its port closes do not stay", async () => {
  const place = `${root}/gates`;
  const [slots, path] = [`${place}/state/slots`, process.env["PATH"] ?? ""];
  for (const folder of [`${place}/home`, `${place}/bin`]) mkdirSync(folder, { recursive: true });
  execFileSync("mkfifo", [`${place}/bin/leave`]);
  const leave = openSync(`${place}/bin/leave`, "r+");
  // A mkfifo that makes several only when it is let.
  const slow = `[ $# -lt 4 ] || { : >"${place}/bin/began"; read -r _ <"${place}/bin/leave"; }`;
  const script = `#!/bin/sh\n${slow}\nPATH='${path}' exec mkfifo "$@"\n`;
  writeFileSync(`${place}/bin/mkfifo`, script, { mode: 0o700 });
  const names = { stateDir: `${place}/state`, ranksDir: `${place}/ranks`, home: `${place}/home` };
  const ports = { clock: createOsClock(), random: createOsRandom(), log: silentLog };
  process.env["PATH"] = `${place}/bin:${path}`;
  const starting = startProcessOs({ ...names, ...ports, name: "gates", warmCount: 1 });
  const other = await starting.finally(() => {
    process.env["PATH"] = path;
  });
  try {
    const dir = `${place}/ranks/1-1-run-0`;
    const spec = { dir, script: "true", cwd: `${place}/home`, home: `${place}/home`, env: {} };
    await other.prepare({ ...spec, goWhenReady: false });
    await until(() => existsSync(`${place}/bin/began`), "more gates");
    const closing = other.close();
    const there = () =>
      processIds().filter((pid) => linkOf(`/proc/${pid}/cwd`)?.startsWith(place) === true);
    await until(() => there().length === 2, "nobody but the launcher and its mkfifo");
    writeSync(leave, "\n");
    await closing;
    const left = readdirSync(slots).filter((name) => name !== "report");
    assert.deepEqual(left, []);
  } finally {
    writeSync(leave, "\n");
    closeSync(leave);
  }
});

test("a launcher that is just starting again when its agent leaves ends, too", async () => {
  const stateDir = `${root}/leaving`;
  mkdirSync(stateDir);
  const clock = createMemoryClock();
  const launchers = () =>
    processIds().filter((pid) => linkOf(`/proc/${pid}/cwd`)?.startsWith(stateDir) === true);
  const said: string[] = [];
  const log = { ...silentLog, warn: (message: string) => void said.push(message) };
  const heard = { onReport: () => {}, onRestart: () => {} };
  const launcher = await startLauncher({ stateDir, home, clock, log, ...heard });
  process.kill(Number(launchers()[0]), "SIGKILL");
  await until(() => said.length === 1, "the word of its end");
  clock.advance(1_000);
  assert.equal(launchers().length, 1, "it is starting");
  await launcher.end();
  launcher.close();
  assert.deepEqual(launchers(), []);
});
