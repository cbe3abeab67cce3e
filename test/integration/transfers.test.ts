// `sky cp` between this machine and nodes, with the real programs in both isolations: what arrives
// is what was there, down to names, bytes, modes and times, whatever is killed on the way; and
// nothing is left but what was copied.

import assert from "node:assert/strict";
import { existsSync, readdirSync, truncateSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { noise } from "../support/noise.ts";
import { isolation, type Place, place, until } from "../support/programs.ts";
import { type SownEntries, sow, treeSeen } from "../support/trees.ts";

const mebibyte = 1_048_576;

const odd: SownEntries = [
  ["run.sh", { kind: "file", content: "#!/bin/sh\necho ran\n", mode: 0o755 }],
  ["read only", { kind: "file", content: "r", mode: 0o444 }],
  ["empty", { kind: "file", content: "" }],
  ["-n", { kind: "file", content: "a dash" }],
  ["a\nb\t\"'\\$(c)?#%2F&", { kind: "file", content: "odd" }],
  ["日本語 é é 🦑", { kind: "file", content: "unicode" }],
  [
    "deep",
    { kind: "folder", entries: [["er", { kind: "folder", entries: [[".x", plain("d")]] }]] },
  ],
];

function plain(content: string | Uint8Array) {
  return { kind: "file", content } as const;
}

async function ok(here: Place, args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await here.sky(args, { timeoutMs: 90_000 });
  assert.equal(code, 0, `sky ${args.join(" ")}: ${stdout}${stderr}`);
  return stdout;
}

async function cluster(here: Place, nodes: number): Promise<readonly string[]> {
  const task = here.file("t.yaml", "resources: {cpus: 1}\n");
  await ok(here, ["launch", "-y", "-c", "demo", "--num-nodes", `${nodes}`, task]);
  const folder = join(here.home, "clusters/demo/nodes");
  return readdirSync(folder)
    .sort()
    .map((node) => join(folder, node, "home"));
}

/** Times of folders are those of when they were made: only files are objects. */
function filesIn(folder: string): ReadonlyMap<string, string> {
  return new Map([...treeSeen(folder)].filter(([, look]) => look.startsWith("file")));
}

test("what goes to a node, to another and back is what it was", async (t) => {
  const here = place(t);
  const [head = "", worker = ""] = await cluster(here, 2);
  const source = join(here.folder, "source");
  sow(source, [
    ...odd,
    ["large", plain(noise("large", 20 * mebibyte + 7))],
    ...Array.from({ length: 40 }, (_, i) => [`small${i}`, plain(noise(i, 1_000 * i))] as const),
  ]);
  sow(source, [["sparse", plain("x")]]);
  truncateSync(join(source, "sparse"), 30 * mebibyte);
  utimesSync(join(source, "sparse"), 1_600_000_000, 1_600_000_000.5);
  const wanted = filesIn(source);

  await ok(here, ["cp", "-r", "-y", source, "demo:there"]);
  assert.deepEqual(filesIn(join(head, "there")), wanted);
  await ok(here, ["cp", "-r", "-y", "demo:there", "demo/worker1:other place"]);
  assert.deepEqual(filesIn(join(worker, "other place")), wanted);
  await ok(here, ["cp", "-r", "-y", "demo/worker1:other place", join(here.folder, "back")]);
  assert.deepEqual(filesIn(join(here.folder, "back")), wanted);

  // A single file, and what is there already.
  await ok(here, ["cp", "-y", join(source, "run.sh"), "demo:~/one.sh"]);
  assert.ok(existsSync(join(head, "one.sh")));
  const said = await ok(here, ["sync", "-y", source, "demo:there"]);
  assert.match(said, /"objects":0,/);
});

test("a source that is not there, and a node that is none, are named", async (t) => {
  const here = place(t);
  await cluster(here, 1);
  const lacking = await here.sky(["cp", "-y", join(here.folder, "nothing"), "demo:x"]);
  assert.equal(lacking.code, 1);
  assert.match(lacking.stderr, /nothing/);
  const nobody = await here.sky(["cp", "-y", join(here.folder, "t.yaml"), "demo/worker9:x"]);
  assert.notEqual(nobody.code, 0);
  assert.match(nobody.stderr, /worker9/);
});

test("it goes on whatever is killed on the way", async (t) => {
  const here = place(t);
  const [head = ""] = await cluster(here, 1);
  const source = join(here.folder, "source");
  const large = Array.from(
    { length: 6 },
    (_, i) => [`f${i}`, plain(noise(i, 4 * mebibyte))] as const,
  );
  sow(source, [...odd, ...large]);
  const args = ["cp", "-r", "-y", "--bandwidth", "8MB/s", source, "demo:there"];
  const client = here.start(args);
  await until("bytes have come", () => existsSync(join(head, "there")));
  client.signal("SIGKILL");
  await client.ended;
  for (const { pid } of here.heads()) process.kill(pid, "SIGKILL");
  // The next command starts a head, and the transfer goes on.
  await until("it runs again", async () => /RUNNING/.test(await ok(here, ["transfers"])));
  if (isolation === "process") {
    const skylets = await until("its skylet runs", () => {
      const found = here.processes().filter(({ command }) => /skylet\.(js|ts)/.test(command));
      return found.length === 0 ? undefined : found;
    });
    for (const { pid } of skylets) process.kill(pid, "SIGKILL");
  }
  await until("it has ended", async () => /SUCCEEDED/.test(await ok(here, ["transfers"])), {
    deadlineMs: 60_000,
  });
  assert.deepEqual(filesIn(join(head, "there")), filesIn(source));
});

test("a head stays for a transfer, and its cluster is not idle meanwhile", async (t) => {
  const here = place(t, { config: "idle_exit_seconds: 0.5\n" });
  const source = join(here.folder, "source");
  sow(source, [["large", plain(noise("stays", 4 * mebibyte))]]);
  const slowly = ["cp", "-d", "-y", "--bandwidth", "2MB/s", join(source, "large")];
  // Nobody asks it anything until it is there.
  await ok(here, [...slowly, join(here.folder, "copy")]);
  await until("it has arrived", () => existsSync(join(here.folder, "copy")));
  const [head = ""] = await cluster(here, 1);
  await ok(here, ["autostop", "demo", "-y", "-i", "60"]);
  await ok(here, [...slowly, "demo:large"]);
  await until("its cluster is busy with it", async () =>
    /not idle: a transfer uses its nodes/.test(await ok(here, ["why", "demo"])),
  );
  await until("it has arrived", () => existsSync(join(head, "large")));
  await until("its cluster is idle again", async () => {
    return /autostop: idle for/.test(await ok(here, ["why", "demo"]));
  });
});
