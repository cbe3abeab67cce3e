// What cancel and queue ask a person, and what they then ask the head for.
//
// A terminal is always asked before a cancel; a refusal asks the head for nothing.

import assert from "node:assert/strict";
import { test } from "node:test";
import { cancel } from "../../client/cli/cancel.ts";
import { exitCodeOfError } from "../../client/cli/exit-codes.ts";
import { queue } from "../../client/cli/queue.ts";
import type { CancelRequest, Head, JobsQuery } from "../../client/head.ts";
import { userName } from "../../client/world-os.ts";
import { SkyError } from "../../model/errors.ts";
import type { Job } from "../../model/job.ts";
import { clusterOf, stage } from "./cli-stage.ts";

const job: Job = {
  ...{ id: 4, name: "train", user: "ann", status: "SUCCEEDED", phase: "ended", submittedAt: 1 },
  ...{ resources: "", numNodes: 1, attempt: 1, ranks: [], setups: [], sweeps: [] },
};

function headOf(cancelled: readonly number[] = []) {
  const cancels: CancelRequest[] = [];
  const lists: JobsQuery[] = [];
  const head: Partial<Head> = {
    status: async () => [clusterOf(), clusterOf({ name: "other" })],
    cancel: async (request) => {
      cancels.push(request);
      return cancelled;
    },
    getJob: async () => job,
    listJobs: async (query) => {
      lists.push(query);
      return [job];
    },
  };
  return { head, cancels, lists };
}

const words = (jobs: readonly string[], flags: Readonly<Record<string, unknown>> = {}) => ({
  ...{ args: ["demo", jobs], flags },
});

const questions = [
  { given: words(["3"]), asks: "Cancelling job 3 on cluster 'demo'. Proceed?" },
  { given: words(["3", "12", "3"]), asks: "Cancelling jobs 3, 12 on cluster 'demo'. Proceed?" },
  { given: words([], { all: true }), asks: "Cancelling all your jobs on cluster 'demo'. Proceed?" },
] as const;

test("a terminal is asked, in these words; who says no has cancelled nothing", async () => {
  for (const { given, asks } of questions) {
    const { head, cancels } = headOf();
    const { shell, asked } = stage({ head, answer: false });
    await assert.rejects(cancel.run(shell, given), /Aborted/);
    assert.deepEqual(asked, [asks]);
    assert.deepEqual(cancels, []);
  }
});

test("with -y, and for jobs that are named without a terminal, nobody is asked", async () => {
  const cases = [
    { given: words(["3"], { yes: true }), answer: true },
    { given: words([], { all: true, yes: true }) },
    { given: words(["3"]) },
  ];
  for (const { given, ...person } of cases) {
    const { head, cancels } = headOf([3]);
    const { shell, asked } = stage({ head, ...person });
    assert.equal(await cancel.run(shell, given), 0);
    assert.deepEqual(asked, []);
    assert.equal(cancels.length, 1);
  }
});

test("a cancel is told job by job, on whose behalf it is asked for", async () => {
  const { head, cancels } = headOf([12, 3]);
  const { shell, printed } = stage({ head, answer: true });
  assert.equal(await cancel.run(shell, words(["12", "4", "3", "4"])), 0);
  const asked = { cluster: "demo", jobs: [12, 4, 3], all: false, user: userName() };
  assert.deepEqual(cancels, [asked]);
  assert.deepEqual(printed, [
    ...["Job 3 cancelled.", "Job 12 cancelled."],
    "Job 4 had ended already (status: SUCCEEDED).",
  ]);
});

test("a queue is of one's own jobs, with -a and -u of everybody's", async () => {
  for (const [flag, user] of [["", userName()], ["allUsers"], ["u"]] as const) {
    const { head, lists } = headOf();
    const { shell } = stage({ head, now: 1_000 });
    const flags = { [flag ?? ""]: true, skipFinished: true };
    assert.equal(await queue.run(shell, { args: [["demo"]], flags }), 0);
    const wanted = user === undefined ? {} : { user };
    assert.deepEqual(lists, [{ cluster: "demo", skipFinished: true, ...wanted }]);
  }
});

test("a cluster on its way is told; it is a failure only where it was asked for", async () => {
  const listJobs = async (): Promise<never> => {
    throw new SkyError("cluster/not-up", { what: "Queue", name: "demo", status: "INIT" });
  };
  const head = { ...headOf().head, status: async () => [clusterOf({ status: "INIT" })], listJobs };
  const { shell, said } = stage({ head });
  assert.equal(await queue.run(shell, { args: [[]], flags: {} }), 0);
  assert.match(said.join("\n"), /^Queue skipped for cluster 'demo' \(status: INIT\)/);
  assert.equal(
    await queue.run(shell, { args: [["demo", "d*"]], flags: {} }).catch(exitCodeOfError),
    1,
  );
});

test("without a name the queues of all clusters are shown, in their order", async () => {
  const { head, lists } = headOf();
  const { shell, printed } = stage({ head, now: 1_000 });
  await queue.run(shell, { args: [[]], flags: {} });
  assert.deepEqual(
    lists.map(({ cluster }) => cluster),
    ["demo", "other"],
  );
  const titles = printed.filter((line) => line.startsWith("Job queue of"));
  assert.deepEqual(titles, ["Job queue of cluster demo", "Job queue of cluster other"]);
});
