// The cloud of given hosts: in what order agents are told to leave, and what is on record of it.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { HostAgents } from "../../clouds/cloud-hosts.ts";
import { openHostsCloud } from "../../clouds/cloud-hosts.ts";
import { SkyError } from "../../model/errors.ts";
import type { Node } from "../../model/node.ts";
import { createMemoryFiles } from "../../runtime/files-memory.ts";
import { createMemoryLog } from "../../runtime/log-memory.ts";

const { signal } = new AbortController();
const capacity = { cpus: 1, memoryBytes: 1, accelerators: [] };
const nodes: readonly Node[] = ["head", "worker1", "worker2"].map((id, index) => {
  return { id, index, ip: `10.0.0.${index + 1}`, host: `gpu${index + 1}`, capacity };
});
const hosts = { cluster: "demo", token: "t", nodes };
const ids = nodes.map(({ id }) => id);

interface Stage {
  readonly told: string[];
  readonly files: ReturnType<typeof createMemoryFiles>;
  /** Nodes whose agents are not there. */
  readonly silent: Set<string>;
  /** Nodes whose agents do not leave. */
  readonly stuck: Set<string>;
}

function stage(): Stage {
  return { told: [], files: createMemoryFiles("/h"), silent: new Set(), stuck: new Set() };
}

function agentsOf({ told, silent, stuck }: Stage): HostAgents {
  return {
    canLeave: async (_, node) => !silent.has(node),
    leave: async (_, node, { remove }) => {
      told.push(`${node} ${remove ? "removes" : "stops"}`);
      await Promise.resolve();
      if (stuck.has(node)) throw new SkyError("bus/timeout", { ms: 1, to: node });
      told.push(`${node} left`);
      return { kept: remove && node !== "head" ? ["~/sky_workdir: a file"] : [] };
    },
  };
}

const opened = (on: Stage) =>
  openHostsCloud({
    ...{ files: on.files, path: "/h/hosts.json", log: createMemoryLog() },
    agents: agentsOf(on),
  });

const phasesOf = async (cloud: Awaited<ReturnType<typeof opened>>) =>
  (await cloud.list("demo", signal)).map(({ node, phase }) => `${node} ${phase}`);

test("given machines are up, and known to the next head", async () => {
  const on = stage();
  const cloud = await opened(on);
  assert.deepEqual(await cloud.list("demo", signal), []);
  await cloud.give(hosts);
  const next = await opened(on);
  assert.deepEqual(
    (await next.list("demo", signal)).map(({ id, ip, phase }) => [id, ip, phase]),
    nodes.map(({ id, ip }) => [id, ip, "up"]),
  );
  assert.deepEqual(await next.list("other", signal), []);
  await assert.rejects(next.give({ ...hosts, token: "another" }), /another demo/);
});

test("workers leave first, and the head's host when they have left", async () => {
  const on = stage();
  const cloud = await opened(on);
  await cloud.give(hosts);
  await cloud.terminate(ids, signal);
  assert.deepEqual(on.told.slice(-2), ["head removes", "head left"]);
  assert.equal(on.told.filter((line) => line.endsWith("left")).length, 3);
  assert.deepEqual(await phasesOf(cloud), []);
  assert.deepEqual(cloud.kept("demo"), [
    "gpu2: ~/sky_workdir: a file",
    "gpu3: ~/sky_workdir: a file",
  ]);
});

test("the head's host stays while a worker does not leave, and nobody is told twice", async () => {
  const on = stage();
  const cloud = await opened(on);
  await cloud.give(hosts);
  on.stuck.add("worker2");
  await assert.rejects(cloud.stop(ids, signal), /no reply/);
  assert.deepEqual(await phasesOf(cloud), ["head up", "worker1 stopped", "worker2 up"]);
  on.stuck.clear();
  on.told.length = 0;
  const next = await opened(on);
  // The fleet looks again and again while it waits.
  await Promise.all([next.stop(ids, signal), next.stop(ids, signal)]);
  assert.deepEqual(on.told, ["worker2 stops", "worker2 left", "head stops", "head left"]);
  assert.deepEqual(
    await phasesOf(next),
    ids.map((id) => `${id} stopped`),
  );
});

test("one whose agent is not there counts as gone", async () => {
  const on = stage();
  const cloud = await opened(on);
  await cloud.give(hosts);
  on.silent.add("worker1");
  await cloud.terminate(ids, signal);
  assert.equal(
    on.told.some((line) => line.startsWith("worker1")),
    false,
  );
  assert.deepEqual(await phasesOf(cloud), []);
});

test("what has stopped starts again, and stays stopped when it is only named again", async () => {
  const on = stage();
  const cloud = await opened(on);
  await cloud.give(hosts);
  await cloud.stop(ids, signal);
  await cloud.give(hosts);
  assert.deepEqual(
    await phasesOf(cloud),
    ids.map((id) => `${id} stopped`),
  );
  await cloud.start(ids, signal);
  assert.deepEqual(
    await phasesOf(cloud),
    ids.map((id) => `${id} up`),
  );
});
