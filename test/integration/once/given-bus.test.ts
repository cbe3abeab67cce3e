// A NATS of somebody else (`bus.url`): the head starts no server, head and nodes sign in with what
// they were given, and jobs run as ever, also when that server goes and comes back.
//
// What is under test exists only between processes, so the home is of that isolation in both
// passes.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { credentialsPath } from "../../../agent/credentials.ts";
import { homeAt } from "../../../model/home.ts";
import { headPermissions, nodePermissions } from "../../../runtime/bus-permissions.ts";
import { createAuthority, issueCertificate } from "../../../runtime/certificates-os.ts";
import { natsConfigText, parsePortsFile } from "../../../runtime/nats-config.ts";
import { findNatsServer } from "../../../runtime/nats-process-os.ts";
import { createUserNkey } from "../../../runtime/nkeys-nats.ts";
import { type Place, place, until } from "../../support/programs.ts";
import { jobOf, phaseReached, submit } from "../jobs.ts";

const cluster = "two";
const nodes = ["head", "worker1"];
const here = place(undefined, { isolation: "process" });
const dir = `${here.folder}/theirs`;
let theirs: ChildProcess | undefined;

before(async () => {
  const port = await writeTheirs();
  const nodeKeys = `  node_credentials: ${dir}/{cluster}-{node}.seed\n`;
  const keys = `  credentials: ${dir}/head.seed\n${nodeKeys}`;
  const bus = `bus:\n  url: tls://127.0.0.1:${port}\n${keys}  authority: ${dir}/ca.pem\n`;
  writeFileSync(`${here.home}/config.yaml`, `local:\n  isolation: process\n${bus}`);
  const up = await here.sky(["launch", "-y", "-c", cluster, "--num-nodes", "2", "--cpus", "2"]);
  assert.equal(up.code, 0, up.stdout + up.stderr);
});
after(async () => {
  try {
    await here.close();
  } finally {
    await endTheirs();
  }
});

/** An operator's server, with a user for the head and for each node, and their seeds in files. */
async function writeTheirs(): Promise<number> {
  mkdirSync(dir, { mode: 0o700 });
  const nowMs = Date.now();
  const authority = await createAuthority("an operator", nowMs);
  const leaf = { commonName: "nats", hosts: ["127.0.0.1"], nowMs };
  const { certificate, key } = await issueCertificate(authority, leaf);
  const files = { "ca.pem": authority.certificate, "server.crt": certificate, "server.key": key };
  for (const [name, text] of Object.entries(files)) writeFileSync(`${dir}/${name}`, text);
  const user = (label: string, permissions: ReturnType<typeof headPermissions>) => {
    const { seed, publicKey } = createUserNkey();
    writeFileSync(`${dir}/${label}.seed`, `${seed}\n`, { mode: 0o600 });
    return { label, publicKey, permissions };
  };
  const users = [
    user("head", headPermissions()),
    ...nodes.map((node) => user(`${cluster}-${node}`, nodePermissions(cluster, node))),
  ];
  const text = natsConfigText({
    ...{ host: "127.0.0.1", port: -1, portsDir: dir, users, authorityFile: `${dir}/ca.pem` },
    ...{ certificateFile: `${dir}/server.crt`, keyFile: `${dir}/server.key` },
  }).replace("verify: true", "verify: false");
  writeFileSync(`${dir}/nats.conf`, text);
  const port = await startTheirs();
  writeFileSync(`${dir}/nats.conf`, text.replace("port: -1", `port: ${port}`));
  return port;
}

async function startTheirs(): Promise<number> {
  theirs = spawn(findNatsServer({}), ["-c", `${dir}/nats.conf`], { stdio: "ignore" });
  const ports = `${dir}/nats-server_${theirs.pid}.ports`;
  return until("it listens", () => parsePortsFile(readIfThere(ports)));
}

async function endTheirs(): Promise<void> {
  if (theirs?.exitCode !== null || theirs.signalCode !== null) return;
  theirs.kill("SIGKILL");
  await once(theirs, "exit");
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function ownServers(at: Place): number {
  return at.processes().filter(({ command }) => command.includes(`${at.home}/head/bus`)).length;
}

test("a gang runs over a NATS that was given, through its end and return", async () => {
  const gate = `${here.folder}/gate`;
  const text = `num_nodes: 2\nrun: until [ -e ${gate} ]; do sleep 0.05; done\n`;
  const id = await submit(here, cluster, here.file("gang.yaml", text));
  const { ranks } = await phaseReached(here, { cluster, id }, "RUNNING");
  assert.equal(ownServers(here), 0, "the head starts none of its own");
  await endTheirs();
  await startTheirs();
  writeFileSync(gate, "");
  await phaseReached(here, { cluster, id }, "SUCCEEDED");
  const after = await jobOf(here, cluster, id);
  assert.deepEqual(
    after.ranks.map(({ pid, exitCode }) => ({ pid, exitCode })),
    ranks.map(({ pid }) => ({ pid, exitCode: 0 })),
  );
});

test("what was given for a node is in its own folder only, and in no debug", async () => {
  const home = homeAt(here.home);
  for (const node of nodes) {
    const seed = readFileSync(`${dir}/${cluster}-${node}.seed`, "utf8");
    const path = credentialsPath(home.cluster(cluster).node(node).state);
    assert.equal(JSON.parse(readFileSync(path, "utf8")).busCredentials, seed);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    const debug = await here.sky(["debug", cluster, "-o", "json"]);
    assert.equal(debug.code, 0, debug.stderr);
    assert.match(debug.stdout, /"given"/);
    assert.ok(!debug.stdout.includes(seed.trim()));
    assert.ok(!readFileSync(home.headLog, "utf8").includes(seed.trim()));
  }
});

test("a node for which nothing was given does not join, and the head's log says why", async () => {
  const given = `${dir}/${cluster}-worker1.seed`;
  const seed = readFileSync(given, "utf8");
  rmSync(given);
  for (const { pid } of here.heads()) process.kill(pid, "SIGKILL");
  await until("the head is gone", () => here.heads().length === 0);
  assert.equal((await here.sky(["status"])).code, 0);
  const log = (): string => readIfThere(homeAt(here.home).headLog);
  await until("it is told", () => /two-worker1\.seed.*"join refused"/.test(log()), {
    describe: () => log().slice(-2_000),
  });
  // It tries again by itself; without it the cluster could not be taken down in proven order.
  writeFileSync(given, seed, { mode: 0o600 });
  const isAlive = async (): Promise<boolean> => {
    const { stdout } = await here.sky(["doctor", cluster]);
    return /nodes +2 of 2 alive/.test(stdout);
  };
  await until("it is back", isAlive, { deadlineMs: 40_000 });
});
