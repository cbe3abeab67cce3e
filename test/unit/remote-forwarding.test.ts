// What is forwarded to a head elsewhere: errors, aborts and backpressure pass, and a connection
// that is found to be lost ends its calls with where it led.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isSkyError, SkyError } from "../../model/errors.ts";
import type { HeadClient } from "../../proto/client-grpc.ts";
import { sky } from "../../proto/gen/sky.js";
import type { CallOptions } from "../../proto/services.ts";
import type { ApiOptions } from "../../scheduler/api-options.ts";
import { forwardedJobs } from "../../scheduler/remote/forwarding-grpc.ts";
import { guardCalls } from "../../scheduler/remote/guarded-client.ts";
import type { RemoteHead } from "../../scheduler/remote/remote.ts";
import { until } from "../support/until.ts";

const context = (signal: AbortSignal) => ({ signal, peer: "" });
const never = new AbortController().signal;

type Jobs = Partial<HeadClient["jobs"]>;

/** A head elsewhere whose calls about jobs these are; and all else that the API stands on. */
function forwarding(jobs: Jobs, status = "UP", isKnown = true) {
  const client = { jobs, clusters: {}, debug: {}, hosts: {}, transfers: {}, close: () => {} };
  const guard = guardCalls(
    client as unknown as HeadClient,
    (why) => new SkyError("head/unreachable", { why: `on gpu1: ${why}` }),
  );
  const remote: Partial<RemoteHead> = {
    client: async () => guard.client,
    view: () => (isKnown ? ({} as never) : undefined),
  };
  const options = {
    fleets: { record: (name: string) => ({ name, status }), records: () => [] },
    remote: { get: (name: string) => (name === "far" ? remote : undefined) },
    store: { events: async () => [] },
  } as unknown as ApiOptions;
  const here = { listJobs: async () => ({ nextBefore: 7 }), tailLogs: () => [] };
  return { handlers: forwardedJobs(options, here as never), guard };
}

const list = (cluster: string) => sky.v1.ListJobsRequest.decode(encoded(cluster));
const tail = (cluster: string) => sky.v1.TailLogsRequest.decode(encoded(cluster));

function encoded(cluster: string): Uint8Array {
  return sky.v1.ListJobsRequest.encode({ cluster }).finish();
}

test("a cluster whose head runs here is answered here", async () => {
  const { handlers } = forwarding({});
  assert.deepEqual(await handlers.listJobs(list("near"), context(never)), { nextBefore: 7 });
});

test("an error of the other head is the caller's, as it is", async () => {
  const thrown = new SkyError("job/not-found", { id: 3, name: "far" });
  const { handlers } = forwarding({ listJobs: () => Promise.reject(thrown) });
  await assert.rejects(handlers.listJobs(list("far"), context(never)), (error) => error === thrown);
});

test("what the transport says of a break names the host", async () => {
  const cut = new SkyError("head/unreachable", { why: "it cut the connection" });
  const { handlers } = forwarding({ listJobs: () => Promise.reject(cut) });
  await assert.rejects(handlers.listJobs(list("far"), context(never)), (error) => {
    assert.ok(isSkyError(error, "head/unreachable"));
    assert.equal(error.params["why"], "on gpu1: it cut the connection");
    return true;
  });
});

test("one that is stopped has no head, nor one whose launch has not come so far", async () => {
  for (const [status, isKnown] of [["STOPPED", true] as const, ["INIT", false] as const]) {
    const { handlers } = forwarding({}, status, isKnown);
    await assert.rejects(handlers.listJobs(list("far"), context(never)), (error) =>
      isSkyError(error, "cluster/not-up"),
    );
  }
});

test("a stream is asked for no more than its reader takes, and ends with its reader", async () => {
  let given = 0;
  let ended = 0;
  const { handlers } = forwarding({
    tailLogs: async function* () {
      try {
        for (;;) {
          given += 1;
          yield {} as never;
        }
      } finally {
        ended += 1;
      }
    },
  });
  let taken = 0;
  for await (const _ of handlers.tailLogs(tail("far"), context(never))) {
    taken += 1;
    assert.equal(given, taken);
    if (taken === 5) break;
  }
  assert.equal(ended, 1);
});

test("who goes away ends the call there; a lost connection ends it with why", async () => {
  const signals: AbortSignal[] = [];
  const hanging = (_: unknown, { signal }: CallOptions) =>
    new Promise<never>((_resolve, reject) => {
      assert.ok(signal);
      signals.push(signal);
      const cancelled = new SkyError("core/cancelled", { what: "the call" });
      signal.addEventListener("abort", () => reject(cancelled), { once: true });
    });
  const { handlers, guard } = forwarding({ listJobs: hanging });
  const leaving = new AbortController();
  const left = handlers.listJobs(list("far"), context(leaving.signal));
  const lost = handlers.listJobs(list("far"), context(never));
  const outcomes = Promise.allSettled([left, lost]);
  await until("both are there", () => signals.length === 2);
  leaving.abort();
  assert.deepEqual(
    signals.map(({ aborted }) => aborted),
    [true, false],
  );
  const why = new SkyError("head/unreachable", { why: "on gpu1: the network is gone" });
  guard.cut(why);
  const [first, second] = await outcomes;
  assert.ok(first?.status === "rejected" && isSkyError(first.reason, "core/cancelled"));
  assert.ok(second?.status === "rejected" && second.reason === why);
  await assert.rejects(handlers.listJobs(list("far"), context(never)), (error) => error === why);
});
