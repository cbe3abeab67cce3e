// What the command line says, to the letter: help texts, messages of wrong use, task files with
// problems. Nothing here starts a head: wrong use must not.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, test } from "node:test";
import { commandNames } from "../../client/cli/commands.ts";
import { assertGolden, transcriptStep } from "../support/golden.ts";

const checkout = resolve(import.meta.dirname, "../..");
const folder = mkdtempSync(join(tmpdir(), "sky-golden-"));
after(() => rmSync(folder, { recursive: true, force: true }));

function sky(args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ["--", join(checkout, "bin/sky.ts"), ...args],
    {
      cwd: folder,
      env: { PATH: process.env["PATH"], HOME: folder, SKY_HOME: join(folder, "home") },
    },
  );
  const { version } = JSON.parse(readFileSync(join(checkout, "package.json"), "utf8"));
  const said = `${stdout}${stderr}`.replaceAll(folder, "FOLDER").replaceAll(version, "VERSION");
  assert.ok(!said.includes(checkout), `the message names the checkout:\n${said}`);
  assert.equal(existsSync(join(folder, "home/head")), false, "nothing was started");
  return `${said.trimEnd()}\nexit ${status}\n`;
}

test("the help of sky and of every command", () => {
  const all = [["--version"], ["--help"], ...commandNames.map((name) => [name, "--help"])];
  const steps = all.map((args) => transcriptStep(`sky ${args.join(" ")}`, sky(args)));
  assertGolden("cli/help.txt", steps.join("\n"));
});

const misuses = [
  ["nonsense"],
  ["launhc"],
  ["launch", "--no-such-flag"],
  ["launch", "-y", "-c", "Not_A_Name", "true"],
  ["launch", "-y", "-c", "demo", "--num-nodes", "0", "true"],
  ["launch", "-y", "-c", "demo", "--gpus", "V100:x", "--cpus", "-1", "true"],
  ["launch", "-y", "-c", "demo", "--cloud", "aws", "true"],
  ["launch", "-y", "-c", "demo", "--env", "NOT_SET_ANYWHERE", "true"],
  ["launch", "-y", "-c", "demo", "--workdir", "nowhere", "true"],
  ["launch", "-y", "-c", "demo", "missing.yaml"],
  ["launch", "-y", "-c", "demo", "-i", "x", "true"],
  ["launch", "-y", "-c", "demo", "-i", "1", "--idle-seconds", "60", "true"],
  ["launch", "-y", "-c", "demo", "--isolation", "docker", "true"],
  ["launch", "-c", "missing.yaml", "missing.yaml"],
  ["exec"],
  ["exec", "demo"],
  ["queue", "demo", "-o", "xml"],
  ["logs"],
  ["logs", "demo", "first"],
  ["logs", "demo", "1", "2"],
  ["logs", "demo", "--status", "--sync-down"],
  ["logs", "demo", "--tail", "-1"],
  ["cancel", "demo", "-y"],
  ["cancel", "demo", "first", "-y"],
  ["cancel", "demo", "-a"],
  ["exec", "demo", "ls", "-la"],
  ["why", "demo", "first"],
  ["autostop", "demo", "-i", "5", "--cancel"],
  ["down", "-y"],
  ["doctor", "-o", "xml"],
  ["debug", "one", "two"],
  ["debug", "--to", "x.gz"],
  ["launch", "--dryrun", "-c", "demo", "--gpus", "v100:0.5", "--cpus", "4+", "echo hi"],
  ["launch", "--dryrun", "-c", "demo", "--infra", "aws/us-east-1", "--use-spot", "echo hi"],
  ["launch", "--dryrun", "-c", "demo", "--ports", "0", "--config", "grace_seconds=soon", "true"],
  ["launch", "--dryrun", "-c", "demo", "--env-file", "nowhere.env", "true"],
  ["launch", "--dryrun", "-c", "demo", "--env-file", "wrong.env", "true"],
  ["launch", "--dryrun", "-c", "demo", "--env-file", "right.env", "--secret", "T=x", "true"],
  ["launch", "--dryrun", "-c", "demo", "--config", "settings.yaml", "true"],
];

test("wrong use", () => {
  writeFileSync(join(folder, "wrong.env"), "A=1\nnot a variable\nB='open\n");
  writeFileSync(join(folder, "right.env"), "A=1\nexport B=two words # c\n");
  writeFileSync(join(folder, "settings.yaml"), "grace_seconds: 3\ngcp: {vpc_name: x}\n");
  const steps = misuses.map((args) => transcriptStep(`sky ${args.join(" ")}`, sky(args)));
  assertGolden("cli/misuse.txt", steps.join("\n"));
});

test("task files with problems", () => {
  cpSync(join(import.meta.dirname, "cli/tasks"), folder, { recursive: true });
  const names = readdirSync(folder).filter((name) => name.endsWith(".yaml"));
  const steps = names.sort().map((name) => {
    const args = ["launch", "-y", "-c", "demo", name];
    return transcriptStep(`sky ${args.join(" ")}`, sky(args));
  });
  assertGolden("cli/tasks.txt", steps.join("\n"));
});
