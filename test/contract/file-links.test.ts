// Links outside a node's folder: made where nothing is, removed with the node, and nothing else is
// touched.

import assert from "node:assert/strict";
import {
  appendFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { homeAt } from "../../model/home.ts";
import { fileLinksOf, removeFileLinks } from "../../runtime/file-links-os.ts";

function stage(context: TestContext) {
  const root = mkdtempSync(join(tmpdir(), "sky links-"));
  context.after(() => rmSync(root, { recursive: true, force: true }));
  const nodeOf = (name: string) => {
    const home = homeAt(`${root}/sky`).cluster("demo").node(name);
    mkdirSync(home.state, { recursive: true });
    const target = (path: string) => `${home.home}/.sky/file_mounts${path}`;
    return { home, links: fileLinksOf(home), target };
  };
  return { root, nodeOf };
}

test("a link is made with the folders above it, and goes with the node", async (context) => {
  const { root, nodeOf } = stage(context);
  const { home, links, target } = nodeOf("head");
  mkdirSync(`${root}/outside`);
  const path = `${root}/outside/a b/c/d`;
  await links.demandFree(path);
  await links.place(path, target(path));
  assert.equal(readlinkSync(path), target(path));
  const record = readFileSync(`${home.state}/links`, "utf8");
  await links.place(path, target(path));
  assert.equal(readFileSync(`${home.state}/links`, "utf8"), record, "once on record");
  assert.deepEqual(await removeFileLinks(home), []);
  assert.equal(existsSync(`${root}/outside/a b`), false);
  assert.ok(existsSync(`${root}/outside`));
});

test("what others put beside it stays, with its folder", async (context) => {
  const { root, nodeOf } = stage(context);
  const { home, links, target } = nodeOf("head");
  await links.place(`${root}/x/y/z`, target("/z"));
  writeFileSync(`${root}/x/theirs`, "");
  // A record that was cut off, of a link that was never made.
  appendFileSync(`${home.state}/links`, '{"path":"/never');
  await links.place(`${root}/x/w`, target("/w"));
  assert.deepEqual(await removeFileLinks(home), []);
  assert.equal(existsSync(`${root}/x/y`), false);
  assert.throws(() => lstatSync(`${root}/x/w`));
  assert.ok(existsSync(`${root}/x/theirs`));
});

test("whatever else is there is refused by name, and not touched", async (context) => {
  const { root, nodeOf } = stage(context);
  const { home, links, target } = nodeOf("head");
  const path = `${root}/taken`;
  const refused = async (what: RegExp): Promise<void> => {
    for (const work of [links.demandFree, links.place]) {
      await assert.rejects(work(path, target(path)), (error: Error) => {
        assert.match(error.message, what);
        return error.message.includes(path);
      });
    }
    assert.ok(lstatSync(path));
    rmSync(path, { recursive: true });
  };
  writeFileSync(path, "theirs");
  await refused(/a file is there already/);
  mkdirSync(path);
  await refused(/a folder is there already/);
  symlinkSync("/nowhere", path);
  await refused(/a link to \/nowhere is there already/);
  // That of another home.
  symlinkSync(`${root}/other/clusters/c/nodes/n/home/.sky/file_mounts/taken`, path);
  await refused(/a link to .*other/);
  assert.deepEqual(await removeFileLinks(home), []);
});

test("a link that somebody replaced is not removed", async (context) => {
  const { root, nodeOf } = stage(context);
  const { home, links, target } = nodeOf("head");
  const path = `${root}/x`;
  await links.place(path, target(path));
  unlinkSync(path);
  symlinkSync("/elsewhere", path);
  await removeFileLinks(home);
  assert.equal(readlinkSync(path), "/elsewhere");
});

test("the last of a machine's nodes leads there; the last to go takes it", async (context) => {
  const { root, nodeOf } = stage(context);
  const nodes = ["head", "worker1", "worker2"].map(nodeOf);
  const path = `${root}/new/x`;
  await Promise.all(nodes.map(({ links, target }) => links.place(path, target(path))));
  const led = readlinkSync(path);
  assert.ok(nodes.some(({ target }) => target(path) === led));
  for (const { links, target } of nodes) {
    await links.place(path, target(path));
    assert.equal(readlinkSync(path), target(path));
  }
  for (const { home } of nodes) assert.deepEqual(await removeFileLinks(home), []);
  assert.equal(existsSync(`${root}/new`), false);
});
