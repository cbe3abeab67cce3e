// The pure parts of the command line: names, ids, times, tables, exit codes, entry points.
// No process is started: what the commands print is in test/golden.

import assert from "node:assert/strict";
import { test } from "node:test";
import { exitCodeOfError, exitCodeOfJob, WrongUse } from "../../client/cli/exit-codes.ts";
import { jobIdOf } from "../../client/cli/job-ids.ts";
import { namesMeant } from "../../client/cli/names.ts";
import { tableText, truncated } from "../../client/cli/table.ts";
import { commandText, taskFlagsOf } from "../../client/cli/task-flags.ts";
import { agoText, durationText, idleText } from "../../client/cli/times.ts";
import { checkedClusterName } from "../../client/cluster-name.ts";
import type { FileReading } from "../../client/entrypoint.ts";
import { entryText, resolveEntrypoint } from "../../client/entrypoint.ts";
import { globMatches } from "../../client/glob.ts";
import { jobView } from "../../client/view.ts";
import { isSkyError, SkyError } from "../../model/errors.ts";
import type { Exit, Job } from "../../model/job.ts";
import { readYaml } from "../../model/yaml-tree.ts";
import { fc } from "../support/property.ts";

test("a job's outcome has its exit code", () => {
  const codes = {
    ...{ INIT: 101, PENDING: 101, SETTING_UP: 101, RUNNING: 101 },
    ...{ SUCCEEDED: 0, FAILED: 100, FAILED_SETUP: 100, CANCELLED: 103 },
  } as const;
  for (const [status, code] of Object.entries(codes)) {
    assert.equal(exitCodeOfJob(status as keyof typeof codes), code);
  }
});

test("an error has the exit code of its kind", () => {
  const cases: readonly (readonly [unknown, number])[] = [
    [new WrongUse("x"), 2],
    [new SkyError("task/invalid", { problems: "x" }), 2],
    [new SkyError("task/too-big", { why: "x" }), 2],
    [new SkyError("cluster/not-found", { name: "x", hint: "" }), 2],
    [new SkyError("cluster/mismatch", { requested: "a", name: "b", existing: "c" }), 2],
    [new SkyError("cluster/not-up", { what: "a", name: "b", status: "c" }), 1],
    [new SkyError("head/unreachable", { why: "x" }), 1],
    [new SkyError("head/start-failed", { why: "x" }), 1],
    [new SkyError("job/not-found", { id: 1, name: "x" }), 102],
    [new SkyError("core/cancelled", { what: "x" }), 130],
    [new Error("a bug"), 1],
  ];
  for (const [error, code] of cases) assert.equal(exitCodeOfError(error), code, String(error));
});

test("names are exact or globs; an unknown exact one is an error with close names", () => {
  const known = ["demo", "demo-2", "train"];
  assert.deepEqual(namesMeant(["demo*"], known), { names: ["demo", "demo-2"], unmatched: [] });
  assert.deepEqual(namesMeant(["train", "dem?"], known).names, ["demo", "train"]);
  assert.deepEqual(namesMeant(["x*"], known), { names: [], unmatched: ["x*"] });
  assert.throws(
    () => namesMeant(["dema"], known),
    (error: unknown) => isSkyError(error, "cluster/not-found") && /demo/.test(error.message),
  );
});

test("globs are SQLite's", () => {
  const cases: readonly (readonly [string, string, boolean])[] = [
    ["*", "", true],
    ["a*c", "abbc", true],
    ["a?c", "ac", false],
    ["[a-c]x", "bx", true],
    ["[^a-c]x", "bx", false],
    ["a.c", "abc", false],
    ["1*", "12", true],
    ["a+", "aa", false],
  ];
  for (const [glob, text, wanted] of cases) assert.equal(globMatches(glob, text), wanted, glob);
});

test("a name without glob characters matches itself and nothing else", () => {
  const name = fc.stringMatching(/^[^*?[]{0,12}$/);
  fc.assert(
    fc.property(name, name, (a, b) => {
      assert.equal(globMatches(a, b), a === b);
    }),
  );
});

test("a job id is a positive whole number", () => {
  assert.equal(jobIdOf("17"), 17);
  for (const text of ["0", "-1", "1.5", "first", "", "1e3", "99999999999999999999"]) {
    assert.throws(() => jobIdOf(text), WrongUse, text);
  }
});

test("times read like SkyPilot's", () => {
  const now = 1_000_000_000;
  assert.equal(agoText(undefined, now), "-");
  assert.equal(agoText(now + 5_000, now), "a few secs ago");
  assert.equal(agoText(now - 12_000, now), "12 secs ago");
  assert.equal(agoText(now - 60_000, now), "1 min ago");
  assert.equal(agoText(now - 7_200_000, now), "2 hrs ago");
  assert.equal(agoText(now - 86_400_000, now), "1 day ago");
  assert.equal(durationText(undefined, now), "-");
  assert.equal(durationText(now, now + 400), "< 1s");
  assert.equal(durationText(now, now + 65_000), "1m 5s");
  assert.equal(durationText(now, now + 3_600_000), "1h");
  assert.equal(durationText(now, now + 90_061_000), "1d 1h 1m");
  assert.equal(idleText(600_000), "10m");
  assert.equal(idleText(90_000), "90s");
  assert.equal(idleText(500), "0.5s");
});

test("tables align, whatever is in a cell", () => {
  const rows = [
    ["1", "日本", "x"],
    ["22", "a\nb\u0007", ""],
  ];
  const wanted = "ID  NAME  Z\n1   日本  x\n22  a b?";
  assert.equal(tableText({ columns: ["ID", "NAME", "Z"], rows }), wanted);
  assert.equal(truncated("abcdefgh", 6), "abc...");
  assert.equal(truncated("abcdef", 6), "abcdef");
});

test("the recorded command has no secrets", () => {
  const argv = ["launch", "--secret", "T=abc", "--secret=U=abc", "--env", "A=b c", "it's"];
  const text = "sky launch --secret T=*** --secret=U=*** --env 'A=b c' 'it'\\''s'";
  assert.equal(commandText(argv), text);
});

test("--env splits at the first =, or takes the value from the environment", () => {
  const parsed = { args: [], flags: { env: ["A=b=c", "B"], secret: [], gpus: "V100" } };
  assert.deepEqual(taskFlagsOf(parsed, { B: "x" }), {
    gpus: "V100",
    envs: [
      { name: "A", value: "b=c" },
      { name: "B", value: "x" },
    ],
    secrets: [],
  });
  assert.throws(() => taskFlagsOf(parsed, {}), /B is not set in local environment/);
});

test("cluster names have one rule", () => {
  assert.equal(checkedClusterName("demo-2"), "demo-2");
  for (const name of ["", "Demo", "2demo", "demo-", "a_b", "a.b", "a".repeat(64)]) {
    assert.throws(() => checkedClusterName(name), /cluster: /, name);
  }
});

const files: Readonly<Record<string, FileReading>> = {
  "task.yaml": { kind: "text", text: "run: echo hi\n" },
  "empty.yml": { kind: "text", text: "" },
  "string.yaml": { kind: "text", text: "echo hi\n" },
  "broken.yaml": { kind: "text", text: "run: [\n" },
  noext: { kind: "text", text: "run: echo hi\n" },
  "script.sh": { kind: "text", text: "#!/bin/bash\necho hi\n" },
  "broken.txt": { kind: "text", text: "run: [\n" },
  "dir.yaml": { kind: "not-a-file" },
  "bytes.yaml": { kind: "not-text", textBefore: "run: " },
  "a.out": { kind: "not-text", textBefore: "" },
};

test("ENTRYPOINT is a task file or a command", () => {
  const kindOf = (...words: readonly string[]): string => kindOfText(entryText(words));
  const kindOfText = (text: string): string =>
    resolveEntrypoint(text, files[text] ?? { kind: "missing" }, readYaml).kind;
  assert.equal(kindOf(), "none");
  assert.equal(kindOf(" "), "none");
  assert.equal(kindOf("task.yaml"), "task");
  assert.equal(kindOf("empty.yml"), "task");
  assert.equal(kindOf("noext"), "task");
  assert.equal(kindOf("string.yaml"), "invalid");
  assert.equal(kindOf("broken.yaml"), "invalid");
  assert.equal(kindOf("missing.yaml"), "doubtful");
  assert.equal(kindOf("dir.yaml"), "doubtful");
  assert.equal(kindOf("bytes.yaml"), "invalid");
  assert.equal(kindOf("a.out"), "command");
  assert.equal(kindOf("script.sh"), "command");
  assert.equal(kindOf("broken.txt"), "command");
  assert.equal(kindOf("cat", "task.yaml"), "command");
  assert.equal(kindOf("cat missing.yaml"), "command");
  assert.equal(kindOf("echo", "hi"), "command");
});

test("neither a value inside of itself nor deep nesting ends the reader", () => {
  const whatOf = (text: string) => readYaml(text, "t.yaml").problems.map(({ what }) => what);
  assert.deepEqual(whatOf("envs: &a {A: *a}\n"), ["*a stands inside of what it names"]);
  const [deep, ...more] = whatOf(`run: ${"[".repeat(20_000)}`);
  assert.match(deep ?? "", /too many values inside of each other/);
  assert.deepEqual(more, []);
});

test("a rank's end is shown as a shell shows it, and in words", () => {
  const shown = (exit: Exit): unknown => {
    const job: Job = {
      ...{ id: 1, name: "", user: "u", status: "FAILED", phase: "ended", submittedAt: 1 },
      ...{ resources: "", numNodes: 1, attempt: 1, setups: [], sweeps: [] },
      ranks: [{ rank: 0, node: "head", ip: "", exit }],
    };
    const { exitCode, signal, outcome } = jobView(job).ranks[0] ?? {};
    return [exitCode, signal, outcome];
  };
  assert.deepEqual(shown({ kind: "code", code: 7 }), [7, null, "exited with 7"]);
  const killed = shown({ kind: "signal", signal: 9, evidence: "" });
  assert.deepEqual(killed, [137, "SIGKILL", "ended with 137 (SIGKILL or exit 137)"]);
  const stopped = shown({ kind: "stopped", why: "peer-failed" });
  assert.deepEqual(stopped, [137, null, "stopped because a peer failed"]);
  const unknown = shown({ kind: "unknown", evidence: "shim gone" });
  assert.deepEqual(unknown, [null, null, "ended, nobody knows how (shim gone)"]);
});
