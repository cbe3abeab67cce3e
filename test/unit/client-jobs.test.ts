// The pure parts of queue, logs and cancel: which jobs words mean, which ranks a job has, how a
// failed setup is summed up, where the logs of a cluster that is gone are, and who asks.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { archiveHint, archivesOf } from "../../client/cli/archives.ts";
import { WrongUse } from "../../client/cli/exit-codes.ts";
import { demandRanks, jobWordsOf, unmatchedText } from "../../client/cli/job-ids.ts";
import { setupCodes } from "../../client/cli/setup-report.ts";
import { demandFound, isOneJob, jobsAmong } from "../../client/jobs-meant.ts";
import { userName } from "../../client/world-os.ts";
import { isSkyError } from "../../model/errors.ts";
import { homeAt } from "../../model/home.ts";
import type { Exit, Job } from "../../model/job.ts";
import { fc } from "../support/property.ts";

const jobWith = (id: number, numNodes = 1): Job => ({
  ...{ id, name: "", user: "u", status: "RUNNING", phase: "running", submittedAt: 1 },
  ...{ resources: "", numNodes, attempt: 1, ranks: [], setups: [], sweeps: [] },
});

const known = [12, 11, 10, 2, 1].map((id) => jobWith(id));

test("words mean jobs by their ids and by globs, each once and in the order of ids", () => {
  const cases: readonly (readonly [readonly string[], readonly number[]])[] = [
    [["1"], [1]],
    [
      ["2", "1", "2"],
      [1, 2],
    ],
    [["1*"], [1, 10, 11, 12]],
    [
      ["1?", "10", "2"],
      [2, 10, 11, 12],
    ],
    [["[12]"], [1, 2]],
    [["*"], [1, 2, 10, 11, 12]],
    [["9*"], []],
  ];
  for (const [words, wanted] of cases) {
    const { jobs } = jobsAmong(jobWordsOf(words), known);
    assert.deepEqual(
      jobs.map(({ id }) => id),
      wanted,
      words.join(" "),
    );
  }
});

test("ids that no job has are an error, globs without a match are not", () => {
  const found = jobsAmong(jobWordsOf(["7", "1", "8*", "9"]), known);
  assert.deepEqual(found.missing, [7, 9]);
  assert.deepEqual(unmatchedText(found), ["No job matches '8*'."]);
  assert.throws(
    () => demandFound("demo", found),
    (error: unknown) => isSkyError(error, "job/not-found") && error.params["id"] === 7,
  );
  const none = jobsAmong(jobWordsOf(["8*"]), known);
  assert.deepEqual(unmatchedText(none), ["No matching jobs found."]);
  demandFound("demo", none);
});

test("a word that is neither an id nor a glob is wrong use that names it", () => {
  for (const word of ["first", "0", "-1", "1.5", "", "1,2", "0x1"]) {
    assert.throws(
      () => jobWordsOf(["1", word]),
      (error: unknown) => error instanceof WrongUse && error.message.includes(`'${word}'`),
      word,
    );
  }
});

test("any ids are found exactly as they are asked for", () => {
  const ids = fc.uniqueArray(fc.integer({ min: 1, max: 40 }), { maxLength: 12 });
  fc.assert(
    fc.property(ids, ids, (there, asked) => {
      const found = jobsAmong(
        jobWordsOf(asked.map(String)),
        there.map((id) => jobWith(id)),
      );
      const both = asked.filter((id) => there.includes(id)).sort((a, b) => a - b);
      assert.deepEqual(
        found.jobs.map(({ id }) => id),
        both,
      );
      assert.deepEqual(
        found.missing,
        asked.filter((id) => !there.includes(id)),
      );
    }),
  );
});

test("one job is meant by one id or by none", () => {
  assert.equal(isOneJob(jobWordsOf([])), true);
  assert.equal(isOneJob(jobWordsOf(["3", "3"])), true);
  assert.equal(isOneJob(jobWordsOf(["3", "4"])), false);
  assert.equal(isOneJob(jobWordsOf(["3*"])), false);
});

test("a rank that a job has not is told with those that it has", () => {
  demandRanks([jobWith(1, 4)], [0, 3]);
  demandRanks([jobWith(1)], []);
  const jobs = [jobWith(1, 4), jobWith(2)];
  assert.throws(() => demandRanks(jobs, [4]), /job 1 has ranks 0 to 3, not 4/);
  assert.throws(() => demandRanks(jobs, [0, 1]), /job 2 has only rank 0, not 1/);
});

test("the exit codes of a setup are summed up by code, with a few names each", () => {
  const setups = (exits: readonly (Exit | undefined)[]) =>
    exits.map((exit, rank) => {
      const record = { rank, node: rank === 0 ? "head" : `worker${rank}`, ip: "" };
      return exit === undefined ? record : { ...record, exit };
    });
  const fine: Exit = { kind: "code", code: 0 };
  const stopped: Exit = { kind: "stopped", why: "peer-failed" };
  const unknown: Exit = { kind: "unknown", evidence: "" };
  const text = setupCodes(setups([fine, { kind: "code", code: 7 }, stopped, unknown, undefined]));
  assert.equal(text, "0 (head), 7 (worker1), 137 (worker2), unknown (worker3, worker4)");
  const many = setupCodes(setups(Array.from({ length: 100 }, () => fine)));
  assert.equal(many, "0 (head, worker1, worker2, worker3 and 96 more)");
});

test("the logs of a cluster that is gone are its own, newest first", (t) => {
  const root = mkdtempSync(join(tmpdir(), "sky-archives-"));
  t.after(() => rmSync(root, { recursive: true }));
  const home = homeAt(root);
  assert.equal(archiveHint(home, "demo"), "");
  const [older, newer] = ["demo-20260101-000000-000", "demo-20260102-000000-000"];
  // What was fetched by --sync-down, and those of a cluster whose name begins alike.
  const others = ["demo-1-2026-01-01-00-00-00", "demo-2-20260103-000000-000", "demo"];
  for (const name of [older, newer, ...others])
    mkdirSync(`${home.logs}/${name}`, { recursive: true });
  assert.deepEqual(archivesOf(home, "demo"), [`${home.logs}/${newer}`, `${home.logs}/${older}`]);
  assert.match(archiveHint(home, "demo"), /20260102-000000-000 \(and 1 older beside it\)$/);
  assert.match(archiveHint(home, "demo-2"), /demo-2-20260103-000000-000$/);
});

test("who asks is SKYPILOT_USER, else the user of the machine", (t) => {
  const before = process.env["SKYPILOT_USER"];
  t.after(() => {
    if (before === undefined) delete process.env["SKYPILOT_USER"];
    else process.env["SKYPILOT_USER"] = before;
  });
  process.env["SKYPILOT_USER"] = "ada";
  assert.equal(userName(), "ada");
  for (const nobody of ["", "  "]) {
    process.env["SKYPILOT_USER"] = nobody;
    assert.equal(userName(), userInfo().username);
  }
});
