// An agent from the head's side: what it is told, what it answers, and what survives its death.

import assert from "node:assert/strict";
import { test } from "node:test";
import { headNode } from "../../model/address.ts";
import type { Stage } from "./agent-stage.ts";
import { key, openStage, prepare, write } from "./agent-stage.ts";

function check(what: string, body: (stage: Stage) => Promise<void>): void {
  test(what, async () => {
    const stage = await openStage();
    try {
      await body(stage);
    } finally {
      await stage.close();
    }
  });
}

/** The last thing of a kind that the head heard. */
function last<K extends Stage["heard"][number]["kind"]>(stage: Stage, kind: K) {
  type Wanted = Extract<Stage["heard"][number], { readonly kind: K }>;
  return stage.heard.findLast((message): message is Wanted => message.kind === kind);
}

const forEver = { do: "wait-for-ever" } as const;

check("it begins with its inventory", async ({ heard, pass }) => {
  await pass(0);
  assert.equal(heard[0]?.kind, "inventory");
  assert.equal(heard[0]?.from, "worker1");
  assert.equal(heard[0]?.kind === "inventory" && heard[0].version, "1.2.3");
});

check("a rank's life is told, and its end again until it is acknowledged", async (stage) => {
  await stage.pass(0);
  stage.heard.length = 0;
  stage.tell(prepare([write("hello\n"), { do: "exit", code: 7 }]));
  await stage.pass(10);
  assert.deepEqual(
    stage.kinds().filter((kind) => kind !== "rank-prepared"),
    ["rank-started", "rank-exited"],
  );
  assert.deepEqual(last(stage, "rank-exited")?.exit, { kind: "code", code: 7 });
  assert.equal(last(stage, "rank-exited")?.logBytes, 6);
  await stage.pass(4_100);
  assert.equal(stage.kinds().filter((kind) => kind === "rank-exited").length, 3);
  stage.tell({ kind: "acknowledge", key });
  await stage.pass(20_000);
  assert.ok(stage.kinds().filter((kind) => kind === "rank-exited").length <= 4);
  const count = stage.heard.length;
  await stage.pass(20_000);
  assert.equal(stage.heard.length, count);
});

check("nothing starts before go where there is a barrier", async (stage) => {
  stage.tell(prepare([write("x")], { goWhenReady: false }));
  await stage.pass(1_000);
  assert.ok(stage.kinds().includes("rank-prepared"));
  assert.ok(!stage.kinds().includes("rank-started"));
  stage.tell({ kind: "go", key });
  await stage.pass(100);
  assert.ok(stage.kinds().includes("rank-exited"));
});

check("a stop gives the grace, kills, sweeps, and says both at the end", async (stage) => {
  stage.tell(prepare([{ do: "ignore-term" }, { do: "leave-survivor" }, forEver]));
  await stage.pass(10);
  stage.tell({ kind: "stop", key, graceMs: 5_000, why: "peer-failed" });
  await stage.pass(4_900);
  assert.equal(stage.machine.living(), 2);
  assert.equal(last(stage, "rank-exited"), undefined);
  await stage.pass(200);
  assert.equal(stage.machine.living(), 0);
  assert.deepEqual(last(stage, "rank-exited")?.exit, { kind: "stopped", why: "peer-failed" });
  const sweep = last(stage, "rank-swept")?.sweep;
  assert.deepEqual(sweep && { ...sweep, node: sweep.node }, {
    node: "worker1",
    found: 2,
    killed: 2,
    survivors: 0,
    unproven: [],
  });
});

check("a rank that heeds TERM is not kept for its grace", async (stage) => {
  stage.tell(prepare([forEver]));
  await stage.pass(10);
  stage.tell({ kind: "stop", key, graceMs: 60_000, why: "cancelled" });
  await stage.pass(10);
  assert.deepEqual(last(stage, "rank-exited")?.exit, { kind: "stopped", why: "cancelled" });
  assert.ok(last(stage, "rank-swept"));
});

check("a rank that was stopped before it was prepared is never prepared", async (stage) => {
  stage.tell({ kind: "stop", key, graceMs: 0, why: "cancelled" });
  await stage.pass(10);
  assert.equal(last(stage, "rank-swept")?.sweep.found, 0);
  stage.tell(prepare([write("x")]));
  await stage.pass(10);
  assert.equal(last(stage, "rank-prepared"), undefined);
  assert.equal(last(stage, "rank-started"), undefined);
});

check("only the head is obeyed", async (stage) => {
  stage.tell(prepare([forEver]), "worker2");
  await stage.pass(10);
  assert.equal(stage.machine.living(), 0);
  stage.tell(prepare([forEver]));
  await stage.pass(10);
  stage.tell({ kind: "stop", key, graceMs: 0, why: "cancelled" }, "worker2");
  await stage.pass(100);
  assert.equal(stage.machine.living(), 1);
});

check("a killed agent's ranks run on, and the next one takes them over", async (stage) => {
  stage.tell(
    prepare([write("a"), { do: "wait", ms: 30_000 }, write("b"), { do: "exit", code: 3 }]),
  );
  await stage.pass(1_000);
  stage.heard.length = 0;
  await stage.restart();
  await stage.pass(0);
  const inventory = last(stage, "inventory");
  assert.deepEqual(
    inventory?.ranks.map((rank) => rank.phase),
    ["running"],
  );
  await stage.pass(30_000);
  assert.deepEqual(last(stage, "rank-exited")?.exit, { kind: "code", code: 3 });
  await stage.pass(20_000);
  assert.equal(stage.logs.get("7-1-run-0")?.toString(), "ab");
});

check("a stop that an agent began is finished by the next one", async (stage) => {
  stage.tell(prepare([{ do: "ignore-term" }, forEver]));
  await stage.pass(10);
  stage.tell({ kind: "stop", key, graceMs: 5_000, why: "cancelled" });
  await stage.pass(1_000);
  await stage.restart();
  await stage.pass(5_000);
  assert.equal(stage.machine.living(), 0);
  assert.deepEqual(last(stage, "rank-exited")?.exit, { kind: "stopped", why: "cancelled" });
  assert.ok(last(stage, "rank-swept"));
});

check("what stood ready when its agent was killed ends as never started", async (stage) => {
  stage.tell(prepare([write("x")], { goWhenReady: false }));
  await stage.pass(10);
  await stage.restart();
  await stage.pass(2_100);
  const exit = last(stage, "rank-exited")?.exit;
  assert.match(exit?.kind === "unknown" ? exit.evidence : "", /never started/);
});

check("the inventory comes again when the bus is back, and when it is asked for", async (stage) => {
  await stage.pass(0);
  stage.heard.length = 0;
  stage.bus.disconnect("worker1");
  await stage.pass(1_000);
  stage.bus.reconnect("worker1");
  await stage.pass(10);
  assert.deepEqual(stage.kinds(), ["inventory"]);
  stage.tell({ kind: "report-inventory" });
  await stage.pass(10);
  assert.deepEqual(stage.kinds(), ["inventory", "inventory"]);
});

check("what is forgotten leaves nothing, and what runs is not forgotten", async (stage) => {
  stage.tell(prepare([{ do: "wait", ms: 1_000 }], { secrets: { TOKEN: "hunter22" } }));
  await stage.pass(10);
  stage.tell({ kind: "forget", key });
  await stage.pass(2_000);
  assert.ok(last(stage, "rank-exited"));
  stage.tell({ kind: "forget", key });
  await stage.pass(10);
  stage.heard.length = 0;
  stage.tell({ kind: "report-inventory" });
  await stage.pass(10);
  assert.deepEqual(last(stage, "inventory")?.ranks, []);
});

check("a log arrives whole and once, whatever is cut, with its secrets hidden", async (stage) => {
  const steps = Array.from({ length: 20 }, (_, n) => [
    write(`line ${n} hunt`),
    { do: "wait", ms: 500 } as const,
    write("er22!\n"),
  ]).flat();
  stage.tell(prepare(steps, { secrets: { TOKEN: "hunter22" } }));
  for (let second = 0; second < 10; second += 1) {
    await stage.pass(1_000);
    if (second % 3 === 1) stage.streams.cut("demo/worker1");
    if (second === 5) await stage.restart();
  }
  await stage.pass(30_000);
  const expected = Array.from({ length: 20 }, (_, n) => `line ${n} ********!\n`).join("");
  assert.equal(stage.logs.get("7-1-run-0")?.toString(), expected);
  assert.ok(stage.ended.has("7-1-run-0"));
});

check("it beats once a second and says which of the head's beats it saw", async (stage) => {
  const before = stage.beats.length;
  await stage.pass(5_000);
  assert.equal(stage.beats.length - before, 5);
  const seqs = stage.beats.map((beat) => beat.seq);
  assert.deepEqual(
    seqs,
    seqs.map((_, index) => (seqs[0] ?? 0) + index),
  );
  assert.equal(stage.beats.at(-1)?.headSeq, 0);
  const { encodeEnvelope } = await import("../../proto/envelope.ts");
  const head = stage.bus.connect(headNode, { publish: [">"], subscribe: [] });
  const beat = { kind: "beat", seq: 9, bootId: "h", headSeq: 0 } as const;
  head.publish("sky.demo.beat.skyhead", encodeEnvelope(beat, 1));
  await stage.pass(1_000);
  assert.equal(stage.beats.at(-1)?.headSeq, 9);
});
