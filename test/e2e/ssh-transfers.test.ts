// Transfers between hosts over real links: between this machine and a host of which only SSH can be
// reached, over a relay where that is faster, and to many at once.
//
// Three hosts are on a bridge; two of them have a cable of their own besides, which is the direct
// way between them, and slow. What is asserted is which links carried the bytes, as the kernel
// counts them; how long it took is told.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, type TestContext, test } from "node:test";
import { noise } from "../support/noise.ts";
import type { Place } from "../support/programs.ts";
import { sow } from "../support/trees.ts";
import { type Host, type Lab, labProblem, startLab } from "./lab.ts";
import { type DirectCable, directCable, limit } from "./lab-direct.ts";
import { closeBoth, labPlace, launching, ok, writePools } from "./ssh-clusters.ts";

const mebibyte = 1_048_576;
/** 100 and 500 Mbit/s. */
const directBytesPerSecond = 12_500_000;
const bridgeBytesPerSecond = 62_500_000;
const bytes = 96 * mebibyte;

describe("transfers between hosts", { skip: labProblem() ?? false }, () => {
  let lab: Lab;
  let here: Place;
  let cable: DirectCable;

  before(async () => {
    lab = await startLab({ count: 3, hosts: { 2: { hidden: true } } });
    here = labPlace(undefined, lab);
    writePools(here, "lab:\n  hosts:\n    - lab0\n    - lab1\n    - lab2\n");
    await ok(here, [...launching("demo", 3), "true"]);
    await limit(lab.host(0), "eth0", bridgeBytesPerSecond);
    const rates = { direct: directBytesPerSecond, bridge: bridgeBytesPerSecond };
    cable = await directCable(lab.host(1), lab.host(2), rates);
    await fill(lab.host(1));
  });

  after(() => closeBoth(here, lab));

  test("this machine gives to a host and takes from it, also by SSH alone", async () => {
    const source = join(here.folder, "source");
    sow(source, [
      ["a b", { kind: "file", content: "x", mode: 0o640 }],
      ["large", { kind: "file", content: noise("large", 4 * mebibyte) }],
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
    const relayed = await moved(["demo/worker1:data", "demo/worker2:relayed"], cable);
    const direct = await moved(
      ["demo/worker1:data", "demo/worker2:direct", "--solver", "direct"],
      cable,
    );
    assert.deepEqual(sums(lab.host(2), "relayed"), sums(lab.host(1), "data"));
    assert.deepEqual(sums(lab.host(2), "direct"), sums(lab.host(1), "data"));
    tell(t, { relayed, direct });
    assert.ok(relayed.overBridge > 0.75 * bytes, JSON.stringify(relayed));
    assert.ok(direct.alongCable > bytes && direct.overBridge < 0.1 * bytes, JSON.stringify(direct));
  });

  test("what goes to several leaves its source once", async () => {
    const destinations = ["demo/head:copy", "demo/worker2:copy", join(here.folder, "copy")];
    const { alongCable, overBridge } = await moved(["demo/worker1:data", ...destinations], cable);
    for (const host of [lab.host(0), lab.host(2)]) {
      assert.deepEqual(sums(host, "copy"), sums(lab.host(1), "data"));
    }
    assert.deepEqual(sumsHere(join(here.folder, "copy")), sums(lab.host(1), "data"));
    const sent = alongCable + overBridge;
    assert.ok(sent < 1.25 * bytes, `${sent} of ${bytes} bytes left the source`);
  });

  async function moved(words: readonly string[], { sentBytes, sentOverBridge }: DirectCable) {
    const [along, over] = [sentBytes(), sentOverBridge()];
    const meter = meterOf(() => sentBytes() + sentOverBridge());
    await ok(here, ["cp", "-r", "-y", "--no-compress", ...words]);
    const megabits = meter.megabits();
    return { alongCable: sentBytes() - along, overBridge: sentOverBridge() - over, megabits };
  }
});

/** What a link carries in a second, while most of the bytes are on their way. */
function meterOf(count: () => number) {
  const samples: (readonly [ms: number, bytes: number])[] = [];
  const look = (): number => samples.push([performance.now(), count()]);
  look();
  const timer = setInterval(look, 50);
  return {
    megabits: (): number => {
      clearInterval(timer);
      look();
      const [first = 0, last = 0] = [samples[0]?.[1], samples.at(-1)?.[1]];
      const after = (share: number) =>
        samples.find(([, seen]) => seen >= first + share * (last - first)) ?? [0, 0];
      const [[beganMs, began], [endedMs, ended]] = [after(0.1), after(0.9)];
      return ((ended - began) * 8) / (endedMs - beganMs) / 1_000;
    },
  };
}

/** `~/data`, of bytes that do not compress. */
async function fill(host: Host): Promise<void> {
  const each = bytes / 4 / mebibyte;
  const make = `head -c ${each}M /dev/urandom > data/$i`;
  await host.exec(`mkdir data; for i in 1 2 3 4; do ${make}; done`, { user: host.user });
}

function tell(
  t: TestContext,
  { relayed, direct }: Readonly<Record<"relayed" | "direct", { readonly megabits: number }>>,
): void {
  const gain = (relayed.megabits / direct.megabits).toFixed(2);
  const [fast, slow] = [relayed.megabits.toFixed(0), direct.megabits.toFixed(0)];
  t.diagnostic(`on the wire: ${fast} Mbit/s by itself, ${slow} direct: ${gain} times`);
}

/** Of the files in a folder of a host's home, by name. */
function sums(host: Host, folder: string): ReadonlyMap<string, string> {
  return sumsHere(host.path(`${host.home}/${folder}`));
}

function sumsHere(folder: string): ReadonlyMap<string, string> {
  const names = readdirSync(folder).sort();
  const sum = (name: string): string =>
    createHash("sha256")
      .update(readFileSync(join(folder, name)))
      .digest("hex");
  return new Map(names.map((name) => [name, sum(name)]));
}
