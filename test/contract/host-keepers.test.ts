// Who starts a host's programs again after a reboot: a systemd user unit, a line of the crontab, or
// nobody; and that none of it stays. The programs that the scripts talk to are stand-ins.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import {
  folderOf,
  type Ground,
  ground,
  headFile,
  left,
  nodeFile,
  program,
  running,
} from "../support/host-ground.ts";
import { pidsBelow } from "../support/local-hosts.ts";
import { until } from "../support/until.ts";

const { signal } = new AbortController();

/** A manager of units that starts what a unit says. Lingering may be off, on, or turned on. */
function addSystemd({ tools, folder }: Ground, linger: "no" | "yes" | "may"): void {
  mkdirSync(join(folder, "run"));
  writeFileSync(join(folder, "linger"), linger);
  program(
    join(tools, "systemctl"),
    `shift
[ "$1" = --no-block ] && shift
echo "$*" >>'${folder}/calls'
units=$HOME/.config/systemd/user
case $1 in
  is-system-running) echo degraded; exit 1 ;;
  enable) ln -sf "$units/$2" "$units/default.target.wants/$2" ;;
  disable) rm -f "$units/default.target.wants/$3" ;;
  restart) eval "setsid $(sed -n 's/^ExecStart=//p' "$units/$2")" </dev/null >/dev/null 2>&1 & ;;
esac`,
  );
  program(
    join(tools, "loginctl"),
    `case $* in
  *show-user*) [ "$(cat '${folder}/linger')" = yes ] && echo Linger=yes || echo Linger=no ;;
  *enable-linger*) [ "$(cat '${folder}/linger')" = may ] && echo yes >'${folder}/linger' ;;
  *disable-linger*) echo may >'${folder}/linger' ;;
esac`,
  );
}

function addCron({ tools, folder }: Ground, table: string): () => string {
  const path = join(folder, "crontab");
  if (table !== "") writeFileSync(path, table);
  program(
    join(tools, "crontab"),
    `case $1 in
  -l) cat '${path}' 2>/dev/null || { echo "no crontab for $(id -un)" >&2; exit 1; } ;;
  -r) rm -f '${path}' ;;
  -) cat >'${path}' ;;
esac`,
  );
  return () => (existsSync(path) ? readFileSync(path, "utf8") : "");
}

test("systemd keeps both programs where its units outlive the login", async (t) => {
  const here = ground(t);
  addSystemd(here, "yes");
  const table = addCron(here, "");
  const place = here.place("a");
  await here.steps.install([place], signal);
  await here.steps.start(place, headFile, signal);
  await here.steps.start(place, nodeFile(), signal);
  const units = join(here.home("a"), ".config/systemd/user");
  const names = ["head", "node"].map((role) => `skylet-train-${place.token.slice(0, 8)}-${role}`);
  const wanted = readdirSync(join(units, "default.target.wants")).sort();
  assert.deepEqual(
    wanted,
    names.map((name) => `${name}.service`),
  );
  assert.match(readFileSync(join(units, wanted[0] ?? ""), "utf8"), /KillMode=process/);
  assert.equal(table(), "");
  const first = await running(here, place);
  await here.steps.start(place, nodeFile({ incarnation: 2 }), signal);
  await running(here, place, first);
  await here.steps.remove(place, signal);
  assert.deepEqual(left(here, "a"), []);
  assert.deepEqual(pidsBelow(here.folder), []);
  assert.equal(readFileSync(join(here.folder, "linger"), "utf8"), "yes");
});

test("lingering that we turn on is turned off with the last cluster", async (t) => {
  const here = ground(t);
  addSystemd(here, "may");
  mkdirSync(join(here.home("a"), ".config"));
  const [one, two] = [here.place("a", "one"), here.place("a", "two")];
  for (const place of [one, two]) {
    await here.steps.install([place], signal);
    await here.steps.start(place, nodeFile(), signal);
  }
  const linger = (): string => readFileSync(join(here.folder, "linger"), "utf8").trim();
  await here.steps.remove(one, signal);
  assert.equal(linger(), "yes");
  await here.steps.remove(two, signal);
  assert.equal(linger(), "may");
  // The user's own folder stays.
  assert.deepEqual(left(here, "a"), [".config"]);
});

test("a crontab keeps its lines, gets ours, and loses them again", async (t) => {
  const here = ground(t);
  addSystemd(here, "no");
  const mine = "0 5 * * * backup # at five\n";
  const table = addCron(here, mine);
  const [one, two] = [here.place("a", "one"), here.place("a", "two")];
  for (const place of [one, two]) {
    await here.steps.install([place], signal);
    await here.steps.start(place, nodeFile(), signal);
    await here.steps.start(place, nodeFile({ incarnation: 2 }), signal);
  }
  assert.equal(table().split("\n").length, 4);
  assert.ok(table().startsWith(mine));
  await here.steps.remove(one, signal);
  const [, line = ""] = table().split("\n");
  assert.match(line, /^@reboot sh '.*\/clusters\/two-[0-9a-f]{8}\/run\.sh' node .*# skylet two-/);
  // What the host does when it has booted.
  for (const pid of pidsBelow(here.folder)) process.kill(pid, "SIGKILL");
  await until("nobody is there", () => pidsBelow(here.folder).length === 0);
  assert.equal((await here.steps.status(two, signal)).node, "dead");
  const command = line.replace("@reboot ", "").replace(/#.*$/, "&");
  await here.ssh.run(two.target, { script: command, timeoutMs: 5_000 }, signal);
  await until("it is back", async () => (await here.steps.status(two, signal)).node === "running");
  await here.steps.stop(two, signal);
  assert.equal(table(), mine);
  await here.steps.remove(two, signal);
  assert.equal(table(), mine);
});

test("a crontab that held only our lines is gone with them", async (t) => {
  const here = ground(t);
  const table = addCron(here, "");
  const place = here.place("a");
  await here.steps.install([place], signal);
  await here.steps.start(place, nodeFile(), signal);
  assert.match(table(), /@reboot/);
  await here.steps.remove(place, signal);
  assert.equal(existsSync(join(here.folder, "crontab")), false);
});

test("a crontab that cannot be read is left alone", async (t) => {
  const here = ground(t);
  program(join(here.tools, "crontab"), "echo you may not >&2; exit 1");
  const place = here.place("a");
  await here.steps.install([place], signal);
  await here.steps.start(place, nodeFile(), signal);
  assert.equal((await here.steps.status(place, signal)).node, "running");
  assert.ok(existsSync(folderOf(here, place)));
  await here.steps.remove(place, signal);
  assert.deepEqual(left(here, "a"), []);
});
