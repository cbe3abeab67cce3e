// Every cloud obeys these. The memory version is trusted because it passes what real ones pass.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Cloud, Machine, MachineRequest } from "../../clouds/cloud.ts";
import { until } from "../support/until.ts";

export interface OpenedCloud {
  readonly cloud: Cloud;
  close(): Promise<void>;
}

const capacity = { cpus: 1, memoryBytes: 1_000_000, accelerators: [] };

function request(token: string, nodes: readonly string[], cluster = "demo"): MachineRequest {
  return { token, cluster, nodes: nodes.map((id, index) => ({ id, index, capacity })) };
}

export function cloudContract(name: string, open: () => Promise<OpenedCloud>): void {
  const { signal } = new AbortController();

  const withCloud = (what: string, check: (cloud: Cloud) => Promise<void>): void => {
    test(`${name}: ${what}`, async () => {
      const opened = await open();
      try {
        await check(opened.cloud);
      } finally {
        await opened.close();
      }
    });
  };

  const settled = (
    cloud: Cloud,
    phase: Machine["phase"],
    { count, cluster = "demo" }: { readonly count: number; readonly cluster?: string },
  ) =>
    until(`${count} machines are ${phase}`, async () => {
      const seen = (await cloud.list(cluster, signal)).filter((one) => one.phase !== "gone");
      return seen.length === count && seen.every((one) => one.phase === phase) ? seen : undefined;
    });

  withCloud("what was launched comes up, one machine for each node", async (cloud) => {
    await cloud.launch(request("t1", ["head", "worker1"]), signal);
    const machines = await settled(cloud, "up", { count: 2 });
    assert.deepEqual(machines.map(({ node }) => node).sort(), ["head", "worker1"]);
    assert.equal(new Set(machines.map(({ id }) => id)).size, 2);
    assert.equal(new Set(machines.map(({ ip }) => ip)).size, 2);
  });

  withCloud("the same token twice gives the same machines", async (cloud) => {
    await cloud.launch(request("t1", ["head", "worker1"]), signal);
    const before = await settled(cloud, "up", { count: 2 });
    await cloud.launch(request("t1", ["head", "worker1"]), signal);
    const after = await settled(cloud, "up", { count: 2 });
    assert.deepEqual(after, before);
  });

  withCloud("a list has the machines of its cluster only", async (cloud) => {
    await cloud.launch(request("t1", ["head"], "one"), signal);
    await cloud.launch(request("t2", ["head"], "two"), signal);
    const [one] = await settled(cloud, "up", { count: 1, cluster: "one" });
    const [two] = await settled(cloud, "up", { count: 1, cluster: "two" });
    assert.notEqual(one?.ip, two?.ip);
    assert.deepEqual(await cloud.list("three", signal), []);
  });

  withCloud("what was stopped is listed as stopped, and starts where it was", async (cloud) => {
    if (cloud.stop === undefined || cloud.start === undefined) return;
    await cloud.launch(request("t1", ["head", "worker1"]), signal);
    const before = await settled(cloud, "up", { count: 2 });
    const ids = before.map(({ id }) => id);
    await cloud.stop(ids, signal);
    await settled(cloud, "stopped", { count: 2 });
    await cloud.stop(ids, signal);
    await cloud.start(ids, signal);
    assert.deepEqual(await settled(cloud, "up", { count: 2 }), before);
  });

  withCloud("what was terminated is gone, and going twice is no error", async (cloud) => {
    await cloud.launch(request("t1", ["head", "worker1"]), signal);
    const machines = await settled(cloud, "up", { count: 2 });
    const ids = machines.map(({ id }) => id);
    await cloud.terminate(ids.slice(1), signal);
    await settled(cloud, "up", { count: 1 });
    await cloud.terminate(ids, signal);
    await settled(cloud, "up", { count: 0 });
    await cloud.terminate(ids, signal);
  });

  withCloud("what is declared is what was asked, where something was", async (cloud) => {
    const accelerators = { name: "V100", count: 2 };
    const declared = cloud.declare?.({ cpus: 4, memoryBytes: 5_000, accelerators }, 2);
    assert.deepEqual(declared, { cpus: 4, memoryBytes: 5_000, accelerators: [accelerators] });
    const share = cloud.declare?.({}, 1_000);
    assert.ok((share?.cpus ?? 0) >= 0.5 && (share?.memoryBytes ?? 0) > 0);
  });
}
