// Hosts that reboot, by who starts our programs there again: the user's systemd, cron, or nobody
// but the client's head.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { phaseReached, submit } from "../integration/jobs.ts";
import { type Place, until } from "../support/programs.ts";
import { type Host, type Lab, labProblem, startLab } from "./lab.ts";
import {
  areAsNew,
  closeBoth,
  headLog,
  labPlace,
  launching,
  ok,
  roles,
  statusOf,
} from "./ssh-clusters.ts";

/** Of the first host and of the second one. */
const kept = [
  ["systemd", "cron"],
  ["none", "none"],
] as const;

for (const [first, second] of kept) {
  const problem = labProblem() ?? (first === "systemd" ? noSystemd() : undefined);
  describe(`hosts with ${first} and ${second} reboot`, { skip: problem ?? false }, () => {
    let lab: Lab;
    let here: Place;

    before(async () => {
      lab = await startLab({ count: 2, hosts: { 0: { keeper: first }, 1: { keeper: second } } });
      here = labPlace(undefined, lab);
      await ok(here, [...launching("demo", 2), "true"]);
    });

    after(async () => {
      await closeBoth(here, lab);
    });

    const hostOf = async (index: number): Promise<Host> => {
      const ip = (await statusOf(here, "demo"))?.nodes[index]?.ip;
      const host = lab.hosts.find(({ address }) => address === ip);
      assert.ok(host, `${ip} is a host`);
      return host;
    };

    const running = async (): Promise<number> => {
      const id = await submit(here, "demo", "--num-nodes", "2", "sleep 302");
      await phaseReached(here, { cluster: "demo", id }, "RUNNING");
      return id;
    };

    /** What a job finds once the cluster is whole again. */
    const works = async (lost: number): Promise<void> => {
      await until("the head answers", async () => (await here.sky(["queue", "demo"])).code === 0, {
        deadlineMs: 60_000,
        describe: () => headLog(here),
      });
      await phaseReached(here, { cluster: "demo", id: lost }, "FAILED");
      assert.match(await ok(here, ["why", "demo", String(lost)]), /restarted|reboot|lost/);
      const id = await submit(here, "demo", "--num-nodes", "2", "echo well");
      await phaseReached(here, { cluster: "demo", id }, "SUCCEEDED");
    };

    test("a worker: its ranks end, and it takes work again", async () => {
      const id = await running();
      await (await hostOf(1)).reboot();
      await works(id);
    });

    test("the first host: the head comes back with its jobs", async () => {
      const id = await running();
      await (await hostOf(0)).reboot();
      await works(id);
    });

    if (first !== "none") {
      test("all hosts, while no client is there to see to them", async () => {
        for (const { pid } of here.heads()) process.kill(pid, "SIGKILL");
        for (const host of lab.hosts) await host.reboot();
        const isUp = (): boolean =>
          lab.hosts.some((host) => runs(host, roles.head)) &&
          lab.hosts.every((host) => runs(host, roles.skylet));
        await until("everything of ours runs again", isUp, { deadlineMs: 30_000 });
      });
    }

    test("down leaves nothing, nor anything that would start at the next boot", async () => {
      await ok(here, ["down", "-y", "demo"]);
      await areAsNew(lab.hosts);
      for (const host of lab.hosts) await host.reboot();
      await areAsNew(lab.hosts);
    });
  });
}

function runs(host: Host, role: RegExp): boolean {
  return host.processes().some(({ command }) => role.test(command));
}

/** Why there is no systemd for a host's user. */
function noSystemd(): string | undefined {
  return existsSync("/lib/systemd/systemd") ? undefined : "there is no systemd on this machine";
}
