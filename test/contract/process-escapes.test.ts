// Who tries to get away from a cancel, word for word: setsid, nohup, a double fork, init as the new
// parent, an empty environment, another working directory, closed descriptors.
//
// With a cgroup of either kind nobody gets away, and the record proves it: nothing is unproven.
// Without one, also as a user who is not root, all are found whom /proc shows to be the rank's, and
// the record says what could not be proven.

import assert from "node:assert/strict";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { killed, remotePort } from "../support/process-agent.ts";
import { hear, until } from "./process.contract.ts";

const nobody = 65_534;
const quiet = ">/dev/null 2>&1 </dev/null";

/** Each leaves one `sleep TIME` behind that has done as the word says. */
const visible = (time: string) => ({
  setsid: `setsid sleep ${time} &`,
  nohup: `nohup sleep ${time} ${quiet} &`,
  "double fork, init is its parent": `(setsid bash -c '(sleep ${time} &)' ${quiet} &)`,
  "another working directory": `(cd / && setsid nohup sleep ${time} ${quiet} &)`,
  "an empty environment, its output held": `(cd / && env -i setsid sleep ${time} &)`,
  "TERM ignored": `(trap '' TERM; exec sleep ${time}) ${quiet} &`,
});
/** Nothing of the rank is left in this one: only its cgroup knows whose it is. */
const traceless = (time: string) =>
  `(cd / && env -i setsid bash -c '(sleep ${time} &)' ${quiet} &)`;

const ways = [
  { name: "cgroup v2", kinds: ["v2"], uid: 0, time: "4243.1" },
  { name: "the v1 freezer", kinds: ["freezer"], uid: 0, time: "4243.2" },
  { name: "no cgroup", kinds: [], uid: 0, time: "4243.3" },
  { name: "a user who is not root", kinds: ["v2", "freezer"], uid: nobody, time: "4243.4" },
] as const;

for (const { name, kinds, uid, time } of ways) {
  const skip = whyNot(uid);
  test(`nobody gets away from a sweep: ${name}`, { skip }, async () => {
    const root = mkdtempSync(join(tmpdir(), "skylet escapes "));
    chmodSync(root, 0o755);
    const [home, ranksDir, stateDir] = ["home", "ranks", "state"].map((each) => `${root}/${each}`);
    for (const dir of [home, ranksDir, stateDir]) {
      mkdirSync(dir as string);
      chownSync(dir as string, uid, uid);
    }
    const proven = uid === 0 && kinds.length > 0;
    const settings = { stateDir, ranksDir, home, name: "escapes", logGraceMs: 200 };
    const { port, child } = await remotePort({ ...settings, cgroupKinds: kinds }, uid);
    const heard = hear(port);
    const escapes = [...Object.values(visible(time)), ...(proven ? [traceless(time)] : [])];
    const dir = `${ranksDir}/1-1-run-0`;
    const script = `${escapes.join("\n")}\nsleep ${time}`;
    const spec = { dir, script, cwd: home as string, home: home as string, env: {} };
    try {
      await port.prepare({ ...spec, goWhenReady: true });
      await until(() => sleepers(time).length === escapes.length + 1, "all of them");
      const swept = await port.sweep(dir);
      assert.equal(swept.survivors, 0);
      assert.ok(swept.found > escapes.length, `found ${swept.found}`);
      assert.equal(swept.killed, swept.found);
      assert.deepEqual(sleepers(time), []);
      if (proven) assert.deepEqual(swept.unproven, []);
      else assert.match(swept.unproven.join(), /no cgroup/);
      await heard.exit(dir);
    } finally {
      await port.close();
      await killed(child);
      for (const pid of sleepers(time)) process.kill(pid, "SIGKILL");
      rmSync(root, { recursive: true, force: true, maxRetries: 10 });
    }
  });
}

/** What is missing for a run as this user. */
function whyNot(uid: number): string | false {
  if (process.getuid?.() !== 0) return "needs root: for cgroups, and to be somebody else";
  const isOpen = (path: string): boolean =>
    (statSync(path).mode & 0o001) !== 0 && (path === "/" || isOpen(dirname(path)));
  if (uid === 0 || [import.meta.dirname, dirname(process.execPath)].every(isOpen)) return false;
  return "needs a checkout and a Node that other users may read";
}

/** Living processes that sleep for exactly this time. */
function sleepers(time: string): readonly number[] {
  return pids().filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "utf8") === `sleep\0${time}\0`;
    } catch {
      return false; // It has ended.
    }
  });
}

function pids(): readonly number[] {
  return readdirSync("/proc").map(Number).filter(Number.isSafeInteger);
}
