// Archives that the host's tar unpacks: what we write is what it reads.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { tarEnd, tarHeader, tarPadding } from "../../clouds/ssh/bundle-tar.ts";

function archive(files: readonly { name: string; mode: number; text: string }[]): Buffer {
  const pieces = files.flatMap(({ name, mode, text }) => {
    const content = Buffer.from(text);
    const header = tarHeader({ name, mode, bytes: content.length });
    return [header, content, tarPadding(content.length)];
  });
  return Buffer.concat([...pieces, tarEnd]);
}

test("the system's tar unpacks names, modes and contents", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "sky-tar-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const whole = "x".repeat(512);
  const files = [
    { name: "bin/node", mode: 0o755, text: whole },
    { name: "empty", mode: 0o644, text: "" },
    { name: "long", mode: 0o600, text: `${whole}y` },
  ];
  execFileSync("tar", ["-xf", "-"], { cwd: folder, input: archive(files) });
  for (const { name, mode, text } of files) {
    assert.equal(readFileSync(join(folder, name), "utf8"), text);
    assert.equal(statSync(join(folder, name)).mode & 0o777, mode);
  }
});

test("the same files are the same bytes", () => {
  const files = [{ name: "a", mode: 0o644, text: "b" }];
  assert.deepEqual(archive(files), archive(files));
  assert.equal(archive(files).length % 512, 0);
});

test("a name that does not fit is refused", () => {
  assert.throws(() => tarHeader({ name: "n".repeat(101), mode: 0o644, bytes: 0 }), /too long/);
  assert.throws(() => tarHeader({ name: "n", mode: 0o644, bytes: 8 ** 11 }), /does not fit/);
});
