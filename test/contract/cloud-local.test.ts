// The local cloud keeps the contract, and what only folders and agents show.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { LocalCloud } from "../../clouds/cloud-local.ts";
import { createLocalCloud } from "../../clouds/cloud-local.ts";
import type { LocalNode, NodeStarter } from "../../clouds/node-starter.ts";
import { homeAt } from "../../model/home.ts";
import { silentLog } from "../../runtime/log.ts";
import { until } from "../support/until.ts";
import { cloudContract } from "./cloud.contract.ts";

interface Agents extends NodeStarter {
  readonly running: Map<string, (why: string) => void>;
  readonly started: LocalNode[];
}

function fakeAgents(): Agents {
  const running = new Map<string, (why: string) => void>();
  const started: LocalNode[] = [];
  const start: NodeStarter["start"] = async (node) => {
    const id = `${node.cluster}/${node.id}`;
    assert.ok(!running.has(id), `${id} runs once`);
    started.push(node);
    const ended = new Promise<string>((resolve) => running.set(id, resolve));
    void ended.then(() => running.delete(id));
    return {
      ended,
      close: async () => {
        running.get(id)?.("closed");
        await ended;
      },
    };
  };
  return { running, started, start };
}

async function open(agents: Agents, root?: string) {
  const dir = root ?? (await mkdtemp(join(tmpdir(), "sky-cloud-")));
  const cloud = createLocalCloud({
    home: homeAt(dir),
    starter: agents,
    machine: { cpus: 8, memoryBytes: 16_000_000_000 },
    loopbackNet: true,
    log: silentLog,
  });
  const close = async () => {
    await cloud.close();
    await rm(dir, { recursive: true, force: true });
  };
  return { cloud, dir, close };
}

cloudContract("local", () => open(fakeAgents()));

const { signal } = new AbortController();
const capacity = { cpus: 1, memoryBytes: 1, accelerators: [] };
const oneNode = { token: "t", cluster: "demo", nodes: [{ id: "head", index: 0, capacity }] };

async function comesUp(cloud: LocalCloud): Promise<void> {
  await until("the node is up", async () => {
    const [machine] = await cloud.list("demo", signal);
    return machine?.phase === "up";
  });
}

test("local: an agent that ends on its own starts again, a stopped one does not", async () => {
  const agents = fakeAgents();
  const { cloud, close } = await open(agents);
  await cloud.launch(oneNode, signal);
  await comesUp(cloud);
  agents.running.get("demo/head")?.("it crashed");
  await until("it runs again", () => agents.started.length === 2 && agents.running.size === 1);
  await cloud.stop(["demo/head"], signal);
  assert.equal(agents.running.size, 0);
  assert.equal(agents.started.length, 2);
  await close();
});

test("local: a later head finds earlier nodes as stopped, with their addresses", async () => {
  const { cloud, dir } = await open(fakeAgents());
  await cloud.launch(oneNode, signal);
  await comesUp(cloud);
  const [before] = await cloud.list("demo", signal);
  await cloud.close();
  const later = await open(fakeAgents(), dir);
  const [found] = await later.cloud.list("demo", signal);
  assert.deepEqual(found, { ...before, phase: "stopped" });
  await later.cloud.start(["demo/head"], signal);
  await comesUp(later.cloud);
  await later.close();
});

test("local: a cluster of the same name with another token begins with empty folders", async () => {
  const { cloud, dir, close } = await open(fakeAgents());
  await cloud.launch(oneNode, signal);
  await comesUp(cloud);
  const home = homeAt(dir).cluster("demo").node("head");
  await rm(home.home, { recursive: true });
  await cloud.stop(["demo/head"], signal);
  await cloud.launch({ ...oneNode, token: "other" }, signal);
  await comesUp(cloud);
  assert.ok(existsSync(home.home));
  await cloud.terminate(["demo/head"], signal);
  assert.ok(!existsSync(home.root));
  await close();
});

test("local: a node whose folder was removed is gone, and its agent is let go of", async () => {
  const agents = fakeAgents();
  const { cloud, dir, close } = await open(agents);
  await cloud.launch(oneNode, signal);
  await comesUp(cloud);
  const { root } = homeAt(dir).cluster("demo").node("head");
  await rm(root, { recursive: true });
  const gone = [{ id: "demo/head", node: "head", ip: "", phase: "gone" }];
  assert.deepEqual(await cloud.list("demo", signal), gone);
  assert.equal(agents.running.size, 1, "it may still end its ranks");
  // What an agent writes there makes it no machine.
  await mkdir(`${root}/state`, { recursive: true });
  assert.deepEqual(await cloud.list("demo", signal), gone);
  await cloud.terminate(["demo/head"], signal);
  assert.equal(agents.running.size, 0);
  assert.deepEqual(await cloud.list("demo", signal), []);
  await cloud.launch(oneNode, signal);
  await comesUp(cloud);
  await rm(root, { recursive: true });
  await cloud.launch(oneNode, signal);
  await comesUp(cloud);
  assert.equal(agents.running.size, 1, "an agent of its own in the new folder");
  assert.equal(agents.started.length, 3);
  await close();
});

test("local: an agent that ends with its folder removed is not started again", async () => {
  const agents = fakeAgents();
  const { cloud, dir, close } = await open(agents);
  await cloud.launch(oneNode, signal);
  await comesUp(cloud);
  await rm(homeAt(dir).cluster("demo").node("head").root, { recursive: true });
  agents.running.get("demo/head")?.("it crashed");
  await until("nothing is listed", async () => (await cloud.list("demo", signal)).length === 0);
  assert.equal(agents.started.length, 1);
  await close();
});

test("local: machines cost nothing", async () => {
  const { cloud, close } = await open(fakeAgents());
  assert.equal(cloud.pricePerHour(capacity), 0);
  await close();
});

test("local: what a job made not writable goes, and nothing that its links lead to", async () => {
  const dir = await mkdtemp(join(tmpdir(), "sky-cloud-"));
  try {
    const script = new URL("cloud-local-remover.ts", import.meta.url).pathname;
    const { stdout, stderr } = spawnSync(process.execPath, [script, dir], { encoding: "utf8" });
    assert.equal(stdout, "removed, beside it 555\n", stderr);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});

test("local: a file where a cluster's folder belongs holds no nodes", async () => {
  const { cloud, dir, close } = await open(fakeAgents());
  await mkdir(homeAt(dir).clusters, { recursive: true });
  const foreign = homeAt(dir).cluster("notes").root;
  await writeFile(foreign, "mine");
  assert.deepEqual(await cloud.list("notes", signal), []);
  await assert.rejects(cloud.launch({ ...oneNode, cluster: "notes" }, signal), /ENOTDIR.*notes/);
  await cloud.launch(oneNode, signal);
  await comesUp(cloud);
  assert.equal(await readFile(foreign, "utf8"), "mine");
  await close();
});
