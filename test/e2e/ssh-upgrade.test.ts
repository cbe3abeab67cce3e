// Newer programs on the client than on its hosts: the hosts are given the new ones under their
// running jobs; where that cannot be, what runs there is used as it is.

import assert from "node:assert/strict";
import {
  appendFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { makeBundle } from "../../clouds/ssh/bundle-make-os.ts";
import { jobOf, phaseReached, submit } from "../integration/jobs.ts";
import { checkout, isAlive, type Place, until } from "../support/programs.ts";
import { type Host, type Lab, labProblem, startLab } from "./lab.ts";
import { areAsNew, closeBoth, headLog, labPlace, launching, ok, told } from "./ssh-clusters.ts";

describe("newer programs", { skip: labProblem() ?? false }, () => {
  let lab: Lab;
  let here: Place;
  let folder: string;

  before(async () => {
    lab = await startLab({ count: 2 });
    here = labPlace(undefined, lab);
    folder = mkdtempSync(join(tmpdir(), "sky-upgrade-"));
    await ok(here, [...launching("demo", 2), "true"]);
  });

  after(async () => {
    await closeBoth(here, lab).finally(() => rmSync(folder, { recursive: true, force: true }));
  });

  /** Ends the head of the client, as somebody does who installs another version. */
  const endHead = async (): Promise<void> => {
    const heads = here.heads();
    for (const { pid } of heads) process.kill(pid, "SIGTERM");
    await until("the head has ended", () => !heads.some(({ pid }) => isAlive(pid)));
  };

  const sky = async (programs: string, args: readonly string[]): Promise<string> => {
    const result = await here.sky(args, { programs, timeoutMs: 90_000 });
    assert.equal(result.code, 0, `sky ${args.join(" ")}: ${told(here, result)}`);
    return result.stdout;
  };

  test("hosts that have no room for them go on with what they have", async () => {
    const newer = await programsOf(folder, "0.1.8");
    for (const host of lab.hosts) await host.fillDisk(8_192);
    await endHead();
    assert.match(await sky(newer, ["queue", "demo"]), /SUCCEEDED/);
    for (const host of lab.hosts) await host.emptyDisk();
    assert.match(await sky(newer, ["exec", "demo", "echo well"]), /well/);
  });

  test("head and nodes are replaced under a running job, whose log has no gap", async () => {
    const newer = await programsOf(folder, "0.1.9");
    const before = bundlesIn(lab.host(0));
    const script = "for i in $(seq 1 40); do echo tick $i; sleep 0.2; done";
    const id = await submit(here, "demo", "--num-nodes", "2", script);
    await phaseReached(here, { cluster: "demo", id }, "RUNNING");
    const pids = (await jobOf(here, "demo", id)).ranks.map(({ pid }) => pid);
    await endHead();
    assert.match(await sky(newer, [...launching("demo", 2), "echo again"]), /again/);
    const job = await phaseReached(here, { cluster: "demo", id }, "SUCCEEDED");
    assert.deepEqual(
      job.ranks.map(({ pid }) => pid),
      pids,
    );
    const log = await sky(newer, ["logs", "demo", String(id), "--no-follow"]);
    for (let tick = 1; tick <= 40; tick += 1) {
      assert.equal([...log.matchAll(new RegExp(`tick ${tick}\\n`, "g"))].length, 2, log);
    }
    for (const host of lab.hosts) {
      const isNew = (): boolean => {
        const [used, ...more] = bundlesIn(host);
        return used !== undefined && more.length === 0 && !before.includes(used);
      };
      await until(`${host.name} has the new bundle and no other`, isNew, {
        describe: () => `${bundlesIn(host).join(" ")}\n${headLog(here)}`,
      });
      assert.deepEqual(linksOf(host), bundlesIn(host));
    }
    assert.match(await sky(newer, ["why", "demo"]), /was replaced: from \w+ to \w+/);
    await sky(newer, ["down", "-y", "demo"]);
    await areAsNew(lab.hosts);
  });
});

/** Today's programs, as another version of them. */
async function programsOf(folder: string, version: string): Promise<string> {
  const dist = join(folder, version, "dist");
  mkdirSync(dist, { recursive: true });
  writeFileSync(join(folder, version, "package.json"), JSON.stringify({ type: "module", version }));
  const from = join(checkout, "dist");
  for (const name of readdirSync(from)) {
    if (name !== "bundle" && name !== "types") cpSync(join(from, name), join(dist, name));
  }
  for (const name of ["skyhead-main.js", "skylet-main.cjs"]) {
    appendFileSync(join(dist, name), `// ${version}\n`);
  }
  const about = createRequire(join(checkout, "dist/sky.js")).resolve("node/package.json");
  const { version: nodeVersion } = createRequire(import.meta.url)(about) as { version: string };
  await makeBundle({
    ...{ dist, version, nodeVersion, arch: process.arch },
    node: realpathSync(about.replace(/package\.json$/, "bin/node")),
    cache: join(folder, "cache"),
    to: join(dist, "bundle"),
  });
  return dist;
}

function bundlesIn(host: Host): readonly string[] {
  const names = readdirSync(host.path(`${host.home}/.skylet/bundles`));
  return names.filter((name) => /^[0-9a-f]{64}$/.test(name));
}

/** The bundles that the clusters of a host run. */
function linksOf(host: Host): readonly string[] {
  const clusters = host.path(`${host.home}/.skylet/clusters`);
  return readdirSync(clusters).map((name) => {
    const target = readlinkSync(join(clusters, name, "bundle"));
    return target.slice(target.lastIndexOf("/") + 1);
  });
}
