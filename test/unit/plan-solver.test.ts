// The solver on its thread, and how many gateways quotas allow.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { lpText } from "../../transfer/plan/lp.ts";
import { gatewaysWithin } from "../../transfer/plan/quota.ts";
import { lazySolver } from "../../transfer/plan/solver.ts";
import { createHighsSolver } from "../../transfer/plan/solver-highs-os.ts";

const options = { secondsMax: 10, gap: 0 };
const solver = createHighsSolver();
after(() => solver.close());

function program(least: number, most: number): string {
  const terms = ["a", "b", "c", "d", "e", "f", "g", "h"].map((name) => ({ factor: 1, name }));
  return lpText({
    aim: "minimize",
    objective: terms.map((term, i) => ({ ...term, factor: i + 1 })),
    rows: [
      { terms, sense: ">=", right: least },
      { terms: [{ factor: 2, name: "a" }], sense: "<=", right: 3 },
    ],
    bounds: [{ name: "b", min: 0, max: most }],
    integers: ["a", "b"],
  });
}

test("programs are solved in order, each with its own answer", async () => {
  const answers = await Promise.all([1, 2.5, 4].map((n) => solver.solve(program(n, 1), options)));
  const objectives = answers.map((answer) => answer.kind === "solved" && answer.objective);
  // One of a at 1, one of b at 2, the rest c at 3.
  assert.deepEqual(objectives, [1, 1 + 2 + 1.5, 1 + 2 + 6]);
  const [, second] = answers;
  assert.ok(second?.kind === "solved" && second.isBest);
  assert.deepEqual([...second.values].sort(), [
    ["a", 1],
    ["b", 1],
    ["c", 0.5],
  ]);
});

test("a program without a solution is told apart from one that cannot be read", async () => {
  const shut = "Minimize\n cost: x\nSubject To\n r0: x >= 2\nBounds\n 0 <= x <= 1\nEnd\n";
  assert.deepEqual(await solver.solve(shut, options), { kind: "infeasible" });
  const answer = await solver.solve("this is no program", options);
  assert.equal(answer.kind, "failed");
  // The thread that failed is not asked again; the next one is.
  assert.equal((await solver.solve(program(1, 1), options)).kind, "solved");
});

test("a thread that dies answers, and so does a solver that was closed", async () => {
  const dying = createHighsSolver({ program: new URL("data:text/javascript,process.exit(3)") });
  const answer = await dying.solve(program(1, 1), options);
  assert.deepEqual(answer, { kind: "failed", why: "its thread ended (3)" });
  await dying.close();
  const silent = createHighsSolver({
    program: new URL("data:text/javascript,setInterval(()=>{},9e5)"),
  });
  const asked = [1, 2].map((n) => silent.solve(program(n, 1), options));
  await silent.close();
  const kinds = (await Promise.all(asked)).map(({ kind }) => kind);
  assert.deepEqual(
    [...kinds, (await silent.solve("", options)).kind],
    ["failed", "failed", "failed"],
  );
});

test("a lazy solver is loaded once, and not before it is asked", async () => {
  let loads = 0;
  const lazy = lazySolver(async () => {
    loads += 1;
    return solver;
  });
  assert.equal(loads, 0);
  await Promise.all([lazy.solve(program(1, 1), options), lazy.solve(program(2, 1), options)]);
  assert.equal(loads, 1);
});

test("quotas make gateways fewer, then smaller, and say so", () => {
  const wish = { region: "aws:us-east-1", type: "m5.8xlarge", count: 4 };
  const fits = gatewaysWithin([{ ...wish, quota: { vcpus: 200, used: 32 } }]);
  assert.deepEqual(fits, { offers: [wish], notes: [] });
  const fewer = gatewaysWithin([{ ...wish, quota: { vcpus: 100, used: 20 } }]);
  assert.deepEqual(fewer.offers, [{ ...wish, count: 2 }]);
  assert.match(fewer.notes.join(), /80 of 100 vCPUs are left in aws:us-east-1: 2 of 4/);
  const smaller = gatewaysWithin([{ ...wish, quota: { vcpus: 30, used: 0 } }]);
  assert.deepEqual(smaller.offers, [{ ...wish, type: "m5.4xlarge", count: 1 }]);
  assert.match(smaller.notes.join(), /m5.4xlarge instead of m5.8xlarge/);
  const unknown = gatewaysWithin([wish]);
  assert.deepEqual(unknown.offers, [wish]);
  assert.match(unknown.notes.join(), /quota of aws:us-east-1 is not known/);
  const none = { ...wish, quota: { vcpus: 32, used: 31 } };
  assert.throws(() => gatewaysWithin([none]), /1 of 32 vCPUs left: no gateway fits/);
});

test("every region of a plan gets as many gateways as the tightest one", () => {
  const { offers, notes } = gatewaysWithin([
    { region: "aws:us-east-1", type: "m5.8xlarge", count: 4, quota: { vcpus: 500, used: 0 } },
    { region: "azure:eastus", type: "Standard_D32_v5", count: 4, quota: { vcpus: 96, used: 0 } },
    { region: "gcp:us-east1-b", type: "n2-standard-32", count: 4, quota: { vcpus: 128, used: 0 } },
  ]);
  assert.deepEqual(
    offers.map(({ count }) => count),
    [3, 3, 3],
  );
  assert.match(notes.join(), /3 gateways in each region: azure:eastus has room for no more/);
});
