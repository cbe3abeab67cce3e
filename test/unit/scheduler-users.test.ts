// Several users on one cluster: each sees and cancels their own jobs.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isSkyError } from "../../model/errors.ts";
import { userNameBytesMax, userNameProblem } from "../../model/ids.ts";
import type { Job } from "../../model/job.ts";
import type { JobsPage } from "../../scheduler/board.ts";
import { jobListLimits, listJobs } from "../../scheduler/job-list.ts";
import { demandOwn } from "../../scheduler/owners.ts";
import { capacity, nodesOf, task, World } from "../sim/scheduler-world.ts";
import { fc } from "../support/property.ts";

test("a cancel of all is one of one's own, and of nobody's", () => {
  const world = new World({ nodes: nodesOf([capacity(8)]) }).join();
  for (const user of ["ann", "bob", "", "ann"]) world.submit([task()], { user });
  assert.deepEqual(world.cancel("all", "ann")?.jobs, [1, 3, 4]);
  assert.equal(world.job(2).status, "RUNNING");
  assert.deepEqual(world.cancel("all", "eve")?.jobs, []);
  assert.deepEqual(world.cancel("all", "bob")?.jobs, [2]);
});

test("a request that names another's job is refused, and names it and whose it is", () => {
  const jobs = [
    { id: 3, user: "ann" },
    { id: 4, user: "" },
    { id: 5, user: "bob" },
  ];
  const cluster = "demo";
  demandOwn(jobs.slice(0, 2), { user: "ann", cluster });
  assert.throws(
    () => demandOwn(jobs, { user: "ann", cluster }),
    (error) =>
      isSkyError(error, "job/not-yours") &&
      error.message === "Job 5 on cluster 'demo' is bob's: ann cannot cancel it.",
  );
  assert.throws(
    () => demandOwn(jobs, { user: "", cluster }),
    (error) => isSkyError(error, "job/not-yours"),
  );
});

test("a name of a user has no control characters and is not longer than what is kept", () => {
  const longest = "é".repeat(userNameBytesMax / 2);
  for (const good of ["ann", "Ann Lee", "ann@example.com", "", longest]) {
    assert.equal(userNameProblem(good), undefined, good);
  }
  for (const bad of ["a\nb", "\u001b[2J", "a\0", `${longest}x`]) {
    assert.notEqual(userNameProblem(bad), undefined, JSON.stringify(bad));
  }
});

function boardOf(jobs: readonly Job[]) {
  const newestFirst = jobs.toReversed();
  const asked: JobsPage[] = [];
  const page = async (wanted: JobsPage): Promise<readonly Job[]> => {
    asked.push(wanted);
    return newestFirst.filter(({ id }) => id < wanted.before).slice(0, wanted.countMax);
  };
  return { asked, page, jobs: () => newestFirst };
}

function job(id: number, user: string): Job {
  return {
    ...{ id, user, name: "-", status: "SUCCEEDED", phase: "ended", submittedAt: id },
    ...{ resources: "", numNodes: 1, attempt: 1, ranks: [], setups: [], sweeps: [] },
  };
}

test("pages of one user's jobs hold each of them once, wherever others' are between them", () => {
  const owner = fc.constantFrom("ann", "bob", "bob", "bob", "");
  return fc.assert(
    fc.asyncProperty(
      fc.array(owner, { maxLength: 60 }),
      fc.integer({ min: 1, max: 7 }),
      fc.integer({ min: 1, max: 9 }),
      async (owners, limit, readMax) => {
        const board = boardOf(owners.map((user, at) => job(at + 1, user)));
        const limits = { ...jobListLimits, readMax };
        const seen: number[] = [];
        let before = 0;
        do {
          const request = { skipFinished: false, before, limit, user: "ann" };
          const list = await listJobs(board, request, limits);
          assert.ok(list.jobs.length <= limit);
          seen.push(...list.jobs.map(({ id }) => id));
          before = list.nextBefore;
        } while (before > 0);
        const own = board.jobs().filter(({ user }) => user !== "bob");
        assert.deepEqual(
          seen,
          own.map(({ id }) => id),
        );
      },
    ),
  );
});

test("one job among very many of others' is found, within what one answer may read", async () => {
  const jobs = Array.from({ length: 5_000 }, (_, at) => job(at + 1, at === 6 ? "ann" : "bob"));
  const board = boardOf(jobs);
  const limits = { ...jobListLimits, readMax: 1_000 };
  const found: number[] = [];
  let calls = 0;
  let before = 0;
  do {
    const request = { skipFinished: false, before, limit: 10, user: "ann" };
    const list = await listJobs(board, request, limits);
    found.push(...list.jobs.map(({ id }) => id));
    before = list.nextBefore;
    calls += 1;
  } while (before > 0);
  assert.deepEqual(found, [7]);
  assert.ok(calls <= 6, `${calls} answers`);
  assert.ok(board.asked.every(({ countMax }) => countMax <= 1_000));
});

test("what has not ended is listed by its user, too", async () => {
  const world = new World({ nodes: nodesOf([capacity(8)]) }).join();
  for (const user of ["ann", "bob", ""]) world.submit([task()], { user });
  for (const [user, ids] of [
    ["ann", [3, 1]],
    ["bob", [3, 2]],
    ["", [3, 2, 1]],
  ] as const) {
    const request = { skipFinished: true, before: 0, limit: 0, user };
    const { jobs } = await listJobs(world.board, request);
    assert.deepEqual(
      jobs.map(({ id }) => id),
      ids,
    );
  }
});
