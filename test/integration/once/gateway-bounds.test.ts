// A destination that takes nothing for a while: what is between holds a bounded amount, the source
// waits, and all goes on when the destination does. Another transfer at the same node moves on.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { cutRuleOf } from "../../../transfer/chunks/cut.ts";
import type { Program } from "../../../transfer/gateway/program.ts";
import { storeLimits } from "../../../transfer/stores/limits.ts";
import type { OpenStore } from "../../../transfer/stores/object-store.ts";
import { createMemoryObjectStore, MemoryCloud } from "../../../transfer/stores/store-memory.ts";
import {
  makeFiles,
  program,
  read,
  receive,
  send,
  TestRound,
  write,
} from "../../support/gateway-rounds.ts";
import { startGateway, type TestGateway, temporaryFolder } from "../../support/gateways.ts";
import { until } from "../../support/until.ts";

const mib = 1024 ** 2;
const [a, b, c] = ["t/a", "t/b", "t/c"] as const;
const store: OpenStore = { bucket: { store: "s3", bucket: "slow" }, credentials: {} };
const cut = cutRuleOf([storeLimits.s3]) ?? {};

const programs: readonly Program[] = [
  program(a, {
    ...{ op: "gen_data", handle: "make", compressible: false },
    children: [send("send", b)],
  }),
  program(b, receive("in", [a], send("on", c))),
  program(
    c,
    receive("in", [b], {
      ...{ op: "write_object_store", handle: "put", store: 0, destination: 0, connections: 2 },
    }),
  ),
];

test("a destination that stands still bounds the relay, and holds the source back", async (t) => {
  const cloud = new MemoryCloud();
  cloud.add("slow");
  const gate = Promise.withResolvers<void>();
  const openStore = async ({ bucket }: OpenStore) =>
    createMemoryObjectStore({
      ...{ bucket, cloud },
      before: async (call) => {
        if (call === "putPart") await gate.promise;
      },
    });
  const folder = temporaryFolder(t);
  const [source, relay, sink] = await Promise.all(
    [a, b, c].map((name) => startGateway(name, join(folder, name.slice(2)), { openStore })),
  );
  assert.ok(source && relay && sink);
  t.after(() => Promise.all([source, relay, sink].map(({ host }) => host.close())));
  const bound = 64 * mib;
  const round = new TestRound({
    ...{ t, gateways: [source, relay, sink], programs },
    begin: {
      ...{ stores: [store], cut, folders: [null], key: randomBytes(32).toString("base64") },
      limits: { memoryBytes: 32 * mib, diskBytes: bound },
    },
  });
  await round.begin();
  const bytes = 144 * mib;
  await round.tell([{ object: 0, source: "", bytes, targets: ["k"] }]);
  await standsStill(round);
  const held = relay.host.counts();
  assert.ok(held.diskBytes > 0 && held.diskBytes <= bound, `${held.diskBytes} bytes on disk`);
  assert.ok(held.memoryBytes <= bound, `${held.memoryBytes} bytes in memory`);
  assert.ok(sent(round) < bytes, "the source has not sent all");
  await anotherMovesOn(t, source, sink);

  gate.resolve();
  await round.done();
  assert.deepEqual(round.failed, []);
  assert.equal(cloud.buckets.get("slow")?.objects.get("k")?.bytes.length, bytes);
  await round.stop("remove");
});

function sent(round: TestRound): number {
  const metrics = round.head(a).all("metrics").at(-1)?.metrics;
  return metrics?.operators.find(({ handle }) => handle === "send")?.bytes ?? 0;
}

/** Nothing was sent between two looks at metrics that are of then. */
async function standsStill(round: TestRound): Promise<void> {
  let before = -1;
  await until("the source stands still", async () => {
    const count = round.head(a).all("metrics").length;
    await until("metrics came", () => round.head(a).all("metrics").length > count + 1);
    const now = sent(round);
    const isStill = now > 0 && now === before;
    before = now;
    return isStill;
  });
}

/** Of the same nodes. */
async function anotherMovesOn(
  t: TestContext,
  source: TestGateway,
  sink: TestGateway,
): Promise<void> {
  const { objects } = await makeFiles(source, [3 * mib]);
  const round = new TestRound({
    ...{ t, gateways: [source, sink], begin: { folders: ["to"] } },
    programs: [
      program(a, read("read", send("send", c))),
      program(c, receive("in", [a], write("write", 0))),
    ],
  });
  await round.begin();
  await round.tell(objects);
  await round.done();
  assert.deepEqual(round.failed, []);
  await round.stop("remove");
}
