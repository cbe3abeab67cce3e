// Choosing hosts: never one that does not fit, never a device twice, and always some if any would
// do, which is compared with trying all of them.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { AskedShape } from "../../clouds/cluster-record.ts";
import { type Choice, chooseHosts, type LookedAt } from "../../clouds/ssh/host-choice.ts";
import type { HostDevice, HostReport } from "../../clouds/ssh/host-report.ts";
import { isSkyError, SkyError } from "../../model/errors.ts";
import { fc } from "../support/property.ts";

const gb = 1_024 ** 3;

function reportOf(host: string, over: Partial<HostReport> = {}): HostReport {
  return {
    ...{ host, os: "Debian", arch: "x64", libc: "glibc 2.36", cpus: 8, memoryBytes: 32 * gb },
    ...{ diskFreeBytes: 100 * gb, devices: [], clockSkewMs: 0, ip: `10.0.0.${host}` },
    ...{ user: "ann", bootId: `boot-${host}`, keeper: "systemd", claims: {}, problems: [] },
    ...over,
  };
}

function lookOf(host: string, over: Partial<HostReport> = {}): LookedAt {
  return { host: hostOf(host), report: reportOf(host, over) };
}

const hostOf = (name: string) => ({ name, target: { host: name } });
const devices = (name: string, ...ids: readonly number[]): readonly HostDevice[] =>
  ids.map((id) => ({ id, name, memoryBytes: 80 * gb }));
const fatal = { why: "there is no bash", fix: "apt-get install bash", fatal: true };

function choose(looked: readonly LookedAt[], numNodes: number, asked: AskedShape = {}): Choice {
  const pool = { name: "lab", hosts: looked.map(({ host }) => host) };
  return chooseHosts(pool, looked, { asked, numNodes });
}

const namesOf = ({ nodes }: Choice) => nodes.map(({ report }) => report.host);

function refusal(looked: readonly LookedAt[], numNodes: number, asked: AskedShape = {}): string {
  try {
    choose(looked, numNodes, asked);
  } catch (error) {
    assert.ok(isSkyError(error, "pool/no-fit"), String(error));
    return error.message;
  }
  assert.fail("it fits");
}

test("nodes are the first hosts that fit, and have what was asked, else all of it", () => {
  const looked = [lookOf("1", { cpus: 2 }), lookOf("2"), lookOf("3"), lookOf("4")];
  assert.deepEqual(namesOf(choose(looked, 2)), ["1", "2"]);
  const { nodes, leftOut } = choose(looked, 2, { cpus: 4 });
  assert.deepEqual(
    nodes.map(({ report, capacity }) => [report.host, capacity]),
    ["2", "3"].map((name) => [name, { cpus: 4, memoryBytes: 32 * gb, accelerators: [] }]),
  );
  assert.deepEqual(leftOut, [{ host: "1", why: "it has 2 of 4 CPUs" }]);
});

test("hosts that other clusters use come last, and the order stays the pool's", () => {
  const busy = { claims: { workdir: "a-1" } };
  const busier = { claims: { workdir: "a-1", "gpu-0": "b-2", "gpu-1": "b-2" } };
  const looked = [lookOf("1", busier), lookOf("2", busy), lookOf("3"), lookOf("4", busy)];
  assert.deepEqual(namesOf(choose(looked, 1)), ["3"]);
  assert.deepEqual(namesOf(choose(looked, 2)), ["2", "3"]);
  assert.deepEqual(namesOf(choose(looked, 3)), ["2", "3", "4"]);
  assert.deepEqual(namesOf(choose(looked, 4)), ["1", "2", "3", "4"]);
});

test("devices are those that nobody has, by the host's own numbers and name", () => {
  const all = { devices: [...devices("A100", 3, 0, 1, 2), ...devices("T4", 4)] };
  const looked = [lookOf("1", { ...all, claims: { "gpu-0": "a-1", "gpu-4": "a-1" } })];
  const of = (name: string, count: number) =>
    choose(looked, 1, { accelerators: { name, count } }).nodes[0]?.capacity.accelerators;
  assert.deepEqual(of("a100", 2), [{ name: "A100", count: 2, ids: [1, 2] }]);
  assert.deepEqual(of("A100", 0.5), [{ name: "A100", count: 1, ids: [1] }]);
  assert.equal(
    refusal(looked, 1, { accelerators: { name: "A100", count: 4 } }),
    [
      "pool lab has 0 of 1 node asked for, each with A100:4:",
      "  1: it has 3 free A100 of 4; a-1 uses 1 of the others",
      "  would fit: 1 node with A100:3",
    ].join("\n"),
  );
  assert.match(
    refusal(looked, 1, { accelerators: { name: "H100", count: 1 } }),
    /1: it has no H100, only A100, T4\n {2}would fit: 1 node$/,
  );
});

test("what does not fit is told host by host, with what would", () => {
  const error = new SkyError("ssh/unreachable", { host: "4", why: "no route to host" });
  const looked: readonly LookedAt[] = [
    lookOf("1"),
    lookOf("2", { problems: [{ ...fatal, fatal: false }, fatal] }),
    lookOf("3", { memoryBytes: 15.999 * gb }),
    { host: hostOf("4"), error },
    { host: hostOf("5") },
    lookOf("6", { ip: "10.0.0.1", bootId: "boot-1" }),
    lookOf("7", { ip: "10.0.0.1" }),
    lookOf("8", { ip: "127.0.0.1" }),
  ];
  assert.equal(
    refusal(looked, 2, { cpus: 8, memoryBytes: 16 * gb }),
    [
      "pool lab has 1 of 2 nodes asked for, each with 8 CPUs, 16 GB of memory:",
      "  2: there is no bash (apt-get install bash)",
      "  3: it has 15.99 GB of 16 GB of memory",
      "  4: host 4 cannot be reached: no route to host",
      "  5: it was not looked at",
      "  6: it is the same machine as 1",
      "  7: it has the address 10.0.0.1, as 1 has, so they cannot reach each other",
      "  8: other hosts do not reach it at 127.0.0.1",
      "  would fit: 1 node with 8 CPUs, 16 GB of memory",
      "  would fit: 2 nodes with 8 CPUs, 15.99 GB of memory",
    ].join("\n"),
  );
  assert.deepEqual(namesOf(choose(looked.slice(7), 1)), ["8"], "alone it needs no others");
});

test("a pool of which nothing can be used says so, without an offer", () => {
  const looked = [lookOf("1", { problems: [fatal] })];
  assert.doesNotMatch(refusal(looked, 1), /would fit/);
  assert.match(refusal([], 1), /^pool lab has 0 of 1 node asked for:$/);
});

// ---- against trying all

const kinds = ["A100", "T4"];
const device = fc.constantFrom(...kinds);
const anyLook = fc.record({
  cpus: fc.integer({ min: 1, max: 4 }),
  memory: fc.integer({ min: 1, max: 4 }),
  devices: fc.array(device, { maxLength: 4 }),
  claimed: fc.array(fc.nat({ max: 3 }), { maxLength: 3 }),
  users: fc.nat({ max: 2 }),
  state: fc.constantFrom("good", "good", "good", "good", "unfit", "lost"),
  ip: fc.nat({ max: 9 }),
});
const anyAsked: fc.Arbitrary<AskedShape> = fc.record(
  {
    cpus: fc.integer({ min: 1, max: 4 }),
    memoryBytes: fc.integer({ min: 1, max: 4 }).map((count) => count * gb),
    accelerators: fc.record({
      name: fc.constantFrom("a100", "T4"),
      count: fc.constantFrom(0.5, 1, 2, 3),
    }),
  },
  { requiredKeys: [] },
);

type Drawn = typeof anyLook extends fc.Arbitrary<infer T> ? T : never;

function lookedAt(drawn: Drawn, index: number): LookedAt {
  const name = String(index);
  if (drawn.state === "lost") return { host: hostOf(name), error: new Error("lost.") };
  const claims = Object.fromEntries([
    ...drawn.claimed.map((id) => [`gpu-${id}`, "other-1"]),
    ...Array.from({ length: drawn.users }, (_, user) => [`workdir-${user}`, `user-${user}`]),
  ]);
  return lookOf(name, {
    ...{ cpus: drawn.cpus, memoryBytes: drawn.memory * gb, claims, ip: `10.0.0.${drawn.ip}` },
    devices: drawn.devices.flatMap((kind, id) => devices(kind, id)),
    problems: drawn.state === "unfit" ? [fatal] : [],
  });
}

/** By the definition of fitting alone. */
function fits({ report }: LookedAt, asked: AskedShape): boolean {
  if (report === undefined || report.problems.some((problem) => problem.fatal)) return false;
  if ((asked.cpus ?? 0) > report.cpus) return false;
  if ((asked.memoryBytes ?? 0) > report.memoryBytes) return false;
  const { name = "", count = 0 } = asked.accelerators ?? {};
  const free = report.devices.filter(
    (one) => one.name.toLowerCase() === name.toLowerCase() && !report.claims[`gpu-${one.id}`],
  );
  return free.length >= count;
}

/** Whether any set of so many hosts would do: all sets are tried. */
function someChoice(looked: readonly LookedAt[], numNodes: number, asked: AskedShape): boolean {
  for (let set = 0; set < 2 ** looked.length; set += 1) {
    const chosen = looked.filter((_, index) => (set & (1 << index)) !== 0);
    const ips = new Set(chosen.map(({ report }) => report?.ip));
    const isOne = chosen.length === numNodes && ips.size === numNodes;
    if (isOne && chosen.every((look) => fits(look, asked))) return true;
  }
  return false;
}

test("a choice is made whenever there is one, it fits, and no device is taken twice", () => {
  const hosts = fc.array(anyLook, { maxLength: 6 });
  fc.assert(
    fc.property(hosts, fc.integer({ min: 1, max: 4 }), anyAsked, (drawn, numNodes, asked) => {
      const looked = drawn.map(lookedAt);
      if (!someChoice(looked, numNodes, asked)) {
        const told = refusal(looked, numNodes, asked);
        for (const { host } of looked.filter((look) => !fits(look, asked))) {
          assert.match(told, new RegExp(`^ {2}${host.name}: .`, "m"));
        }
        return;
      }
      const { nodes } = choose(looked, numNodes, asked);
      assert.equal(nodes.length, numNodes);
      const indices = nodes.map(({ report }) => Number(report.host));
      assert.deepEqual(
        indices,
        indices.toSorted((a, b) => a - b),
      );
      assert.equal(new Set(nodes.map(({ report }) => report.ip)).size, numNodes);
      for (const { report, capacity } of nodes) {
        assert.ok(fits({ host: hostOf(report.host), report }, asked));
        assert.equal(capacity.cpus, asked.cpus ?? report.cpus);
        const [given] = capacity.accelerators;
        const ids = given?.ids ?? [];
        assert.equal(new Set(ids).size, Math.ceil(asked.accelerators?.count ?? 0));
        for (const id of ids) {
          assert.equal(report.claims[`gpu-${id}`], undefined);
          assert.equal(report.devices.find((one) => one.id === id)?.name, given?.name);
        }
      }
    }),
    { numRuns: 2_000 },
  );
});

test("what is said to fit fits", () => {
  fc.assert(
    fc.property(
      fc.array(anyLook, { minLength: 1, maxLength: 5 }),
      fc.integer({ min: 1, max: 4 }),
      anyAsked,
      (drawn, numNodes, asked) => {
        const looked = drawn.map(lookedAt);
        if (someChoice(looked, numNodes, asked)) return;
        const told = refusal(looked, numNodes, asked);
        for (const [, nodes, shape = ""] of told.matchAll(/would fit: (\d+) nodes?(.*)/g)) {
          const [, kind, count] = /(A100|T4|a100):([\d.]+)/.exec(shape) ?? [];
          const [, cpus] = /(\d+) CPU/.exec(shape) ?? [];
          const [, memory] = /([\d.]+) GB/.exec(shape) ?? [];
          const less: AskedShape = {
            ...(cpus !== undefined && { cpus: Number(cpus) }),
            ...(memory !== undefined && { memoryBytes: Number(memory) * gb }),
            ...(kind !== undefined && { accelerators: { name: kind, count: Number(count) } }),
          };
          assert.ok(someChoice(looked, Number(nodes), less), `${told}\n${JSON.stringify(less)}`);
        }
      },
    ),
    { numRuns: 2_000 },
  );
});
