// Transfers between hosts over real links: between this machine and a host of which only SSH can be
// reached, over a relay where that is faster, and to many at once.
//
// Three hosts are on a bridge; two of them have a cable of their own besides, which is the direct
// way between them, and slow. What is asserted is which links carried the bytes, as the kernel
// counts them; how long it took is told.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, type TestContext, test } from "node:test";
import { noise } from "../support/noise.ts";
import { type Place, until } from "../support/programs.ts";
import { sow } from "../support/trees.ts";
import { type Host, type Lab, labProblem } from "./lab.ts";
import { type Moved, type OverlayStage, overlayStage } from "./overlay-stage.ts";
import { headLog, ok, roles, strike } from "./ssh-clusters.ts";

describe("transfers between hosts", { skip: labProblem() ?? false }, () => {
  let stage: OverlayStage;
  let lab: Lab;
  let here: Place;

  before(async () => {
    stage = await overlayStage({ mebibytes: 96, hosts: { 2: { hidden: true } } });
    ({ lab, here } = stage);
  });

  after(() => stage?.close());

  test("this machine gives to a host and takes from it, also by SSH alone", async () => {
    const source = join(here.folder, "source");
    sow(source, [
      ["a b", { kind: "file", content: "x", mode: 0o640 }],
      ["large", { kind: "file", content: noise("large", 4_194_304) }],
    ]);
    // To the last one nothing leads from here but SSH, over another host.
    for (const [node, host] of [
      ["worker1", lab.host(1)],
      ["worker2", lab.host(2)],
    ] as const) {
      await ok(here, ["cp", "-r", "-y", source, `demo/${node}:from here`]);
      assert.deepEqual(sums(host, "from here"), sumsHere(source));
      const back = join(here.folder, `back from ${node}`);
      await ok(here, ["cp", "-r", "-y", `demo/${node}:from here`, back]);
      assert.deepEqual(sumsHere(back), sumsHere(source));
    }
  });

  test("a relay is taken by itself where it is faster", async (t) => {
    await ok(here, ["profile", "-y", "--seconds", "1", "demo"]);
    const { bytes } = stage;
    const relayed = await stage.moved(["demo/worker2:relayed"]);
    const direct = await stage.moved(["demo/worker2:direct", "--solver", "direct"]);
    assert.deepEqual(sums(lab.host(2), "relayed"), sums(lab.host(1), "data"));
    assert.deepEqual(sums(lab.host(2), "direct"), sums(lab.host(1), "data"));
    tell(t, { relayed, direct });
    assert.ok(relayed.overBridge > 0.75 * bytes, JSON.stringify(relayed));
    assert.ok(direct.alongCable > bytes && direct.overBridge < 0.1 * bytes, JSON.stringify(direct));
  });

  test("it goes on when the head on a host and both skylets are killed", async () => {
    const words = ["--solver", "direct", "demo/worker1:data", "demo/worker2:killed"];
    const said = await ok(here, ["cp", "-r", "-y", "-d", "-o", "text", ...words]);
    const id = /Transfer (\d+)/.exec(said)?.[1] ?? "";
    await until("bytes have come", () => existsSync(homePath(lab.host(2), "killed")));
    assert.ok(strike(lab.host(0), roles.head) > 0);
    for (const host of [lab.host(1), lab.host(2)]) assert.ok(strike(host, roles.skylet) > 0);
    const ended = async (): Promise<boolean> => /SUCCEEDED/.test(await ok(here, ["transfers", id]));
    await until("it has ended", ended, { deadlineMs: 90_000, describe: () => headLog(here) });
    assert.deepEqual(sums(lab.host(2), "killed"), sums(lab.host(1), "data"));
  });

  test("what goes to several leaves its source once", async () => {
    const destinations = ["demo/head:copy", "demo/worker2:copy", join(here.folder, "copy")];
    const { alongCable, overBridge } = await stage.moved(destinations);
    for (const host of [lab.host(0), lab.host(2)]) {
      assert.deepEqual(sums(host, "copy"), sums(lab.host(1), "data"));
    }
    assert.deepEqual(sumsHere(join(here.folder, "copy")), sums(lab.host(1), "data"));
    const sent = alongCable + overBridge;
    // Three times as many would have left it; some frames go twice when a connection is late.
    assert.ok(sent < 1.6 * stage.bytes, `${sent} of ${stage.bytes} bytes left the source`);
  });
});

function tell(
  t: TestContext,
  { relayed, direct }: Readonly<Record<"relayed" | "direct", Moved>>,
): void {
  const gain = (relayed.megabits / direct.megabits).toFixed(2);
  const [fast, slow] = [relayed.megabits.toFixed(0), direct.megabits.toFixed(0)];
  t.diagnostic(`on the wire: ${fast} Mbit/s by itself, ${slow} direct: ${gain} times`);
}

function homePath(host: Host, folder: string): string {
  return host.path(`${host.home}/${folder}`);
}

/** Of the files in a folder of a host's home, by name. */
function sums(host: Host, folder: string): ReadonlyMap<string, string> {
  return sumsHere(homePath(host, folder));
}

function sumsHere(folder: string): ReadonlyMap<string, string> {
  const names = readdirSync(folder).sort();
  const sum = (name: string): string =>
    createHash("sha256")
      .update(readFileSync(join(folder, name)))
      .digest("hex");
  return new Map(names.map((name) => [name, sum(name)]));
}
