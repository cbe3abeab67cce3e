// Seats: keepers that stay in their cgroup and serve one rank after another, and the directories
// that serve again with them.
//
// What a seat must never do is to mix two ranks up: it is used again only after a clean end, and
// whoever sweeps the first rank later finds nothing of the second.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { LiveRank } from "../../agent/live-rank.ts";
import { isAlive, linkOf, statOf } from "../../agent/proc-os.ts";
import { startProcessOs } from "../../agent/process-os.ts";
import { readClaim } from "../../agent/rank-dir-os.ts";
import type { Claim } from "../../agent/rank-files.ts";
import type { Seat } from "../../agent/seats-os.ts";
import { Seats } from "../../agent/seats-os.ts";
import { ShimWatch } from "../../agent/shim-watch-os.ts";
import { createMemoryClock } from "../../runtime/clock-memory.ts";
import { createOsClock } from "../../runtime/clock-os.ts";
import { silentLog } from "../../runtime/log.ts";
import { createOsRandom } from "../../runtime/random-os.ts";
import { hear, until } from "./process.contract.ts";

const root = mkdtempSync(join(tmpdir(), "skylet seats "));
const alive = setInterval(() => {}, 1_000);
after(() => {
  rmSync(root, { recursive: true, force: true, maxRetries: 10 });
  clearInterval(alive);
});

/** A port whose slots stand one at a time, so that each rank takes the seat that is free. */
async function openNode(name: string, cgroupKinds?: readonly ("v2" | "freezer")[]) {
  const place = `${root}/${name}`;
  const [home, ranksDir] = [`${place}/home`, `${place}/ranks`];
  mkdirSync(home, { recursive: true });
  const ports = { clock: createOsClock(), random: createOsRandom(), log: silentLog };
  const port = await startProcessOs({
    ...{ stateDir: `${place}/state`, ranksDir, home, name, ...ports },
    ...{ warmCount: 1, logGraceMs: 100, ...(cgroupKinds && { cgroupKinds }) },
  });
  const heard = hear(port);
  let count = 0;
  const start = async (script: string): Promise<string> => {
    count += 1;
    const dir = `${ranksDir}/${count}-1-run-0`;
    await port.prepare({ dir, script, cwd: home, home, env: {}, goWhenReady: true });
    return dir;
  };
  /** The claim of a rank that has ended. */
  const run = async (script: string): Promise<Claim & { readonly dir: string }> => {
    const dir = await start(script);
    await heard.exit(dir);
    const claim = readClaim(dir);
    assert.ok(claim);
    return { ...claim, dir };
  };
  /** Ranks until one has that keeper; a slot that stood before another rank's end comes first. */
  const runOn = async (keeper: number): Promise<Claim & { readonly dir: string }> => {
    for (let tries = 0; tries < 10; tries += 1) {
      const ran = await run("true");
      if (ran.keeper.pid === keeper) return ran;
    }
    throw new Error(`the seat of ${keeper} served no other rank`);
  };
  return { port, heard, start, run, runOn, slots: `${place}/state/slots` };
}

for (const kind of ["v2", "freezer"] as const) {
  test(`${kind}: after a clean end a seat serves the next rank, in the same cgroup`, async () => {
    const node = await openNode(`clean-${kind}`, [kind]);
    const first = await node.run("true");
    assert.ok(first.leaf, `no writable cgroup of this kind: ${kind}`);
    assert.ok(first.emptied);
    const next = await node.runOn(first.keeper.pid);
    assert.equal(next.leaf, first.leaf);
    assert.notEqual(next.token, first.token);
    assert.notEqual(next.runner.pid, first.runner.pid);
    await node.port.close();
  });

  test(`${kind}: a seat is not used again after anything but a clean end`, async () => {
    const node = await openNode(`unclean-${kind}`, [kind]);
    for (const script of ["exit 1", "kill -9 $$", "setsid sleep 1000 >/dev/null 2>&1 &"]) {
      const ran = await node.run(script);
      assert.ok(ran.leaf);
      assert.equal(ran.emptied, false, script);
      await until(() => !isAlive(ran.keeper), `the end of the seat after ${script}`);
    }
    await node.port.close();
  });

  test(`${kind}: a sweep of the rank before does not touch the one that has its seat`, async () => {
    const node = await openNode(`before-${kind}`, [kind]);
    const first = await node.run("true");
    let dir = "";
    for (let tries = 0; tries < 10; tries += 1) {
      dir = await node.start("echo up; sleep 1000");
      await node.heard.start(dir);
      if (readClaim(dir)?.keeper.pid === first.keeper.pid) break;
      await node.port.sweep(dir);
    }
    const second = readClaim(dir);
    assert.ok(second?.leaf);
    assert.equal(second.leaf, first.leaf);
    const swept = await node.port.sweep(first.dir);
    assert.deepEqual(swept, { found: 0, killed: 0, survivors: 0, unproven: [] });
    assert.ok(isAlive(second.runner));
    // Its own sweep ends it, and its seat with it.
    assert.ok((await node.port.sweep(dir)).killed >= 1);
    await node.heard.exit(dir);
    await until(() => !isAlive(second.keeper), "the end of the seat");
    await node.port.close();
  });
}

for (const who of ["keeper", "logger", "runner"] as const) {
  test(`no rank is given a slot whose ${who} was killed while it stood`, async () => {
    const node = await openNode(`killed-${who}`);
    const standing = () =>
      readdirSync(node.slots).flatMap((name) => readClaim(`${node.slots}/${name}`) ?? []);
    await until(() => standing().length > 0, "a slot that stands");
    const [claim] = standing();
    assert.ok(claim);
    process.kill(claim[who].pid, "SIGKILL");
    await until(() => !isAlive(claim[who]), `the end of the ${who}`);
    const dir = await node.start("exit 7");
    assert.deepEqual((await node.heard.exit(dir)).exit, { kind: "code", code: 7 });
    assert.notEqual(readClaim(dir)?.token, claim.token);
    await node.port.close();
  });
}

test("the output that a rank is known by is its pipe, for every rank of a seat", async () => {
  const node = await openNode("pipes");
  const ran = [await node.run("true"), await node.run("echo"), await node.run("echo")];
  for (const { output } of ran) assert.match(output ?? "", /^pipe:\[\d+\]$/);
  assert.equal(new Set(ran.map(({ output }) => output)).size, ran.length);
  await node.port.close();
});

test("without a cgroup nothing proves that nothing is left: no seat is used twice", async () => {
  const node = await openNode("bare", []);
  for (let ranks = 0; ranks < 3; ranks += 1) {
    const { keeper, emptied } = await node.run("true");
    assert.equal(emptied, false);
    await until(() => !isAlive(keeper), "the end of the seat");
  }
  await node.port.close();
});

test("a forgotten directory serves again, and tells nothing of the rank before", async () => {
  const node = await openNode("again");
  const first = await node.run("# the secret of the first\necho said by the first");
  assert.equal(linkOf(`/proc/${first.keeper.pid}/cwd`), first.dir);
  assert.equal(node.port.forget?.(first.dir), true);
  assert.ok(!existsSync(first.dir));
  for (const name of readdirSync(node.slots)) {
    if (!existsSync(`${node.slots}/${name}/claim`)) continue;
    for (const file of readdirSync(`${node.slots}/${name}`)) {
      const text = readFileSync(`${node.slots}/${name}/${file}`, "utf8");
      assert.doesNotMatch(text, /first|said/, `${name}/${file}`);
    }
  }
  // The next slot was made before; the one after it is in that directory.
  for (let ranks = 0; ranks < 3; ranks += 1) {
    const ran = await node.run("echo mine; cat /proc/self/nonsense; exit 3");
    assert.equal(readFileSync(`${ran.dir}/script`, "utf8").trim().split("\n").length, 1);
    assert.match(readFileSync(`${ran.dir}/log`, "utf8"), /^mine\n/);
    assert.equal(readFileSync(`${ran.dir}/exit`, "utf8").trim(), "3");
    const report = (await node.port.inventory()).find(({ dir }) => dir === ran.dir);
    assert.deepEqual(report?.phase === "exited" && report.exit, { kind: "code", code: 3 });
  }
  await node.port.close();
});

test("a directory with anything but a clean end in it does not serve again", async () => {
  const node = await openNode("never-again");
  const dir = await node.start("echo up; sleep 1000");
  await node.heard.start(dir);
  assert.equal(node.port.forget?.(dir), false, "it runs");
  await node.port.sweep(dir);
  await node.heard.exit(dir);
  assert.equal(node.port.forget?.(dir), false, "it was killed");
  assert.ok(existsSync(`${dir}/killed`));
  assert.equal(node.port.forget?.(`${dir}-of-nobody`), false);
  await node.port.close();
});

test("every first byte reaches the log, and so does silence", async () => {
  const node = await openNode("bytes");
  const silent = await node.run("true");
  assert.equal(readFileSync(`${silent.dir}/log`).length, 0);
  const dirs = await Promise.all(
    Array.from({ length: 256 }, async (_, byte) => {
      const octal = byte.toString(8).padStart(3, "0");
      const dir = await node.start(`printf '\\${octal}'; printf 'rest\\n'`);
      await node.heard.exit(dir);
      return dir;
    }),
  );
  for (const [byte, dir] of dirs.entries()) {
    const wanted = Buffer.concat([Buffer.from([byte]), Buffer.from("rest\n")]);
    assert.deepEqual(readFileSync(`${dir}/log`), wanted, `first byte ${byte}`);
  }
  await node.port.close();
});

test("seats that nobody needs go, and give their gates back", async () => {
  const slotsDir = `${root}/idle`;
  mkdirSync(slotsDir);
  const clock = createMemoryClock();
  const orders: string[] = [];
  const seats = new Seats({
    ...{ slotsDir, series: "0123456789abcdef", clock, cgroups: undefined, gatesFirst: 1 },
    order: (line) => orders.push(line),
    onGates: () => {},
  });
  assert.equal(seats.find("0123456789abcdef-0"), undefined);
  const gate = orders.pop()?.split(" ")[1] ?? "";
  execFileSync("mkfifo", [`${slotsDir}/${gate}`]);
  seats.gatesMade(gate);
  const seat: Seat | undefined = seats.find("0123456789abcdef-0");
  assert.ok(seat);
  seats.call(seat, seat.name);
  assert.match(orders.pop() ?? "", /^seat 0123456789abcdef-0 0123456789abcdef-gate-0 $/);
  seat.stage = "sat";
  seat.keeper = { pid: process.pid, startTicks: statOf(process.pid)?.startTicks ?? 0 };
  seats.rest(seat);
  assert.equal(seats.find("0123456789abcdef-1"), seat, "it is there for the next");
  seats.rest(seat);
  await clock.advance(60_000);
  assert.equal(seat.open, false);
  assert.equal(seats.find("0123456789abcdef-2"), undefined, "its keeper may still be at the gate");
  seats.vacated(seat.name);
  assert.equal(seats.find("0123456789abcdef-3")?.gate, seat.gate);
  await seats.close(new Map(), Promise.resolve());
});

test("gates that nobody told of are found", async () => {
  const slotsDir = `${root}/untold`;
  mkdirSync(slotsDir);
  const clock = createMemoryClock();
  const orders: string[] = [];
  let told = 0;
  const seats = new Seats({
    ...{ slotsDir, series: "0123456789abcdef", clock, cgroups: undefined, gatesFirst: 1 },
    order: (line) => orders.push(line),
    onGates: () => {
      told += 1;
    },
  });
  assert.equal(seats.find("0123456789abcdef-0"), undefined);
  await clock.advance(5_000);
  assert.equal(told, 0, "they are not there yet");
  execFileSync("mkfifo", [`${slotsDir}/${orders.pop()?.split(" ")[1] ?? ""}`]);
  await clock.advance(1_000);
  assert.equal(told, 1);
  assert.ok(seats.find("0123456789abcdef-0"));
  await seats.close(new Map(), Promise.resolve());
});

test("a rank whose end is on its way to us is not swept: its seat may be another's", async () => {
  const clock = createMemoryClock();
  const self = { pid: process.pid, startTicks: statOf(process.pid)?.startTicks ?? 0 };
  const ended = { pid: process.pid, startTicks: 1 };
  const ids = { keeper: self, logger: ended, runner: ended };
  const facts = { leaf: undefined, output: undefined, started: "", emptied: false };
  const claim: Claim = { token: "t", bootId: clock.now().bootId, ...ids, ...facts };
  const drops: string[] = [];
  const rankAt = (dir: string): LiveRank => {
    const slot = { drop: () => void drops.push(dir) } as unknown as LiveRank["slot"];
    const past = { told: true, dropped: false, mourned: false, startedWallMs: 1 };
    return { dir, token: dir, slot, claim, phase: "running", settle: undefined, ...past };
  };
  const dirs = ["heard", "silent"].map((name) => `${root}/${name}`);
  for (const dir of dirs) mkdirSync(dir);
  const ranks = dirs.map(rankAt);
  const open = new Set(ranks);
  const swept: string[] = [];
  const work: Promise<unknown>[] = [];
  const watch = new ShimWatch({
    ...{ clock, bootId: claim.bootId, graceMs: 100, ranks: () => ranks },
    isOpen: (rank) => open.has(rank),
    sweepOptions: (_, rankDir) => {
      swept.push(rankDir);
      return { claim, rankDir, cgroups: undefined, clock };
    },
    onGone: () => {},
    inBackground: (each) => void work.push(each),
  });
  watch.begin();
  clock.advance(1_000);
  open.delete(ranks[0] as LiveRank);
  clock.advance(100);
  await Promise.all(work);
  watch.close();
  assert.deepEqual(swept, [dirs[1]]);
  assert.deepEqual(drops, [dirs[1]], "its seat takes no other rank while it is swept");
});
