// Files as objects: types by endings, modes and times in metadata, keys that are paths.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isSkyError } from "../../model/errors.ts";
import { objectNames } from "../../transfer/chunks/object-place.ts";
import { contentTypeOf } from "../../transfer/stores/content-types.ts";
import { attributesOfFile, fileFactsOf } from "../../transfer/stores/file-attributes.ts";
import { fileError, fileFault } from "../../transfer/stores/file-errors.ts";
import { isUnfinishedName, keyFault, pathWithin } from "../../transfer/stores/file-keys.ts";
import { fc } from "../support/property.ts";

test("a content type goes by the last ending, in any case; nothing else has one", () => {
  const usual = "application/octet-stream";
  assert.equal(contentTypeOf("a/b.d/model.SAFETENSORS"), usual);
  assert.equal(contentTypeOf("a/photo.JPG"), "image/jpeg");
  assert.equal(contentTypeOf("data.tar.gz"), "application/gzip");
  for (const name of [".html", "html", "a.html/b", "x.", "x.constructor", "x.__proto__", ""]) {
    assert.equal(contentTypeOf(name), usual, name);
  }
});

test("mode and time come back from metadata; a mode has no more than permission bits", () => {
  const us = fc.integer({ min: -1_000_000_000_000, max: 4_000_000_000_000_000 });
  fc.assert(
    fc.property(us, fc.integer({ min: 0, max: 0o7777 }), (time, mode) => {
      const attributes = attributesOfFile({ name: "x", mode, mtimeMs: time / 1_000 });
      assert.deepEqual(fileFactsOf(attributes), { mode: mode & 0o777, mtimeMs: time / 1_000 });
    }),
  );
  assert.deepEqual(attributesOfFile({ name: "x", mtimeMs: 1_600_000_000_123.456 }).metadata, {
    "skylet-mtime": "1600000000.123456",
  });
});

test("what somebody else wrote under these names is no mode and no time", () => {
  for (const text of ["", "rwx", "4755", "10644", "888", "-1", "0o644", "0644\n"]) {
    assert.deepEqual(fileFactsOf({ metadata: { "skylet-mode": text } }), {}, text);
  }
  for (const text of ["", "now", "1e9", "99999999999999", "1.2.3", "0x10", "NaN"]) {
    assert.deepEqual(fileFactsOf({ metadata: { "skylet-mtime": text } }), {}, text);
  }
  // Others write more digits, or none.
  const nanoseconds = { metadata: { "skylet-mtime": "1600000000.123456789" } };
  assert.equal(fileFactsOf(nanoseconds).mtimeMs, 1_600_000_000_123.456);
});

test("a key that leads out of its folder, or has no path of its own, is refused", () => {
  const bad = [
    "",
    "/",
    "/etc/passwd",
    "..",
    "../x",
    "a/../../x",
    "a/..",
    "a//b",
    "./a",
    "a/.",
  ].concat(["a\0b", "\ud800", "x".repeat(256), "ü".repeat(128), "//", `${"d/".repeat(2_100)}x`]);
  for (const key of bad) {
    assert.throws(
      () => pathWithin("/root", key),
      (e) => isSkyError(e, "objects/refused"),
      key,
    );
  }
  const good = [
    "a",
    "a/",
    "..a",
    "a..",
    "...",
    " ",
    "a b?#%",
    "%2e%2e/x",
    "\\..\\x",
    "x".repeat(255),
  ];
  for (const key of good) assert.equal(pathWithin("/root", key), `/root/${key}`);
  assert.equal(pathWithin("/", "a"), "/a");
});

test("whatever key is taken, its path is below the folder", () => {
  const part = fc.constantFrom("..", ".", "", "a", "/", "\0", "ü");
  fc.assert(
    fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
      const key = parts.join("/");
      if (keyFault(key) !== undefined) return;
      const url = new URL(`file://h/root/${key}`);
      assert.ok(url.pathname.startsWith("/root/"));
      assert.ok(!url.pathname.includes("//"));
    }),
  );
});

test("what a transfer leaves beside a name is known as its own, and nothing of a user's", () => {
  for (const name of ["a", "x".repeat(255), "ü", "new\nline"]) {
    const { partial, journal } = objectNames(`/d/${name}`, "t-7");
    for (const path of [partial, journal]) assert.ok(isUnfinishedName(path.slice(3)), path);
  }
  for (const name of [".a", "a.sky-t-partial", ".sky", ".a.sky-t-partial.txt", ".a.sky--"]) {
    assert.ok(!isUnfinishedName(name), name);
  }
});

test("what a file system refuses is told by its meaning", () => {
  const of = (code: string): Error => Object.assign(new Error(`${code}: x, open '/p'`), { code });
  const full = () => new SkyErrorFull();
  class SkyErrorFull extends Error {}
  const meanings = { ENOENT: "no-object", EACCES: "denied", EROFS: "denied", EIO: "failed" };
  for (const [code, meaning] of Object.entries(meanings)) {
    const told = fileError(of(code), "key", full as never);
    assert.ok(isSkyError(told));
    assert.equal(told.code, `objects/${meaning}`);
    assert.ok(!told.message.includes("/p"), told.message);
  }
  assert.ok(fileError(of("ENOSPC"), "key", full as never) instanceof SkyErrorFull);
  assert.equal(fileFault(of("ENEWINTHEWORLD")), "failed");
  assert.equal(fileFault(new Error("no code")), "failed");
});
