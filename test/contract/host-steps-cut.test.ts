// Steps that are cut off: the shell is killed at its first outside command, its second, and so on;
// the step that follows goes on from whatever is there, and nothing stays in the end.
//
// SKY_TEST_CUTS=1 takes each command, not every seventh.

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import {
  type Ground,
  ground,
  headFile,
  left,
  nodeFile,
  program,
  running,
} from "../support/host-ground.ts";
import { pidsBelow } from "../support/local-hosts.ts";

const { signal } = new AbortController();
const every = Number(process.env["SKY_TEST_CUTS"] ?? 7);

const commands = [
  "cat",
  "chmod",
  "cp",
  "df",
  "grep",
  "gzip",
  "ln",
  "ls",
  "mkdir",
  "mv",
  "readlink",
].concat(["rm", "rmdir", "sed", "setsid", "sha256sum", "sleep", "sort", "tail", "tar"]);

/** Programs that kill whoever starts the one whose turn it is. */
function cutter({ tools, folder }: Ground) {
  const [turn, count] = [join(folder, "turn"), join(folder, "count")];
  for (const name of commands) {
    program(
      join(tools, name),
      `read -r n <'${count}'; read -r turn <'${turn}'; n=$((n + 1)); echo "$n" >'${count}'
[ "$n" = "$turn" ] && kill -KILL "$PPID"
exec '${pathOf(name)}' "$@"`,
    );
  }
  const arm = (at: number): void => {
    writeFileSync(turn, `${at}\n`);
    writeFileSync(count, "0\n");
  };
  arm(0);
  return { arm, count: () => Number(readFileSync(count, "utf8")) };
}

function pathOf(name: string): string {
  const found = ["/usr/bin", "/bin"].map((at) => join(at, name)).find((path) => existsSync(path));
  if (found === undefined) throw new Error(`${name} is missing here`);
  return found;
}

type Step = (here: Ground) => Promise<unknown>;

const steps: Readonly<Record<string, Step>> = {
  install: async ({ steps: host, place }) => {
    for (const { problem } of await host.install([place("a")], signal)) {
      if (problem !== undefined) throw problem;
    }
  },
  claim: ({ steps: host, place }) => host.claim(place("a"), [0, 1], signal),
  head: ({ steps: host, place }) => host.start(place("a"), headFile, signal),
  node: ({ steps: host, place }) => host.start(place("a"), nodeFile(), signal),
  stop: ({ steps: host, place }) => host.stop(place("a"), signal),
  remove: ({ steps: host, place }) => host.remove(place("a"), signal),
};

for (const [at, name] of Object.keys(steps).entries()) {
  test(`${name} goes on from wherever it was cut off`, { timeout: 300_000 }, async (t) => {
    const here = ground(t);
    const cut = cutter(here);
    const before = Object.values(steps).slice(0, at);
    const step = steps[name];
    assert.ok(step);
    let turn = 1;
    for (let isCut = true; isCut; turn += every) {
      for (const earlier of before) await earlier(here);
      cut.arm(turn);
      // Cut off, it fails in whatever way.
      await step(here).catch(() => {});
      isCut = cut.count() >= turn;
      cut.arm(0);
      await step(here);
      await check(here, name);
      await here.steps.remove(here.place("a"), signal);
      assert.deepEqual(left(here, "a"), [], `cut at ${turn}`);
      assert.deepEqual(pidsBelow(here.folder), [], `cut at ${turn}`);
    }
    assert.ok(turn > 5, "there was something to cut");
  });
}

async function check(here: Ground, name: string): Promise<void> {
  const place = here.place("a");
  const status = await here.steps.status(place, signal);
  const root = join(here.home("a"), ".skylet");
  if (name === "install") assert.deepEqual(readdirSync(`${root}/bundles`), [here.bundle.hash]);
  if (name === "claim") {
    assert.deepEqual(readdirSync(`${root}/claims`).sort(), ["gpu-0", "gpu-1", "workdir"]);
  }
  if (name === "head") assert.equal(status.head, "running");
  if (name === "node") {
    assert.deepEqual([status.head, status.node], ["running", "running"]);
    await running(here, place);
  }
  if (name === "stop") {
    assert.deepEqual([status.head, status.node], ["absent", "absent"]);
    assert.deepEqual(pidsBelow(here.folder), []);
  }
  if (name === "remove") assert.equal(status.folder, "absent");
}
