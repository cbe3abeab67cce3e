// Wrong use of every command: exit code 2, a message that has what was typed, no stack, and nothing
// started, changed or consumed. The real program runs, in a home that nobody has used.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { allCommands, commandNames } from "../../../client/cli/commands.ts";
import { argumentsOf, longName } from "../../../client/cli/flags.ts";
import { laterNames } from "../../../client/cli/later.ts";
import { program } from "../../support/programs.ts";

const folder = mkdtempSync(join(tmpdir(), "sky-audit-"));
before(() => {
  mkdirSync(join(folder, "dir"));
  writeFileSync(join(folder, "bad.yaml"), "run: x\nnum_nodes: many\n");
});
after(() => rmSync(folder, { recursive: true, force: true }));

interface Outcome {
  readonly code: number;
  readonly said: string;
}

let places = 0;

/** Runs in a home of its own, and looks at what is left in it. */
function sky(args: readonly string[], more: Record<string, string> = {}): Promise<Outcome> {
  const home = join(folder, `home-${places++}`);
  const { HOME: _own, SKYPILOT_DEBUG: _debug, ...environment } = process.env;
  const env = { ...environment, HOME: home, SKY_HOME: home, ...more };
  return new Promise((done, fail) => {
    const options = { env, cwd: folder };
    const [node = "", ...argv] = [...program("sky"), ...args];
    const child = execFile(node, argv, options, (error, out, err) => {
      const code = error === null ? 0 : error.code;
      const left = readdirSync(home).filter((name) => name !== "cache");
      if (left.length > 0) fail(new Error(`sky ${args.join(" ")} left ${left.join(", ")}`));
      else done({ code: typeof code === "number" ? code : -1, said: `${out}${err}` });
    });
    child.stdin?.end();
  });
}

function assertNoStack({ said }: Outcome, line: string): void {
  assert.doesNotMatch(said, /\n\s+at .*:\d+:\d+|node:internal|core\//, `${line}:\n${said}`);
}

/** Each is wrong, and each message has the words that are in the second place. */
const wrongUses: readonly (readonly [args: readonly string[], named: readonly string[]])[] = [
  [["--bogus"], ["--bogus"]],
  [["statsu"], ["statsu", "'status'"]],
  [
    ["help", "laucnh"],
    ["laucnh", "'launch'"],
  ],
  [
    ["launch", "--dryrn"],
    ["--dryrn", "--dryrun"],
  ],
  [["launch", "-c"], ["-c, --cluster"]],
  [["launch", "-c", "Bad_Name", "x"], ["Bad_Name"]],
  [["launch", "-c", "a".repeat(64), "x"], ["64 characters"]],
  [["launch", "-c", "sky-jobs-controller-1234abcd", "x"], ["sky-jobs-controller-1234abcd"]],
  [
    ["launch", "-y", "-i", "soon", "x"],
    ["-i", "soon"],
  ],
  [
    ["launch", "-y", "-i", "-1", "x"],
    ["-i", "-1", "--cancel"],
  ],
  [
    ["launch", "-y", "-i", "5", "--idle-seconds", "3", "x"],
    ["-i 5", "--idle-seconds 3"],
  ],
  [
    ["launch", "-y", "--idle-seconds", "x", "x"],
    ["--idle-seconds", "'x'"],
  ],
  [
    ["launch", "-y", "--isolation", "proces", "x"],
    ["--isolation", "proces", "'process'"],
  ],
  [
    ["launch", "-y", "--wait-for", "job", "x"],
    ["--wait-for", "'job'", "'jobs'"],
  ],
  [
    ["launch", "-y", "--num-nodes", "0", "x"],
    ["--num-nodes", "0"],
  ],
  [
    ["launch", "-y", "--cpus", "lots", "x"],
    ["--cpus", "lots"],
  ],
  [
    ["launch", "-y", "--gpus", "V100:x", "x"],
    ["--gpus", "V100:x"],
  ],
  [["launch", "-y", "--workdir", "nowhere", "x"], ["nowhere"]],
  [["launch", "-y", "--env", "SKY_AUDIT_NOT_SET", "x"], ["SKY_AUDIT_NOT_SET"]],
  [
    ["launch", "-y", "bad.yaml"],
    ["bad.yaml:2", "many"],
  ],
  [["launch", "-y", "gone.yaml"], ["gone.yaml"]],
  [
    ["launch", "hostname"],
    ["Launching a new cluster", "-y"],
  ],
  [["exec"], ["CLUSTER"]],
  [
    ["exec", "nobody"],
    ["nobody", "ENTRYPOINT"],
  ],
  [
    ["exec", "-c", "nobody"],
    ["nobody", "ENTRYPOINT"],
  ],
  [
    ["exec", "nobody", "hostname"],
    ["nobody", "`sky launch`"],
  ],
  [["exec", "-c", "nobody", "hostname"], ["nobody"]],
  [["exec", "sky-serve-controller-12", "hostname"], ["sky-serve-controller-12"]],
  [["exec", "nobody", "bad.yaml"], ["bad.yaml:2"]],
  [["status", "nobody"], ["nobody"]],
  [["status", "-r", "nobody"], ["nobody"]],
  [
    ["status", "-o", "xml"],
    ["--output", "xml"],
  ],
  [["status", "--ip"], ["--ip"]],
  [
    ["status", "--ip", "a", "b"],
    ["--ip", "a b"],
  ],
  [["queue", "nobody"], ["nobody"]],
  [
    ["queue", "-o", "xml"],
    ["--output", "xml"],
  ],
  [["logs", "nobody"], ["nobody"]],
  [["logs", "nobody", "x"], ["'x'"]],
  [
    ["logs", "nobody", "--tail", "few"],
    ["--tail", "few"],
  ],
  [["cancel", "nobody"], ["--all"]],
  [["cancel", "nobody", "1", "-y"], ["nobody"]],
  [["cancel", "nobody", "first", "-y"], ["first"]],
  [["why", "nobody"], ["nobody"]],
  [["why", "nobody", "x"], ["'x'"]],
  [
    ["cost-report", "--days", "all"],
    ["--days", "all"],
  ],
  [["cost-report", "extra"], ["argument"]],
  [["autostop"], ["autostop"]],
  [["autostop", "nobody"], ["nobody"]],
  [
    ["autostop", "nobody", "-i", "5", "--cancel"],
    ["-i 5", "--cancel"],
  ],
  [["autostop", "sky-spot-controller-12345678"], ["sky-spot-controller-12345678"]],
  [["stop"], ["stop"]],
  [["stop", "nobody"], ["nobody"]],
  [["stop", "sky-spot-controller-12345678", "-y"], ["sky-spot-controller-12345678"]],
  [["start", "nobody"], ["nobody"]],
  [
    ["start", "nobody", "--down"],
    ["--down", "-i"],
  ],
  [
    ["start", "nobody", "-i", "x"],
    ["-i", "'x'"],
  ],
  [["down"], ["down"]],
  [["down", "nobody"], ["nobody"]],
  [["down", "nobody", "-p"], ["nobody"]],
  [["down", "a", "sky-spot-controller-12345678"], ["sky-spot-controller-12345678"]],
  [["cpunode", "-c", "Bad_Name"], ["Bad_Name"]],
  [
    ["cpunode", "--cpus", "x"],
    ["--cpus", '"x"'],
  ],
  [["cpunode", "-p", "99999"], ["99999"]],
  [
    ["cpunode", "--screen", "--tmux"],
    ["--screen", "--tmux"],
  ],
  [["cpunode", "extra"], ["argument"]],
  [["gpunode", "--gpus", "V100:x"], ["V100:x"]],
  [["tpunode", "-p", "http"], ["http"]],
  [
    ["check", "asw"],
    ["asw", "'aws'"],
  ],
  [["cp"], ["SRC"]],
  [["cp", "a"], ["DST"]],
  [["cp", "az://account/c", "b"], ["azure://"]],
  [
    ["cp", "a", "b", "-t", "fast"],
    ["--tput", "fast"],
  ],
  [
    ["sync", "a", "b", "--verify", "twice"],
    ["--verify", "twice"],
  ],
  [["transfers", "first"], ["first"]],
  [["transfers", "4711"], ["4711"]],
  [["profile", "nobody"], ["nobody"]],
  [["doctor", "-o", "xml"], ["xml"]],
  [["debug", "--to", "x"], ["--to"]],
  [["restore"], ["--from"]],
  [["completion", "tcsh"], ["tcsh"]],
  [["completion"], ["bash"]],
  [["--install-shell-completion", "tcsh"], ["tcsh"]],
];

test("wrong use of every command", { concurrency: 4 }, async (t) => {
  const all = wrongUses.map(([args, named]) => {
    const line = `sky ${args.join(" ")}`;
    return t.test(line, async () => {
      const outcome = await sky(args);
      assert.equal(outcome.code, 2, outcome.said);
      for (const word of named) {
        assert.ok(outcome.said.includes(word), `${line} does not say ${word}:\n${outcome.said}`);
      }
      assertNoStack(outcome, line);
    });
  });
  await Promise.all(all);
});

test("every command is among the wrong uses", () => {
  const tried = new Set(wrongUses.map(([[name]]) => name));
  assert.deepEqual(
    commandNames.filter((name) => !tried.has(name)),
    [],
  );
});

test("an unknown flag of any command is told with its name", async () => {
  const outcomes = await Promise.all(commandNames.map((name) => sky([name, "--no-such-thing"])));
  for (const [index, outcome] of outcomes.entries()) {
    assert.equal(outcome.code, 2, `${commandNames[index]}: ${outcome.said}`);
    assert.match(outcome.said, /--no-such-thing/);
  }
});

test("a flag without its value is told with its name", async () => {
  for (const [, spec] of await allCommands()) {
    const valued = spec.flags.filter(({ usage }) => usage.includes("<"));
    const outcomes = await Promise.all(valued.map((flag) => sky([spec.name, longName(flag)])));
    for (const [index, outcome] of outcomes.entries()) {
      const name = longName(valued[index] ?? { usage: "", about: "" });
      assert.equal(outcome.code, 2, `${spec.name} ${name}: ${outcome.said}`);
      assert.ok(outcome.said.includes(name), `${spec.name} ${name}: ${outcome.said}`);
    }
  }
});

/** What SkyPilot has and we refuse is no wrong use: the sentence says what is missing. */
test("a flag that needs a cloud is refused with its name", async () => {
  for (const [, spec] of await allCommands()) {
    const refused = spec.flags.filter(
      (flag) => flag.needsCloud === true || flag.refused !== undefined,
    );
    const words = argumentsOf(spec).filter((part) => part.startsWith("<"));
    for (const flag of refused) {
      const value = flag.usage.includes("<") ? ["8080"] : [];
      const outcome = await sky([spec.name, longName(flag), ...value, ...words.map(() => "x")]);
      const line = `sky ${spec.name} ${longName(flag)}`;
      assert.equal(outcome.code, 1, `${line}: ${outcome.said}`);
      assert.ok(outcome.said.includes(longName(flag)), `${line}: ${outcome.said}`);
      assertNoStack(outcome, line);
    }
  }
});

test("a stack is for those who ask for it", async () => {
  const args = ["status", "nobody"];
  const { code, said } = await sky(args, { SKYPILOT_DEBUG: "1" });
  assert.equal(code, 2);
  assert.match(said, /^Error: Cluster 'nobody' not found\.\n(.*\n)*\s+at /);
  assertNoStack(await sky(args, { SKYPILOT_DEBUG: "0" }), "without");
});

test("commands that are not there yet say so", async () => {
  const outcomes = await Promise.all(laterNames.map((name) => sky([name, "launch", "x.yaml"])));
  for (const [index, { code, said }] of outcomes.entries()) {
    assert.equal(code, 1, said);
    assert.match(said, new RegExp(`^Error: 'sky ${laterNames[index]}' is not there yet: .*\\n$`));
  }
});

test("looking at a home in which nothing was launched starts nothing", async () => {
  const lines = [["status"], ["status", "-r"], ["queue"], ["cost-report"], ["check"], ["start"]];
  const globs = [
    ["down", "-a"],
    ["stop", "x*"],
    ["autostop", "-u"],
    ["status", "-o", "json"],
  ];
  for (const args of [...lines, ...globs, ["launch", "--dryrun", "hostname"]]) {
    const { code, said } = await sky(args);
    assert.equal(code, 0, `sky ${args.join(" ")}: ${said}`);
  }
});
