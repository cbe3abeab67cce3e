// The files port on the real file system keeps the contract, and the promises that only a real one
// can break: modes, links, times, ways out through symbolic links.

import assert from "node:assert/strict";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createOsFiles } from "../../runtime/files-os.ts";
import { filesContract } from "./files.contract.ts";

const newRoot = (): string => mkdtempSync(join(tmpdir(), "sky files "));

filesContract("files-os", async () => {
  const root = newRoot();
  return {
    files: createOsFiles(root),
    root,
    close: async () => rmSync(root, { recursive: true }),
  };
});

function inFolder(what: string, run: (root: string) => Promise<void>): void {
  test(`files-os: ${what}`, { timeout: 30_000 }, async () => {
    const root = newRoot();
    try {
      await run(root);
    } finally {
      rmSync(root, { recursive: true });
    }
  });
}

inFolder("replace gives the mode whatever the umask and the old file's mode are", async (root) => {
  const files = createOsFiles(root);
  for (const mode of [0o600, 0o666, 0o755, 0o400]) {
    await files.replace(`${root}/a`, Buffer.from("1"), mode);
    assert.equal(statSync(`${root}/a`).mode & 0o7777, mode);
  }
});

inFolder("a copy keeps modes, times, links and odd names", async (root) => {
  const from = `${root}/from`;
  mkdirSync(`${from}/sub dir`, { recursive: true });
  writeFileSync(`${from}/sub dir/run.sh`, "#!/bin/sh\n");
  chmodSync(`${from}/sub dir/run.sh`, 0o751);
  writeFileSync(`${from}/new\nline ü`, "odd");
  symlinkSync("sub dir/run.sh", `${from}/link`);
  symlinkSync("/nowhere at all", `${from}/dangling`);
  utimesSync(`${from}/sub dir/run.sh`, 1_700_000_000, 1_700_000_000.5);
  chmodSync(`${from}/sub dir`, 0o555);
  await createOsFiles(root).copyTree(from, `${root}/to`);
  const copied = statSync(`${root}/to/sub dir/run.sh`);
  assert.equal(copied.mode & 0o7777, 0o751);
  assert.equal(copied.mtimeMs, 1_700_000_000_500);
  assert.equal(statSync(`${root}/to/sub dir`).mode & 0o7777, 0o555);
  assert.equal(readFileSync(`${root}/to/new\nline ü`, "utf8"), "odd");
  assert.equal(readlinkSync(`${root}/to/link`), "sub dir/run.sh");
  assert.equal(readlinkSync(`${root}/to/dangling`), "/nowhere at all");
});

inFolder("a copy replaces a link at its target and never writes through it", async (root) => {
  writeFileSync(`${root}/outside`, "precious");
  mkdirSync(`${root}/from`);
  writeFileSync(`${root}/from/a`, "new");
  mkdirSync(`${root}/to`);
  symlinkSync(`${root}/outside`, `${root}/to/a`);
  await createOsFiles(root).copyTree(`${root}/from`, `${root}/to`);
  assert.equal(readFileSync(`${root}/outside`, "utf8"), "precious");
  assert.ok(lstatSync(`${root}/to/a`).isFile());
});

inFolder("a copy leaves a file that has not changed alone", async (root) => {
  const files = createOsFiles(root);
  mkdirSync(`${root}/from`);
  for (const name of ["same", "changed"]) writeFileSync(`${root}/from/${name}`, "content");
  await files.copyTree(`${root}/from`, `${root}/to`);
  const inode = (name: string): number => lstatSync(`${root}/to/${name}`).ino;
  const before = { same: inode("same"), changed: inode("changed") };
  writeFileSync(`${root}/from/changed`, "another");
  await files.copyTree(`${root}/from`, `${root}/to`);
  assert.equal(inode("same"), before.same);
  assert.equal(readFileSync(`${root}/to/changed`, "utf8"), "another");
});

inFolder("remove takes a link, not what it leads to, and follows none out", async (root) => {
  const inside = `${root}/inside`;
  mkdirSync(`${inside}/tree`, { recursive: true });
  mkdirSync(`${root}/outside`);
  writeFileSync(`${root}/outside/precious`, "1");
  symlinkSync(`${root}/outside`, `${inside}/tree/link`);
  const files = createOsFiles(inside);
  await assert.rejects(files.remove(`${inside}/tree/link/precious`), /outside/);
  await files.remove(`${inside}/tree`);
  assert.equal(readFileSync(`${root}/outside/precious`, "utf8"), "1");
});

inFolder("remove takes a tree whose folders forbid it", async (root) => {
  mkdirSync(`${root}/tree/locked`, { recursive: true });
  writeFileSync(`${root}/tree/locked/a`, "1");
  chmodSync(`${root}/tree/locked`, 0);
  await createOsFiles(root).remove(`${root}/tree`);
  assert.equal(statSync(`${root}/tree`, { throwIfNoEntry: false }), undefined);
});
