// What `sky doctor` makes of its readings, without a machine: one reading with nothing wrong, and
// what each fault changes in it.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { test } from "node:test";
import {
  bytesText,
  type Checks,
  diagnosisOf,
  diagnosisText,
  findingsOf,
  type Grade,
  isAtLeast,
} from "../../client/doctor.ts";
import { type ClusterReading, clusterChecks } from "../../client/doctor-cluster.ts";
import { type HeadReading, headChecks, lastError } from "../../client/doctor-head.ts";
import { exposedOf, type HomeReading, homeChecks } from "../../client/doctor-home.ts";
import { type MachineReading, machineChecks } from "../../client/doctor-machine.ts";
import { cgroupPlaces, mountOf, parseMounts } from "../../client/mounts.ts";
import type { Job } from "../../model/job.ts";
import { assertGolden } from "../support/golden.ts";

const machine: MachineReading = {
  ...{ nodeVersion: "24.1.0", platform: "linux", isolation: "embedded", loopbackError: "" },
  programs: {
    bash: { path: "/bin/bash", version: "5.2.15" },
    ...{ setsid: { path: "/bin/setsid" }, mkfifo: { path: "/bin/mkfifo" } },
    cat: { path: "/bin/cat" },
  },
  natsServer: { path: "/usr/sbin/nats-server", version: "2.9.10" },
  cgroups: [{ kind: "v2", point: "/sys/fs/cgroup", isWritable: true }],
  limits: { files: 20_000, processes: Number.POSITIVE_INFINITY },
  inotify: { watches: 65_536, instances: 128 },
  nowMs: Date.UTC(2026, 1, 3, 4, 5, 6),
  memoryFreeBytes: 4 * 1_024 ** 3,
  gpus: { kind: "no-tool" },
};

const home: HomeReading = {
  ...{ root: "/srv/ann/.sky", kind: "folder", isWritable: true, isOurs: true, configError: "" },
  entries: [{ path: "", isFolder: true, mode: 0o700 }],
  ...{ freeBytes: 50 * 1_024 ** 3, freeInodes: 1_000_000, fileSystem: "ext4" },
};

const head: HeadReading = {
  ...{ home: "/srv/ann/.sky", ourVersion: "1.2.3", holder: 7 },
  answer: { kind: "version", version: "1.2.3", pid: 7 },
  ...{ socketMode: 0o140600, lockMode: 0o100644, headFolderMode: 0o40700 },
  ...{ logPath: "/srv/ann/.sky/head/skyhead.log", logTail: [], processes: [], cgroups: [] },
};

const node = (id: string, phase: "alive" | "suspect" | "lost" | "absent") => ({
  ...{ id, index: 0, ip: "127.1.1.1", phase },
  capacity: { cpus: 1, memoryBytes: 1, accelerators: [] },
});

const job: Job = {
  ...{ id: 1, name: "-", user: "ann", status: "SUCCEEDED", phase: "ended", submittedAt: 0 },
  ...{ resources: "1x [CPU:1]", numNodes: 1, attempt: 1, ranks: [], setups: [], sweeps: [] },
};

const cluster: ClusterReading = {
  cluster: {
    ...{ name: "demo", status: "UP", cloud: "local", isolation: "embedded", launchedAt: 0 },
    ...{ resources: "1x Local(cpus=1)", command: "sky launch" },
    ...{ user: "ann", lastUsedAt: 0 },
    nodes: [node("head", "alive"), node("worker1", "alive")],
  },
  jobs: [job],
  events: [],
  inside: { process: { lanes: {} }, clusters: { demo: { nodes: { head: { strangers: 0 } } } } },
};

const sweep = { node: "head", found: 1, killed: 1, survivors: 0, unproven: [] };

/** Grades of a reading, by check, with the worst of several. */
function gradesOf<R>(checks: Checks<R>, reading: R): ReadonlyMap<string, Grade> {
  const order: readonly Grade[] = ["ok", "warning", "problem"];
  const worst = new Map<string, Grade>();
  for (const { check, grade } of findingsOf(checks, reading)) {
    const before = worst.get(check) ?? "ok";
    worst.set(check, order.indexOf(grade) > order.indexOf(before) ? grade : before);
  }
  return worst;
}

/** Only the named checks are not ok, and each line that is not ok says what to do. */
function assertGrades<R>(checks: Checks<R>, reading: R, wanted: Readonly<Record<string, Grade>>) {
  const grades = gradesOf(checks, reading);
  const bad = [...grades].filter(([, grade]) => grade !== "ok");
  assert.deepEqual(Object.fromEntries(bad), wanted);
  for (const { grade, remedy, check } of findingsOf(checks, reading)) {
    assert.equal(remedy !== undefined, grade !== "ok", `${check} has a remedy if it needs one`);
  }
}

const bashless = { ...machine.programs, bash: {} };

const machineFaults: readonly (readonly [Partial<MachineReading>, Record<string, Grade>])[] = [
  [{}, {}],
  [{ nodeVersion: "22.17.9" }, { node: "problem" }],
  [{ platform: "darwin" }, { system: "problem" }],
  [{ programs: bashless }, { bash: "problem" }],
  [{ programs: { ...bashless, bash: { path: "/b", version: "4.3.9" } } }, { bash: "problem" }],
  [{ programs: { ...bashless, bash: { path: "/b" } } }, { bash: "problem" }],
  [{ programs: { ...machine.programs, setsid: {} } }, { programs: "problem" }],
  [{ natsServer: {} }, { "nats-server": "warning" }],
  [{ natsServer: {}, isolation: "process" }, { "nats-server": "problem" }],
  [{ natsServer: { path: "/n", version: "2.9.9" } }, { "nats-server": "warning" }],
  [{ natsServer: { path: "/n", version: "2.10.0" } }, {}],
  [{ cgroups: [] }, { cgroup: "warning" }],
  [{ cgroups: [{ kind: "v2", point: "/c", isWritable: false }] }, { cgroup: "warning" }],
  [{ cgroups: [{ kind: "freezer", point: "/c", isWritable: true }] }, {}],
  [{ limits: { files: 256, processes: 100 } }, { "open files": "problem", processes: "problem" }],
  [{ limits: { files: 2_000, processes: 900 } }, { "open files": "warning", processes: "warning" }],
  [{ limits: {}, inotify: {} }, {}],
  [{ inotify: { watches: 100, instances: 128 } }, { inotify: "warning" }],
  [{ loopbackError: "EADDRNOTAVAIL" }, { loopback: "problem" }],
  [{ nowMs: 1_000 }, { clock: "problem" }],
  [{ newestFileMs: machine.nowMs + 3_600_000 }, { clock: "problem" }],
  [{ newestFileMs: machine.nowMs + 1_000 }, {}],
  [{ memoryFreeBytes: 1_024 }, { memory: "warning" }],
  [{ gpus: { kind: "failed", why: "no driver" } }, { gpus: "warning" }],
  [{ gpus: { kind: "found", names: ["A100", "A100"] } }, {}],
];

test("each fault of a machine is found, and nothing else", () => {
  for (const [change, wanted] of machineFaults) {
    assertGrades(machineChecks, { ...machine, ...change }, wanted);
  }
});

const open = (path: string, mode: number, isFolder = true) => ({ path, isFolder, mode });

const homeFaults: readonly (readonly [Partial<HomeReading>, Record<string, Grade>])[] = [
  [{}, {}],
  [{ kind: "missing", entries: [] }, {}],
  [{ kind: "something-else" }, { home: "problem" }],
  [{ isOurs: false }, { home: "problem" }],
  [{ isWritable: false }, { home: "problem" }],
  [{ entries: [open("", 0o755), open("head", 0o700)] }, { "home modes": "warning" }],
  [{ entries: [open("", 0o755), open("head", 0o755)] }, { "home modes": "problem" }],
  [{ entries: [open("", 0o777)] }, { "home modes": "problem" }],
  [{ entries: [open("", 0o700), open("head", 0o777)] }, {}],
  [{ freeBytes: 1_024 }, { "home disk": "problem" }],
  [{ freeBytes: 512 * 1_024 ** 2 }, { "home disk": "warning" }],
  [{ freeInodes: 3 }, { "home disk": "problem" }],
  [{ freeInodes: 0 }, {}],
  [{ fileSystem: "nfs4" }, { "home file system": "problem" }],
  [{ fileSystem: "fuse.sshfs" }, { "home file system": "problem" }],
  [{ fileSystem: "tmpfs" }, { "home file system": "warning" }],
  [{ root: `/${"x".repeat(4_000)}` }, { "home path": "problem" }],
  [{ configError: "no such field" }, { config: "problem" }],
  [{ pools: { hosts: 0, error: "p.yaml:1:1: no hosts", hasSsh: true } }, { pools: "problem" }],
  [{ pools: { hosts: 2, error: "", hasSsh: false } }, { pools: "problem" }],
  [{ pools: { hosts: 2, error: "", hasSsh: true } }, {}],
];

test("each fault of a home is found, and nothing else", () => {
  for (const [change, wanted] of homeFaults) {
    assertGrades(homeChecks, { ...home, ...change }, wanted);
  }
});

test("what lies below a closed folder is not exposed, and compiled code is no secret", () => {
  const entries = [
    ...[open("", 0o755), open("cache", 0o755), open("cache/x", 0o644, false)],
    ...[open("head", 0o700), open("head/lock.db", 0o644, false)],
    ...[open("headless", 0o755), open("headless/x", 0o600, false)],
  ];
  assert.deepEqual(
    exposedOf(entries).map(({ path }) => path),
    ["", "headless"],
  );
});

const ready = '{"level":"info","time":"T1","msg":"head is ready"}';
const failure = '{"level":"error","time":"T2","msg":"it broke","error":{"message":"no room"}}';
const ranks = { pid: 9, command: "bash", cluster: "demo", clusterExists: true };
const silent = { kind: "nobody-listens" } as const;
const { holder: _nobody, ...unheld } = head;
const gone: HeadReading = { ...unheld, answer: silent };
const folder = { path: "/cg/skylet-1", processCount: 0 };

const inside = (fields: object): HeadReading => ({ ...head, inside: { process: fields } });
const replica = { dir: "/mnt/r", phase: "current", why: "", lagMs: 200 };
const chunks = { chunks: 3, bytes: 60, pinnedBytes: 50, limitBytes: 100, damaged: 0 };
const shortage = { level: "full", path: "/srv/journal.db", freeBytes: 0 };

const headFaults: readonly (readonly [HeadReading, Record<string, Grade>])[] = [
  [head, {}],
  [gone, {}],
  [{ ...head, answer: silent }, { head: "problem" }],
  [{ ...head, answer: { kind: "silent", why: "late" } }, { head: "problem" }],
  [{ ...head, ourVersion: "1.2.4" }, { "head version": "warning" }],
  [{ ...head, socketMode: 0o666 }, {}],
  [{ ...head, socketMode: 0o666, headFolderMode: 0o755 }, both("socket", "lock")],
  [{ ...head, logTail: [ready, failure] }, { "head log": "warning" }],
  [{ ...head, logTail: [failure, ready] }, {}],
  [inside({ store: {}, replica }), {}],
  [inside({ store: { shortage } }), { "journal room": "problem" }],
  [inside({ replica: { ...replica, lagMs: 60_000 } }), { "journal replica": "warning" }],
  [inside({ replica: { ...replica, phase: "away" } }), { "journal replica": "problem" }],
  [{ ...inside({ replica }), isReplicaBeside: true }, { "journal replica": "warning" }],
  [inside({ chunks: { ...chunks, damaged: 1 } }), { "content store": "warning" }],
  [inside({ chunks: { ...chunks, pinnedBytes: 95 } }), { "content store": "warning" }],
  [inside({ chunks }), {}],
  [{ ...head, processes: [ranks] }, {}],
  [{ ...gone, processes: [ranks] }, { leftovers: "warning" }],
  [{ ...head, processes: [{ ...ranks, clusterExists: false }] }, { leftovers: "problem" }],
  [{ ...head, processes: [ranks], inside: { clusters: { demo: {} } } }, {}],
  [{ ...head, processes: [ranks], inside: { clusters: {} } }, { leftovers: "problem" }],
  [{ ...head, cgroups: [folder] }, {}],
  [{ ...gone, cgroups: [folder] }, { "left cgroups": "warning" }],
  [{ ...gone, cgroups: [{ ...folder, processCount: 1 }] }, {}],
];

function both(...names: readonly string[]): Record<string, Grade> {
  return Object.fromEntries(names.map((name) => [`head ${name}`, "problem"]));
}

test("each fault of a head is found, and nothing else", () => {
  for (const [reading, wanted] of headFaults) assertGrades(headChecks, reading, wanted);
});

test("the last error of a log is that of the last run", () => {
  assert.equal(lastError([]), undefined);
  assert.equal(lastError([failure]), "T2 it broke: no room");
  assert.equal(lastError([failure, ready]), undefined);
  assert.equal(lastError([ready, "skyhead: the disk is full"]), "the disk is full");
  assert.equal(lastError(['{"level":"err', "null", "7", "{}"]), undefined);
});

const waiting = { ...job, status: "PENDING", phase: "queued", waitingFor: "2 nodes" } as const;
const worker = (phase: "suspect" | "lost" | "absent"): ClusterReading => ({
  ...cluster,
  cluster: { ...cluster.cluster, nodes: [node("head", "alive"), node("worker1", phase)] },
});
const denied = { process: { lanes: { process: { denied: { "demo/worker1": 2, "demo2/x": 1 } } } } };
const busIs = (nats: unknown): ClusterReading => ({
  ...cluster,
  inside: { process: { lanes: { process: { nats } } } },
});
const silentNode = { clusters: { demo: { nodes: { head: { unreachable: "no reply" } } } } };
const full = { mailboxCount: 1_000, address: { kind: "scheduler" } };

const clusterFaults: readonly (readonly [ClusterReading, Record<string, Grade>])[] = [
  [cluster, {}],
  [worker("suspect"), { nodes: "warning" }],
  [worker("lost"), { nodes: "problem" }],
  [worker("absent"), { nodes: "problem" }],
  [{ ...cluster, jobs: [waiting] }, { "waiting jobs": "warning" }],
  [{ ...cluster, jobs: [{ ...job, sweeps: [sweep] }] }, {}],
  [{ ...cluster, jobs: [{ ...job, sweeps: [{ ...sweep, survivors: 1 }] }] }, { sweeps: "problem" }],
  [
    { ...cluster, jobs: [{ ...job, sweeps: [{ ...sweep, unproven: ["no cgroup"] }] }] },
    { sweeps: "warning" },
  ],
  [{ ...cluster, inside: denied }, { denied: "warning" }],
  [busIs({ pid: 7, restarts: 0, silentMs: 0, adopted: true }), {}],
  [busIs({ pid: 7, restarts: 2, silentMs: 0, trouble: "it is gone" }), { bus: "warning" }],
  [busIs({ pid: 7, restarts: 0, silentMs: 5_000 }), { bus: "warning" }],
  [busIs({ restarts: 1, silentMs: 0, trouble: "address-in-use" }), { bus: "problem" }],
  [{ ...cluster, inside: silentNode }, { strangers: "warning" }],
  [{ ...cluster, inside: { clusters: { demo: { actors: [full] } } } }, { mailboxes: "warning" }],
  [{ ...cluster, inside: "nonsense" }, {}],
];

test("each fault of a cluster is found, and nothing else", () => {
  for (const [reading, wanted] of clusterFaults) assertGrades(clusterChecks, reading, wanted);
});

test("a lost node is told with its evidence, and a long list ends with a count", () => {
  const lost: ClusterReading = {
    ...worker("lost"),
    events: [
      {
        ...{ seq: 1, at: 0, subject: "node/worker1", actor: "liveness", kind: "phase" },
        ...{ cause: "no beat for 10 s", evidence: { beats: "4" } },
      },
    ],
    jobs: Array.from({ length: 30 }, (_, id) => ({ ...waiting, id })),
  };
  const findings = findingsOf(clusterChecks, lost);
  const told = findings.find(({ text }) => text.includes("worker1"));
  assert.equal(told?.text, "worker1 is lost: no beat for 10 s; beats=4 (00:00:00 UTC)");
  const waits = findings.filter(({ check }) => check === "waiting jobs");
  assert.equal(waits.length, 11);
  assert.equal(waits.at(-1)?.text, "20 more");
});

test("the transcript", () => {
  const sick: MachineReading = { ...machine, nodeVersion: "20.1.0", natsServer: {}, cgroups: [] };
  const findings = [
    ...findingsOf(machineChecks, sick),
    ...findingsOf(homeChecks, { ...home, fileSystem: "nfs4" }),
    ...findingsOf(headChecks, { ...head, logTail: [ready, failure] }),
    ...findingsOf(clusterChecks, { ...worker("lost"), jobs: [waiting] }),
  ];
  assertGolden("cli/doctor.txt", `${diagnosisText(diagnosisOf(findings))}\n`);
  assertGolden(
    "cli/doctor-well.txt",
    `${diagnosisText(diagnosisOf(findingsOf(homeChecks, home)))}\n`,
  );
});

test("docs/doctor.md tells of every check, in its order, and of no other", () => {
  const page = readFileSync(resolve(import.meta.dirname, "../../docs/doctor.md"), "utf8");
  const told = [...page.matchAll(/^\| ([^|]+) \|/gm)].map(([, name]) => name);
  const names = [machineChecks, homeChecks, headChecks, clusterChecks].flatMap((checks) => {
    return ["check", ...Object.keys(checks)];
  });
  assert.deepEqual(told, names);
});

test("versions compare by their numbers", () => {
  assert.ok(isAtLeast("2.10.0", "2.9.10"));
  assert.ok(isAtLeast("2.9.10", "2.9.10"));
  assert.ok(isAtLeast("5", "4.4"));
  assert.ok(!isAtLeast("2.9", "2.9.10"));
  assert.equal(bytesText(1_536), "1.5 KiB");
  assert.equal(bytesText(12), "12 B");
});

test("the mount table gives the file system of a path and the places of cgroups", () => {
  const mounts = parseMounts(
    [
      "1 0 8:1 / / rw - ext4 /dev/a rw",
      "2 1 0:1 / /home\\040x rw shared:1 - nfs4 host:/x rw",
      "3 1 0:2 / /sys/fs/cgroup/freezer rw - cgroup cgroup rw,freezer",
      "4 1 0:3 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw",
      "nonsense",
    ].join("\n"),
  );
  assert.equal(mountOf("/home x/ann", mounts)?.type, "nfs4");
  assert.equal(mountOf("/home xy", mounts)?.type, "ext4");
  assert.deepEqual(
    cgroupPlaces(mounts).map(({ kind }) => kind),
    ["v2", "freezer"],
  );
});
