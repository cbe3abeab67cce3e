// `ssh CLUSTER` with the system's `ssh -G`, and what becomes of the user's files.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { createSshConfig } from "../../clouds/ssh/ssh-config-os.ts";
import { changeUserFile } from "../../clouds/ssh/user-file-os.ts";
import { isSkyError } from "../../model/errors.ts";

const skip = spawnSync("ssh", ["-V"]).error === undefined ? false : "there is no ssh";

interface Place {
  readonly dir: string;
  /** The user's. */
  readonly file: string;
}

function each(what: string, work: (place: Place) => Promise<void>): void {
  test(`ssh-config: ${what}`, { skip, timeout: 60_000 }, async () => {
    const root = mkdtempSync(join(tmpdir(), "sky-config-"));
    const dir = join(root, "sky home", "ssh");
    mkdirSync(dir, { recursive: true });
    try {
      await work({ dir, file: join(root, "user", ".ssh", "config") });
    } finally {
      rmSync(root, { recursive: true });
    }
  });
}

function open({ dir, file }: Place, reserved: readonly string[] = []) {
  return createSshConfig({ dir, userConfig: file, reserved: async () => new Set(reserved) });
}

function write(file: string, text: string | Buffer, mode = 0o600): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  writeFileSync(file, text, { mode });
}

function asked(file: string, name: string): ReadonlyMap<string, string> {
  const text = execFileSync("ssh", ["-G", "-F", file, name], { encoding: "utf8" });
  return new Map(
    text.split("\n").map((line) => {
      const at = line.indexOf(" ");
      return [line.slice(0, at), line.slice(at + 1)] as const;
    }),
  );
}

const entries = [
  { name: "demo", target: { host: "lab1" } },
  { name: "demo-worker1", target: { host: "10.0.0.8", user: "al", port: 2200 } },
];

each("a cluster's names lead where its hosts are, and go with it", async (place) => {
  const user = Buffer.from(
    "# caf\xe9\r\nHost lab1\n  HostName 10.0.0.7\n  ProxyJump gate",
    "latin1",
  );
  write(place.file, user, 0o640);
  const config = open(place);
  const { names, left } = await config.set("demo", entries);
  assert.deepEqual([names, left], [["demo", "demo-worker1"], []]);
  const first = asked(place.file, "demo");
  assert.equal(first.get("hostname"), "10.0.0.7");
  assert.equal(first.get("proxyjump"), "gate");
  assert.ok(first.get("userknownhostsfile")?.startsWith(join(place.dir, "known_hosts")));
  const second = asked(place.file, "demo-worker1");
  assert.deepEqual(
    [second.get("hostname"), second.get("port"), second.get("user")],
    ["10.0.0.8", "2200", "al"],
  );
  assert.equal(statSync(place.file).mode & 0o777, 0o640);
  const once = readFileSync(place.file);
  await config.set("demo", entries);
  assert.deepEqual(readFileSync(place.file), once);
  await config.set("more", [{ name: "more", target: { host: "10.0.0.9" } }]);
  await config.remove("demo");
  assert.equal(asked(place.file, "demo").get("hostname"), "demo");
  assert.deepEqual(await config.clusters(), ["more"]);
  await config.remove("more");
  await config.remove("more");
  assert.deepEqual(readFileSync(place.file), user);
  assert.deepEqual(readdirSync(dirname(place.file)), ["config"]);
  assert.deepEqual(readdirSync(place.dir), []);
});

each("a file and a folder that were made for it go with it", async (place) => {
  const config = open(place);
  await config.set("demo", entries);
  assert.equal(statSync(place.file).mode & 0o777, 0o600);
  assert.equal(statSync(dirname(place.file)).mode & 0o777, 0o700);
  assert.equal(asked(place.file, "demo").get("hostname"), "lab1");
  await config.remove("demo");
  assert.ok(!existsSync(dirname(place.file)));

  await config.set("demo", entries);
  write(join(dirname(place.file), "known_hosts"), "");
  await config.remove("demo");
  assert.deepEqual(readdirSync(dirname(place.file)), ["known_hosts"]);
});

each("an empty file that was there stays", async (place) => {
  write(place.file, "");
  const config = open(place);
  await config.set("demo", entries);
  await config.remove("demo");
  assert.equal(readFileSync(place.file, "utf8"), "");
});

each("names that are taken are left out, and told", async (place) => {
  write(place.file, "Host *-worker1\n  HostName 10.1.1.1\nHost *\n  User me\n  ProxyJump gate\n");
  const config = open(place, ["more"]);
  const found = await config.set("demo", entries);
  assert.deepEqual(found.names, ["demo"]);
  assert.match(found.left[0]?.why ?? "", /has settings of its own/);
  assert.equal(asked(place.file, "demo-worker1").get("hostname"), "10.1.1.1");
  const pool = await config.set("more", [{ name: "more", target: { host: "h" } }]);
  assert.match(pool.left[0]?.why ?? "", /a pool has a host/);
  const twin = await config.set("twin", [{ name: "demo", target: { host: "h" } }]);
  assert.match(twin.left[0]?.why ?? "", /cluster demo/);
  // What was left out once is looked at anew.
  write(place.file, readFileSync(place.file, "utf8").replace("*-worker1", "x"));
  assert.deepEqual((await config.set("demo", entries)).left, []);
});

each("links are followed, also to nothing; names of one file stay together", async (place) => {
  const real = join(dirname(dirname(place.file)), "dotfiles", "ssh config");
  mkdirSync(dirname(place.file), { recursive: true });
  mkdirSync(dirname(real));
  symlinkSync("../dotfiles/ssh config", place.file);
  const config = open(place);
  await config.set("demo", entries);
  assert.ok(lstatSync(place.file).isSymbolicLink());
  assert.match(readFileSync(real, "utf8"), /^# Skylet/);
  await config.remove("demo");
  assert.ok(!existsSync(real));

  write(real, "Host a\n");
  linkSync(real, `${real}.twin`);
  await config.set("demo", entries);
  assert.equal(statSync(real).ino, statSync(`${real}.twin`).ino);
  await config.remove("demo");
  assert.equal(readFileSync(`${real}.twin`, "utf8"), "Host a\n");
});

each("many writers at a time lose nothing", async (place) => {
  write(place.file, "Host mine\n");
  const homes = ["a", "b", "c", "d"].map((name) => ({ ...place, dir: join(place.dir, name) }));
  for (const { dir } of homes) mkdirSync(dir);
  await Promise.all(homes.map((home, at) => open(home).set(`c${at}`, [entry(`c${at}`)])));
  for (const at of homes.keys()) assert.equal(asked(place.file, `c${at}`).get("hostname"), "h");
  await Promise.all(homes.map((home, at) => open(home).remove(`c${at}`)));
  assert.equal(readFileSync(place.file, "utf8"), "Host mine\n");
});

const entry = (name: string) => ({ name, target: { host: "h" } });

each("a lock whose maker is dead counts for nothing", async ({ file }) => {
  write(file, "one");
  const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  const dead = { pid: 2 ** 22 + 1, startedAt: "1", boot };
  writeFileSync(`${file}.skylet-lock`, JSON.stringify(dead));
  await changeUserFile(file, ({ text }) => `${text} two`);
  assert.equal(readFileSync(file, "utf8"), "one two");
  assert.deepEqual(readdirSync(dirname(file)), ["config"]);
});

each("what cannot be changed is told with the line to add", async (place) => {
  const nowhere = { ...place, file: "/dev/null/.ssh/config" };
  await assert.rejects(open(nowhere).set("demo", entries), (error) => {
    return (
      isSkyError(error, "process/failed") && /Put this line at its top: Inc/.test(error.message)
    );
  });
  mkdirSync(place.file, { recursive: true });
  await assert.rejects(open(place).set("demo", entries), (error) => {
    return isSkyError(error, "process/failed") && error.message.includes(place.file);
  });
});
