// The home of a cluster on a host reaches what serves transfers at the cluster's nodes, through the
// head there, and the cluster is not idle meanwhile. Real programs, tunnels that a test can cut.

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { isSkyError } from "../../model/errors.ts";
import type { StreamChannel } from "../../runtime/stream.ts";
import type { ListWord } from "../../transfer/gateway/orders.ts";
import { gatewayHeader, listHeader } from "../../transfer/gateway/orders.ts";
import { encodeLine, listWordParser } from "../../transfer/gateway/orders-codec.ts";
import { type RemoteStage, remoteStage } from "../support/remote-stage.ts";
import { until } from "../support/until.ts";

const signal = new AbortController().signal;
const limited = { timeout: 120_000 };

test("nodes of a cluster on hosts are reached through its head", limited, async (t) => {
  const stage = await remoteStage(t, 2);
  await stage.launch();
  const head = stage.remote.get("demo");
  assert.ok(head);
  for (const host of stage.hosts.hosts) {
    mkdirSync(join(host.home, "data"), { recursive: true });
    writeFileSync(join(host.home, "data", host.node), host.node);
    await until(`${host.node} is alive`, async () => {
      const [seen] = await stage.head.status(["demo"], signal);
      return seen?.nodes.find(({ id }) => id === host.node)?.phase === "alive";
    });
    const channel = await head.openNode(host.node, listHeader, signal);
    assert.deepEqual(await listed(channel), [host.node]);
  }
  await assert.rejects(
    async () => await listed(await head.openNode("worker7", listHeader, signal)),
    (error) => isSkyError(error, "stream/closed"),
  );
  // All of them went over one session.
  assert.equal(stage.tunnels.bulkOpened, 1);

  await stage.head.setAutostop("demo", { idleSeconds: 3_600, down: false }, signal);
  const channel = await head.openNode("worker1", gatewayHeader, signal);
  await verdictIs(stage, /not idle: a transfer uses its nodes/);
  channel.abort("enough");
  await verdictIs(stage, /idle for/);
});

async function verdictIs({ head }: RemoteStage, wanted: RegExp): Promise<void> {
  await until(`it is ${wanted.source}`, async () => {
    const { summary } = await head.why({ cluster: "demo", job: 0 }, signal);
    return wanted.test(summary);
  });
}

/** The keys of `~/data`. */
async function listed(channel: StreamChannel): Promise<readonly string[]> {
  await channel.write(encodeLine({ path: "data", recursive: true }));
  channel.end();
  const parser = listWordParser();
  const words: ListWord[] = [];
  for await (const part of channel) words.push(...parser.push(part));
  assert.equal(words.at(-1)?.kind, "end", JSON.stringify(words));
  return words.flatMap((word) => (word.kind === "page" ? word.objects.map(({ key }) => key) : []));
}
