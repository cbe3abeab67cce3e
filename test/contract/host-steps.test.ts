// What is done to a host, on folders that stand for hosts: bundles come and leave us once, claims
// exclude each other, programs are kept running and ended, and nothing stays.

import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import {
  folderOf,
  ground,
  headFile,
  isAlive,
  left,
  nodeFile,
  program,
  running,
  seen,
} from "../support/host-ground.ts";
import { pidsBelow, shellsHere } from "../support/local-hosts.ts";
import { until } from "../support/until.ts";

const { signal } = new AbortController();

/** Cut down to what an error says. */
const saidBy = (error: unknown): string => (error instanceof Error ? error.message : String(error));

test("a step for a folder that is no cluster's ends before it does anything", async (t) => {
  const here = ground(t, {});
  const place = here.place("a");
  await here.steps.install([place], signal);
  await here.steps.claim(place, [], signal);
  const before = left(here, "a");
  for (const [cluster, token] of [
    ["..", "/../../.."],
    [".", "/.."],
    ["a b", "12345678"],
  ] as const) {
    const wrong = { ...place, cluster, token };
    const why = await here.steps.remove(wrong, signal).then(() => "", saidBy);
    assert.match(why, /is no cluster's folder/);
  }
  assert.deepEqual(left(here, "a"), before);
});

for (const shell of shellsHere()) {
  const name = shell.join(" ");

  test(`${name}: a bundle leaves us once for four hosts that reach each other`, async (t) => {
    const here = ground(t, { shell });
    const places = ["a", "b", "c", "d"].map((host) => here.place(host));
    const done = await here.steps.install(places, signal);
    assert.deepEqual(
      done.map(({ problem }) => problem),
      places.map(() => undefined),
    );
    assert.equal(here.sent(), here.bundle.bytes);
    for (const { host } of places) {
      const installed = join(here.home(host), ".skylet/bundles");
      assert.deepEqual(readdirSync(installed), [here.bundle.hash]);
      assert.ok(existsSync(join(installed, here.bundle.hash, "bin/node")));
      assert.equal(statSync(join(here.home(host), ".skylet")).mode & 0o777, 0o700);
    }
    await here.steps.install(places, signal);
    assert.equal(here.sent(), here.bundle.bytes);
  });

  test(`${name}: a program is kept running, and ended for good`, async (t) => {
    const here = ground(t, { shell });
    const place = here.place("a");
    await here.steps.install([place], signal);
    await here.steps.start(place, nodeFile(), signal);
    const folder = folderOf(here, place);
    const first = await running(here, place);
    const { env, umask } = seen(folder);
    assert.deepEqual(
      Object.keys(env).filter((key) => key.startsWith("SSH") || key === "SECRET"),
      [],
    );
    assert.equal("MALLOC_ARENA_MAX" in env, true);
    assert.equal(umask, process.umask());
    assert.equal(statSync(join(folder, "host.json")).mode & 0o777, 0o600);
    const status = await here.steps.status(place, signal);
    assert.equal(status.node, "running");
    assert.equal(status.head, "absent");
    assert.equal(status.bundle, here.bundle.hash);
    // The same again changes nothing.
    await here.steps.start(place, nodeFile(), signal);
    assert.equal(isAlive(first), true);
    process.kill(first, "SIGKILL");
    const second = await running(here, place, first);
    // Another file: another program.
    await here.steps.start(place, nodeFile({ incarnation: 2 }), signal);
    const third = await running(here, place, second);
    assert.equal(isAlive(second), false);
    await here.steps.stop(place, signal);
    assert.equal(isAlive(third), false);
    assert.deepEqual(pidsBelow(here.folder), []);
    assert.equal((await here.steps.status(place, signal)).node, "absent");
  });

  test(`${name}: a supervisor that was killed is brought back, with one program`, async (t) => {
    const here = ground(t, { shell });
    const place = here.place("a");
    await here.steps.install([place], signal);
    await here.steps.start(place, nodeFile(), signal);
    const first = await running(here, place);
    const mark = readlinkSync(join(folderOf(here, place), "run.node.pid"));
    process.kill(Number(mark.split(".")[0]), "SIGKILL");
    await until("it is seen", async () => (await here.steps.status(place, signal)).node === "dead");
    assert.equal(isAlive(first), true);
    await here.steps.start(place, nodeFile(), signal);
    await running(here, place, first);
    assert.equal(isAlive(first), false);
    assert.equal((await here.steps.status(place, signal)).node, "running");
  });

  test(`${name}: an end takes what a supervisor left that was killed`, async (t) => {
    const here = ground(t, { shell });
    const place = here.place("a");
    await here.steps.install([place], signal);
    await here.steps.start(place, nodeFile(), signal);
    await running(here, place);
    const mark = readlinkSync(join(folderOf(here, place), "run.node.pid"));
    process.kill(Number(mark.split(".")[0]), "SIGKILL");
    await here.steps.stop(place, signal);
    assert.deepEqual(pidsBelow(here.folder), []);
  });

  test(`${name}: nothing is started after an end; a start takes that back`, async (t) => {
    const here = ground(t, { shell });
    const place = here.place("a");
    await here.steps.install([place], signal);
    await here.steps.start(place, nodeFile(), signal);
    const first = await running(here, place);
    const end = { verb: "stop", why: "it was idle", at: 5 };
    writeFileSync(join(folderOf(here, place), "ended"), `${JSON.stringify(end)}\n`);
    process.kill(first, "SIGTERM");
    await until("nobody is there", () => pidsBelow(here.folder).length === 0);
    const status = await here.steps.status(place, signal);
    assert.deepEqual(status.ended, end);
    assert.equal(status.node, "absent");
    await here.steps.start(place, nodeFile(), signal);
    await running(here, place, first);
    assert.equal((await here.steps.status(place, signal)).ended, undefined);
  });

  test(`${name}: claims are taken all or none, and the workdir is nobody's else`, async (t) => {
    const here = ground(t, { shell });
    const [one, two] = [here.place("a", "one"), here.place("a", "two")];
    const first = await here.steps.claim(one, [0, 2], signal);
    assert.equal(first.workdir, "sky_workdir");
    await assert.rejects(here.steps.claim(two, [1, 2], signal), {
      code: "host/unfit",
      message: /one-[0-9a-f]{8} has its device 2/,
    });
    const claims = join(here.home("a"), ".skylet/claims");
    assert.deepEqual(readdirSync(claims).sort(), ["gpu-0", "gpu-2", "workdir"]);
    const second = await here.steps.claim(two, [1], signal);
    assert.equal(second.workdir, "sky_workdir-two");
    assert.deepEqual(await here.steps.claim(one, [0, 2], signal), first);
    assert.deepEqual(await here.steps.claim(two, [1], signal), second);
    await here.steps.remove(one, signal);
    assert.deepEqual(await here.steps.claim(two, [1], signal), second, "its files are there");
    const third = await here.steps.claim(here.place("a", "three"), [0], signal);
    assert.equal(third.workdir, "sky_workdir");
    // Of a folder that somebody took away by hand.
    rmSync(folderOf(here, here.place("a", "three")), { recursive: true });
    await here.steps.claim(here.place("a", "four"), [0], signal);
  });

  test(`${name}: a workdir that an earlier cluster left is used again`, async (t) => {
    const here = ground(t, { shell });
    const [one, two] = [here.place("a", "one"), here.place("a", "two")];
    assert.equal((await here.steps.claim(one, [], signal)).workdir, "sky_workdir");
    mkdirSync(join(here.home("a"), "sky_workdir"));
    await here.steps.remove(one, signal);
    assert.equal((await here.steps.claim(two, [], signal)).workdir, "sky_workdir");
    assert.equal((await here.steps.claim(one, [], signal)).workdir, "sky_workdir-one");
    // What is no folder cannot be one.
    await here.steps.remove(two, signal);
    rmSync(join(here.home("a"), "sky_workdir"), { recursive: true });
    writeFileSync(join(here.home("a"), "sky_workdir"), "of the user");
    assert.equal((await here.steps.claim(two, [], signal)).workdir, "sky_workdir-two");
  });

  test(`${name}: a removal leaves the home as it was, and other clusters alone`, async (t) => {
    const here = ground(t, { shell });
    writeFileSync(join(here.home("a"), "mine"), "of the user");
    const [one, two] = [here.place("a", "one"), here.place("a", "two")];
    for (const place of [one, two]) {
      await here.steps.install([place], signal);
      await here.steps.claim(place, [place === one ? 0 : 1], signal);
      await here.steps.start(place, headFile, signal);
      await here.steps.start(place, nodeFile(), signal);
      await running(here, place);
    }
    const { kept } = await here.steps.remove(one, signal);
    assert.deepEqual(kept, ["~/sky_workdir: 1 file"]);
    assert.equal((await here.steps.status(one, signal)).folder, "absent");
    const other = await here.steps.status(two, signal);
    assert.deepEqual([other.head, other.node], ["running", "running"]);
    assert.equal(existsSync(join(here.home("a"), ".skylet/bundles", here.bundle.hash)), true);
    await here.steps.remove(two, signal);
    assert.deepEqual(left(here, "a"), ["mine"]);
    assert.deepEqual(pidsBelow(here.folder), []);
    assert.deepEqual((await here.steps.remove(two, signal)).kept, []);
  });

  test(`${name}: removals that meet do it once`, async (t) => {
    const here = ground(t, { shell });
    const place = here.place("a");
    await here.steps.install([place], signal);
    await here.steps.start(place, nodeFile(), signal);
    await running(here, place);
    const all = await Promise.all([1, 2, 3].map(() => here.steps.remove(place, signal)));
    assert.deepEqual(
      all.flatMap(({ kept }) => kept),
      ["~/sky_workdir: 1 file"],
    );
    assert.deepEqual(left(here, "a"), []);
  });

  test(`${name}: an upgrade replaces the programs, and the old bundle goes`, async (t) => {
    const here = ground(t, { shell });
    const place = here.place("a");
    await here.steps.install([place], signal);
    await here.steps.start(place, nodeFile(), signal);
    const before = await running(here, place);
    const newer = here.client({ files: { news: "of the next version" } });
    await newer.install([place], signal);
    await newer.start(place, nodeFile(), signal);
    await running(here, place, before);
    const { bundle } = await newer.status(place, signal);
    assert.notEqual(bundle, here.bundle.hash);
    assert.deepEqual(readdirSync(join(here.home("a"), ".skylet/bundles")), [bundle]);
    await newer.remove(place, signal);
    assert.deepEqual(left(here, "a"), []);
  });
}

test("an end is told when the supervisor is gone, and not when it is about to go", async (t) => {
  const here = ground(t);
  // A host that is slow at the last thing that a supervisor does.
  const isLast = 'case " $* " in *" run.node.pid "*) exec sleep 1 ;; esac';
  program(join(here.tools, "rm"), `/bin/rm "$@"; ${isLast}`);
  const place = here.place("a");
  await here.steps.install([place], signal);
  await here.steps.start(place, nodeFile(), signal);
  await running(here, place);
  await here.steps.stop(place, signal);
  assert.deepEqual(pidsBelow(here.folder), []);
});

test("hosts that do not reach each other get it from us", async (t) => {
  const here = ground(t);
  // An address that is nobody's here: no server can listen on it.
  const places = ["a", "b", "c"].map((host) => ({ ...here.place(host), ip: "203.0.113.1" }));
  const done = await here.steps.install(places, signal);
  assert.deepEqual(
    done.map(({ problem }) => problem),
    [undefined, undefined, undefined],
  );
  assert.equal(here.sent(), 3 * here.bundle.bytes);
});

test("hosts that are asked for later get it from those that have it", async (t) => {
  const here = ground(t);
  await here.steps.install([here.place("a")], signal);
  await here.steps.install([here.place("b"), here.place("c")], signal);
  assert.equal(here.sent(), here.bundle.bytes);
});

for (const tool of ["curl", "wget", "bash", "perl", "python3", "nc"]) {
  test(`a host that can fetch only with ${tool} fetches`, async (t) => {
    const basics = ["sh", "cat", "mkdir", "ln", "rm", "mv", "readlink", "df", "tail", "head"];
    const others = ["gzip", "tar", "tr", "sleep", "cp", "ls", "sha256sum", "id", "timeout", "grep"];
    const here = ground(t, { path: "" });
    const missing = only(here.tools, [...basics, ...others, "env", "sed", tool]);
    if (missing.includes(tool)) {
      t.skip(`${tool} is missing here`);
      return;
    }
    const places = ["a", "b"].map((host) => here.place(host));
    const done = await here.steps.install(places, signal);
    assert.deepEqual(
      done.map(({ problem }) => problem),
      [undefined, undefined],
    );
    assert.equal(here.sent(), here.bundle.bytes);
  });
}

/** Makes a folder of programs; says which there are none of. */
function only(folder: string, names: readonly string[]): readonly string[] {
  return names.filter((name) => {
    const folders = (process.env["PATH"] ?? "").split(":");
    const paths = folders.map((at) => join(at, name));
    // What only finds out which one to run needs more than there is.
    const found = paths.find((path) => existsSync(path) && !path.includes("shims"));
    if (found !== undefined) program(join(folder, name), `exec ${found} "$@"`);
    return found === undefined;
  });
}

test("an old C library is told in one sentence, and the other hosts are unharmed", async (t) => {
  const old = "bin/node: /lib/libc.so.6: version `GLIBC_2.28' not found (required by bin/node)";
  const node = `#!/bin/sh\ncase $HOME in */b) echo "${old.replace("`", "\\`")}" >&2; exit 1;; esac
exec '${process.execPath}' "$@"\n`;
  const here = ground(t, { node });
  const done = await here.steps.install(
    ["a", "b", "c"].map((host) => here.place(host)),
    signal,
  );
  assert.deepEqual(
    done.map(({ problem }) => problem?.message),
    [
      undefined,
      "host b cannot be used: its C library is too old: Node needs GLIBC_2.28. Take a newer " +
        "distribution (RHEL 8, Debian 10, Ubuntu 20.04 or later)",
      undefined,
    ],
  );
  assert.deepEqual(readdirSync(join(here.home("b"), ".skylet/bundles")), []);
});

test("hosts that share a home are told so", async (t) => {
  const here = ground(t);
  await here.steps.install([here.place("a")], signal);
  program(join(here.tools, "uname"), "echo other");
  const [again, fresh] = await here.steps.install([here.place("a"), here.place("b")], signal);
  assert.match(again?.problem?.message ?? "", /its home is also that of \S+\. Give every host/);
  assert.equal(fresh?.problem, undefined);
});

test("a host without room is told so before anything is sent", async (t) => {
  const here = ground(t);
  program(join(here.tools, "df"), "echo Filesystem; echo /dev/sda1 1000 990 10 99% /");
  const [done] = await here.steps.install([here.place("a")], signal);
  assert.match(done?.problem?.message ?? "", /there are 0 MB left in .* of 64 needed/);
  assert.equal(here.sent(), 0);
});

test("a nats-server that is too old is replaced by ours, which goes at the end", async (t) => {
  const here = ground(t);
  program(join(here.tools, "nats-server"), "echo nats-server: v2.2.0");
  const place = here.place("a");
  await here.steps.install([place], signal);
  const natsServer = await here.steps.natsServer(place, signal);
  assert.match(natsServer, /\.skylet\/bundles\/nats-[0-9a-f]{64}\/nats-server$/);
  await here.steps.start(place, { role: "head", file: { ...headFile.file, natsServer } }, signal);
  await here.steps.remove(here.place("a", "other"), signal);
  assert.equal(existsSync(natsServer), true);
  assert.equal(await here.steps.natsServer(place, signal), natsServer);
  // Another cluster uses the same; the first one keeps it, whatever the host gets of its own.
  const other = here.place("a", "other");
  assert.equal(await here.steps.natsServer(other, signal), natsServer);
  program(join(here.tools, "nats-server"), "echo nats-server: v2.10.2");
  assert.equal(await here.steps.natsServer(place, signal), natsServer);
  const third = await here.steps.natsServer(here.place("a", "third"), signal);
  assert.equal(third, join(here.tools, "nats-server"));
  for (const cluster of ["other", "third", "train"]) {
    await here.steps.remove(here.place("a", cluster), signal);
  }
  assert.deepEqual(left(here, "a"), []);
});
