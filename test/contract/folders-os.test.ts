// Folders with those above them, and what the system refuses.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { makeFolders } from "../../runtime/folders-os.ts";

function placeFor(context: TestContext): string {
  const root = mkdtempSync(join(tmpdir(), "sky-folders-"));
  context.after(() => rmSync(root, { recursive: true, force: true }));
  return root;
}

const modeOf = (path: string): number => statSync(path).mode & 0o777;

test("what is missing is made, and what is there stays as it is", (context) => {
  const root = placeFor(context);
  makeFolders(`${root}/a`, 0o755);
  makeFolders(`${root}/a/b/../b/c/`, 0o700);
  assert.deepEqual(
    ["a", "a/b", "a/b/c"].map((name) => modeOf(`${root}/${name}`)),
    [...[0o755, 0o700, 0o700]],
  );
  symlinkSync("a", `${root}/link`);
  makeFolders(`${root}/link/d`, 0o700);
  makeFolders(`${root}/link`, 0o700);
  makeFolders("/", 0o700);
  assert.equal(modeOf(`${root}/a`), 0o755);
  assert.ok(statSync(`${root}/a/d`).isDirectory());
});

test("what cannot be is told of its path, and at once", (context) => {
  const root = placeFor(context);
  writeFileSync(`${root}/file`, "");
  symlinkSync("nowhere", `${root}/broken`);
  const bad: readonly (readonly [path: string, code: string])[] = [
    [`${root}/file`, "EEXIST"],
    [`${root}/file/x`, "ENOTDIR"],
    [`${root}/broken/x`, "EEXIST"],
    [`${root}/${"x".repeat(300)}/y`, "ENAMETOOLONG"],
  ];
  // The parent is there, and the system says ENOENT.
  const inProc = process.platform === "linux" ? [["/proc/foo/bar", "ENOENT"] as const] : [];
  for (const [path, code] of [...bad, ...inProc]) {
    assert.throws(
      () => makeFolders(path, 0o700),
      (error: NodeJS.ErrnoException) => {
        assert.equal(error.code, code, path);
        assert.ok(error.message.startsWith(`the folder ${path} cannot be made: ${code}`));
        return true;
      },
    );
  }
});
