// A node to work on by hand: `sky cpunode` in a terminal of its own. The terminal is made by
// script(1); the shell is the real one.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { homeAt } from "../../model/home.ts";
import { type Place, place, program, until } from "../support/programs.ts";

const hasTerminal = spawnSync("script", ["--version"]).status === 0;

/** `sky` with a terminal, typed into; resolves with what it showed and its exit code. */
async function inTerminal(here: Place, args: readonly string[], typed: readonly string[]) {
  const line = [...program("sky"), ...args].map((word) => `'${word}'`).join(" ");
  const env = { ...here.env, TERM: "xterm" };
  const child = spawn("script", ["-qec", line, "/dev/null"], { env, cwd: here.folder });
  let shown = "";
  child.stdout.on("data", (bytes: Buffer) => {
    shown += bytes.toString();
  });
  const ended = new Promise<number | null>((done) => child.once("close", done));
  for (const text of typed) {
    // Its prompt stands there: it reads.
    await until(`it takes ${text}`, () => /[$#] $/.test(shown), { describe: () => shown });
    const before = shown.length;
    child.stdin.write(`${text}\n`);
    await until(`${text} was read`, () => shown.length > before + text.length);
  }
  return { code: await ended, shown };
}

test("cpunode opens a shell in the home of the node, and finds it again", async (t) => {
  if (!hasTerminal) return t.skip("script(1) is not installed (util-linux)");
  const here = place(t, { env: { PS1: "$ " } });
  const { home } = homeAt(here.home).cluster("dev").node("head");
  const first = await inTerminal(
    here,
    ["cpunode", "-c", "dev", "-y"],
    ["echo $HOME > here", "exit 3"],
  );
  assert.equal(first.code, 0, first.shown);
  assert.ok(existsSync(`${home}/here`), first.shown);
  assert.match(first.shown, /Cluster dev is up: 1 node/);
  assert.match(first.shown, /To attach to it again: +sky cpunode -c dev/);
  const again = await inTerminal(here, ["cpunode", "-c", "dev"], ["cat here", "exit"]);
  assert.ok(again.shown.includes(`${home}\r\n`), again.shown);
  assert.doesNotMatch(again.shown, /is up: 1 node/);
  const job = await here.sky(["exec", "dev", "cat ~/here"]);
  assert.ok(job.stdout.includes(home), "a job finds what was made by hand");
});

test("without a terminal a node is launched, and the way to it is told", async (t) => {
  const here = place(t);
  const { code, stderr } = await here.sky(["cpunode", "-y", "-c", "dev", "-i", "1h"]);
  assert.equal(code, 0, stderr);
  assert.match(stderr, /There is no terminal here\. To open a shell on it: {2}sky cpunode -c dev/);
  assert.match((await here.sky(["status"])).stdout, /^dev .* UP +60m /m);
  const wrong = await here.sky(["gpunode", "-c", "dev"]);
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /use sky cpunode -c dev/);
});

test("a terminal gets colours and its width, NO_COLOR takes the colours away", async (t) => {
  if (!hasTerminal) return t.skip("script(1) is not installed (util-linux)");
  const here = place(t, { env: { NO_COLOR: "" } });
  await here.sky(["launch", "-y", "-c", "a-rather-long-name-for-a-cluster"]);
  const show = (env: string): string => {
    const line = `stty cols 72; ${env} '${program("sky").join("' '")}' status`;
    const options = { env: { ...here.env, TERM: "xterm" }, encoding: "utf8" } as const;
    return spawnSync("script", ["-qec", line, "/dev/null"], options).stdout;
  };
  const coloured = show("");
  assert.ok(coloured.includes("\u001b[32mUP\u001b[0m"), coloured);
  const plain = show("NO_COLOR=1");
  assert.ok(!plain.includes("\u001b"), plain);
  for (const line of plain.split(/\r?\n/)) assert.ok(line.length <= 72, line);
  const piped = await here.sky(["status"]);
  assert.match(piped.stdout, /^a-rather-long-name-for-a-cluster .* UP /m);
});
