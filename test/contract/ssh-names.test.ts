// `ssh CLUSTER` follows the records of clusters.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { keepSshNames } from "../../bin/skyhead/ssh-names.ts";
import { type ClusterRecord, newRecord } from "../../clouds/cluster-record.ts";
import { namesOf } from "../../clouds/ssh/ssh-config.ts";
import { homeAt } from "../../model/home.ts";
import { createMemoryLog } from "../../runtime/log-memory.ts";

const skip = spawnSync("ssh", ["-V"]).error === undefined ? false : "there is no ssh";
const capacity = { cpus: 1, memoryBytes: 1, accelerators: [] };

function recordOf(name: string, hosts: readonly string[]): ClusterRecord {
  const nodes = hosts.map((host) => ({ host, ip: "10.0.0.1", target: { host }, capacity }));
  return newRecord(
    {
      ...{ name, numNodes: hosts.length, asked: {}, capacity, cloud: "ssh", isolation: "process" },
      ...{ token: "t", command: "sky launch", found: { region: "lab", nodes } },
    },
    0,
  );
}

test("ssh-names: from the first record to the last word", { skip }, async () => {
  const root = mkdtempSync(join(tmpdir(), "sky-names-"));
  const file = join(root, "user-config");
  const home = homeAt(join(root, "home"));
  const own = join(home.root, "ssh", "config");
  const log = createMemoryLog();
  const open = () => keepSshNames({ home, log, isOurs: ({ cloud }) => cloud === "ssh" });
  const known = (cluster: string) => namesOf(readFileSync(own, "utf8"), cluster).names;
  process.env["SKY_SSH_CONFIG"] = file;
  try {
    writeFileSync(file, "Host mine\n");
    const names = open();
    names.begin([]);
    names.hear("here", { ...recordOf("here", ["x"]), cloud: "local" });
    names.hear("demo", recordOf("demo", ["lab1", "lab2"]));
    names.hear("demo", { ...recordOf("demo", ["lab1", "lab2"]), status: "UP" });
    await names.close();
    assert.deepEqual(known("demo"), ["demo", "demo-worker1"]);
    assert.deepEqual(known("here"), []);
    assert.equal(log.lines.filter(({ level }) => level === "info").length, 1, "written once");

    // The next head finds one gone and one that it never wrote.
    const next = open();
    next.begin([recordOf("other", ["lab3"])]);
    await next.close();
    assert.deepEqual(known("demo"), []);
    assert.deepEqual(known("other"), ["other"]);
    next.hear("other", { ...recordOf("other", ["lab3"]), status: "STOPPED" });
    next.hear("other", undefined);
    await next.close();
    assert.ok(!existsSync(own));
    assert.equal(readFileSync(file, "utf8"), "Host mine\n");

    writeFileSync(file, "Nonsense here\n");
    next.hear("bad", recordOf("bad", ["lab1"]));
    await next.close();
    assert.match(String(log.lines.at(-1)?.fields["why"]), /Bad configuration option: nonsense/i);
  } finally {
    delete process.env["SKY_SSH_CONFIG"];
    rmSync(root, { recursive: true });
  }
});
