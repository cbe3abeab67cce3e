// The end of a command does not cut its output, however slowly that is read.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const module = fileURLToPath(new URL("../../client/cli/leave.ts", import.meta.url));
const bytes = 3_000_000;

/** A program that prints more than any pipe holds, and leaves. */
const script = `
  import { leave } from ${JSON.stringify(module)};
  process.stdout.write("x".repeat(${bytes}));
  process.stderr.write("wrote\\n");
  await leave(7);
`;

function started() {
  const args = ["--input-type=module", "-e", script.replaceAll("\\\\n", "\\n")];
  return spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
}

test("everything that was printed is read, by a reader who begins late", async () => {
  const child = started();
  // It has written what fits, and is about to leave.
  await once(child.stderr, "data");
  let read = 0;
  child.stdout.on("data", (chunk: Buffer) => {
    read += chunk.length;
  });
  const [code] = await once(child, "close");
  assert.deepEqual({ code, read }, { code: 7, read: bytes });
});

test("a reader who goes away does not keep it", async () => {
  const child = started();
  child.stdout.destroy();
  const [code] = await once(child, "exit");
  assert.notEqual(code, null);
});
