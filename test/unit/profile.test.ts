// `sky profile`: which links are measured when, what is counted, and what is remembered.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isSkyError, SkyError } from "../../model/errors.ts";
import type { ProfiledLink } from "../../model/transfer.ts";
import type { TransferPass } from "../../runtime/certificates-transfer-os.ts";
import { createMemoryClock, type MemoryClock } from "../../runtime/clock-memory.ts";
import { createMemoryFiles } from "../../runtime/files-memory.ts";
import { silentLog } from "../../runtime/log.ts";
import type { StreamChannel } from "../../runtime/stream.ts";
import { ownGateway } from "../../scheduler/gateways/own-gateway.ts";
import { createProfiler } from "../../scheduler/transfers/profile.ts";
import { profileRounds } from "../../scheduler/transfers/profile-rounds.ts";
import type { GatewayDoors, GatewayHost, GatewaySite } from "../../transfer/gateway/doors.ts";
import type { GatewayOrder, GatewayWord } from "../../transfer/gateway/orders.ts";
import { encodeLine, orderParser } from "../../transfer/gateway/orders-codec.ts";
import { homeGateway } from "../../transfer/gateway/program.ts";

const { signal } = new AbortController();
const gibps = 125_000_000;

function site(gateway: string, region: string, ...addresses: string[]): GatewaySite {
  return { gateway, region, addresses, canListen: addresses.length > 0 };
}

const home = site(homeGateway, "local");
const sites = [
  home,
  site("a/head", "local", "127.0.0.2"),
  ...[1, 2, 3].map((n) => site(`s/n${n}`, "ssh:x", `10.0.0.${n}`)),
];

test("every link is measured once, and no machine is in two tests at once", () => {
  const rounds = profileRounds(sites);
  const tests = rounds.flat().map(({ from, to }) => `${from.gateway}>${to.gateway}`);
  assert.equal(new Set(tests).size, tests.length);
  assert.equal(tests.length, sites.length * (sites.length - 1));
  for (const round of rounds) {
    const ends = round.flatMap(({ from, to }) => [...new Set([from.region, to.region])]);
    assert.ok(ends.filter((region) => region === "local").length <= 1, JSON.stringify(round));
    const gateways = round.flatMap(({ from, to }) => [from.gateway, to.gateway]);
    assert.equal(new Set(gateways).size, gateways.length);
  }
});

test("what arrives in the time is the rate, and the newest is remembered", async () => {
  const world = stage();
  const links = await world.measure({ seconds: 2 });
  const [first] = links;
  assert.ok(first);
  assert.equal(links.length, 6);
  for (const { gbps } of links) assert.ok(Math.abs(gbps - 1) < 0.01, `${gbps}`);
  assert.deepEqual(byName(await world.profiler.links()), byName(links));
  assert.deepEqual(world.left(), { open: 0, removed: 12 });

  world.bytesPerSecond = gibps / 2;
  const again = await world.measure({ clusters: ["s"], seconds: 1 });
  assert.equal(again.length, 2);
  const known = await world.profiler.links();
  assert.equal(known.length, 6);
  const halves = known.filter(({ gbps }) => Math.abs(gbps - 0.5) < 0.01);
  assert.deepEqual(byName(halves), byName(again));
});

test("a link that carries nothing is left out, and the others are measured", async () => {
  const world = stage();
  world.broken = "s/n1";
  const links = await world.measure({ seconds: 1 });
  assert.deepEqual(byName(links), [`a/head>${homeGateway}`, `${homeGateway}>a/head`]);
  assert.equal(world.left().open, 0);
});

test("what cannot be measured is refused by name", async () => {
  const world = stage();
  await assert.rejects(world.measure({ clusters: ["nobody"] }), (error) =>
    isSkyError(error, "cluster/not-found"),
  );
  await assert.rejects(world.measure({ seconds: 0 }), (error) =>
    isSkyError(error, "request/invalid"),
  );
});

function byName(links: readonly ProfiledLink[]): readonly string[] {
  return links.map(({ from, to }) => `${from}>${to}`).sort();
}

/** This machine, a node of it, and a host. */
function stage() {
  const clock = createMemoryClock();
  const world = {
    ...{ bytesPerSecond: gibps, broken: "" },
    ...{ open: 0, removed: 0 },
    left: () => ({ open: world.open, removed: world.removed }),
    profiler: createProfiler({
      ...{ doors: doorsOf(), clock, log: silentLog },
      ...{ files: createMemoryFiles("/home"), path: "/home/profile.json" },
      newId: () => "0".repeat(32),
      passes: async (_, peers) => new Map(peers.map(({ peer }) => [peer, passOf(peer)])),
    }),
    measure: async (request: { clusters?: readonly string[]; seconds?: number }) => {
      const links: ProfiledLink[] = [];
      let isOver = false;
      const measuring = (async () => {
        for await (const link of world.profiler.measure(request, signal)) links.push(link);
      })().finally(() => {
        isOver = true;
      });
      // It is awaited below.
      measuring.catch(() => {});
      for (let i = 0; i < 5_000 && !isOver; i += 1) await clock.pass(50, breath);
      await measuring;
      return links;
    },
  };

  function doorsOf(): GatewayDoors {
    return {
      sites: async () => [
        home,
        site("a/head", "local", "127.0.0.2"),
        site("s/n1", "x", "10.0.0.1"),
      ],
      open: async (gateway, header) => {
        const own = ownGateway(async () => hostOf(gateway));
        return await own.open(header, signal);
      },
      reach: async ({ target }) => ({ target, close: async () => {} }),
    };
  }

  function hostOf(gateway: string): GatewayHost {
    const serve = async (channel: StreamChannel): Promise<void> => {
      world.open += 1;
      try {
        await talk(channel, gateway, { clock, world });
      } finally {
        world.open -= 1;
      }
    };
    const counts = () => ({ transfers: 0, memoryBytes: 0, diskBytes: 0 });
    return { serve, counts, close: async () => {} };
  }
  return world;
}

interface World {
  readonly clock: MemoryClock;
  readonly world: { bytesPerSecond: number; broken: string; removed: number };
}

/** Says what a gateway says. */
async function talk(channel: StreamChannel, gateway: string, { clock, world }: World) {
  const parser = orderParser();
  const say = (word: GatewayWord): void => {
    // A head that is gone hears nothing.
    channel.write(encodeLine(word)).catch(() => {});
  };
  let stopMetrics = (): void => {};
  const take = (order: GatewayOrder): void => {
    if (order.kind === "begin") {
      assert.equal(order.program.gateway, gateway);
      assert.equal(order.pass.peer, gateway);
      if (gateway === world.broken) {
        const error = { code: "stream/closed", text: "no way", retry: true };
        say({ kind: "failed", handle: "send-0", error });
      } else if (order.peers.some(({ dial }) => !dial)) {
        say({ kind: "listening", target: { host: "0.0.0.0", port: 7 } });
        say({ kind: "begun" });
      }
    } else if (order.kind === "peer") {
      assert.ok(order.target.host !== "0.0.0.0");
      say({ kind: "begun" });
    } else if (order.kind === "objects-end") {
      const startMs = clock.now().monoMs;
      const tell = (): void => {
        stopMetrics = clock.after(100, tell);
        const bytes = ((clock.now().monoMs - startMs) * world.bytesPerSecond) / 1_000;
        const none = { chunks: 0, objects: 0, retries: 0, failures: 0, waiting: 0 };
        const operators = [{ handle: "discard-0", bytes, ...none }];
        say({ kind: "metrics", metrics: { operators, memoryBytes: 0, diskBytes: 0 } });
      };
      tell();
    } else if (order.kind === "stop") {
      assert.equal(order.leave, "remove");
      world.removed += 1;
    }
  };
  try {
    for await (const part of channel) for (const order of parser.push(part)) take(order);
  } catch (error) {
    assert.ok(error instanceof SkyError);
  }
  stopMetrics();
  channel.end();
}

function passOf(peer: string): TransferPass {
  return { peer, certificate: "c", key: "k", authority: "a" };
}

async function breath(): Promise<void> {
  for (let i = 0; i < 3; i += 1) await new Promise((resolve) => setImmediate(resolve));
}
