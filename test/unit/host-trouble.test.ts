// What goes wrong on hosts, as the programs there say it, comes out as one sentence and a remedy.

import assert from "node:assert/strict";
import { test } from "node:test";
import { answerTo } from "../../clouds/ssh/bundle-serve.ts";
import { hostTrouble } from "../../clouds/ssh/host-trouble.ts";
import { keptIn, linesOf } from "../../clouds/ssh/host-words.ts";
import { isRecentEnough } from "../../clouds/ssh/nats-supply-os.ts";

const said: readonly (readonly [string, string, RegExp])[] = [
  ["a step's own", "noise\n!unfit\tit is too small\tTake another\n", /too small\. Take another$/],
  ["a full disk", "tar: x: Cannot write: No space left on device\n!failed\tx", /disk is full/],
  ["a read-only home", "mkdir: cannot create: Read-only file system\n!failed\tx", /read-only/],
  [
    "an old C library",
    "node: /lib64/libm.so.6: version `GLIBC_2.27' not found (required by node)\n!failed\tx",
    /too old: Node needs GLIBC_2\.27/,
  ],
  [
    "a missing library",
    "x/bin/node: error while loading shared libraries: libstdc++.so.6: cannot open shared object",
    /library libstdc\+\+\.so\.6 is missing/,
  ],
  ["another C library", "sh: 12: ./bin/node: not found\n!failed\tx", /another C library/],
  ["noexec", "sh: 1: x/bin/node: Permission denied\n!failed\tx", /may not be run/],
  ["another processor", "sh: x/bin/node: Exec format error\n", /another processor/],
];

for (const [name, stderr, message] of said) {
  test(`${name} is told, and the host is unfit`, () => {
    const error = hostTrouble("gpu1", "the bundle", { code: 66, stderr });
    assert.equal(error.code, "host/unfit");
    assert.match(error.message, message);
    assert.match(error.message, /^host gpu1 cannot be used: /);
  });
}

test("anything else failed, and may be tried again", () => {
  const error = hostTrouble("gpu1", "start", { code: 66, stderr: "odd\n!failed\tit broke\n" });
  assert.equal(error.message, "host gpu1: start: it broke: odd");
  assert.equal(error.remedy, "retry");
  const silent = hostTrouble("gpu1", "start", { code: 137, stderr: "" });
  assert.equal(silent.message, "host gpu1: start: it ended with 137");
});

test("lines of words are read, and what is no such line is not", () => {
  const lines = linesOf('boot x y\nWelcome to gpu1!\nfolder\nended {"at":1}\n');
  assert.deepEqual(
    [...lines],
    [
      ["boot", "x y"],
      ["folder", ""],
      ["ended", '{"at":1}'],
    ],
  );
  assert.deepEqual(keptIn('{"kept":["~/sky_workdir: 1 file"]}'), ["~/sky_workdir: 1 file"]);
  assert.deepEqual(keptIn("", "it crashed"), ["files of its jobs, maybe: it crashed"]);
  assert.deepEqual(keptIn("odd"), ["odd"]);
});

test("a nats-server is recent from 2.9.10 on", () => {
  const recent = ["2.9.9", "2.9.10", "2.10.0", "3.0.0", "1.99.99"].map((version) =>
    isRecentEnough(`nats-server: v${version}`),
  );
  assert.deepEqual(recent, [false, true, true, true, false]);
  assert.equal(isRecentEnough("what?"), false);
});

test("a bundle is given for its token alone, with and without HTTP", () => {
  const known = { token: "abc", bytes: 7 };
  assert.deepEqual(answerTo("GET /abc", known), { granted: true, head: "" });
  assert.match(answerTo("GET /abc HTTP/1.1", known).head, /^HTTP\/1\.0 200 OK\r\n.*: 7\r\n/s);
  for (const request of ["GET /abd HTTP/1.1", "GET /abc/ HTTP/1.1", "POST /abc HTTP/1.1", ""]) {
    assert.equal(answerTo(request, known).granted, false);
  }
  const unlisted = answerTo("GET /abc HTTP/1.1", { token: undefined, bytes: 7 });
  assert.match(unlisted.head, /^HTTP\/1\.0 403 /);
});
