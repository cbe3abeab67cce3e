// The search finds what is there: in every form, in memory and in files; and nothing else.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { needlesOf, searchFiles, searchMemory } from "./search.ts";
import { markerOf } from "./secret.ts";

const folder = mkdtempSync(join(tmpdir(), "sky-search-"));
const children: ChildProcess[] = [];
after(() => {
  for (const child of children) child.kill("SIGKILL");
  rmSync(folder, { recursive: true });
});

const marker = markerOf(1);
const needles = needlesOf("marker", marker);

/** A process that holds what `expression` makes of the marker, and never its text as given. */
async function holderOf(expression: string): Promise<number> {
  const program = `
    let marker = Buffer.alloc(0);
    process.stdin.on("data", (part) => { marker = Buffer.concat([marker, part]); });
    process.stdin.on("end", () => {
      for (let i = 0; i < marker.length; i += 1) marker[i] ^= 0x5a;
      globalThis.held = ${expression};
      marker.fill(0);
      process.stdout.write("held");
    });
    setInterval(() => {}, 1_000);`;
  const child = spawn(process.execPath, ["-e", program], { stdio: ["pipe", "pipe", "inherit"] });
  children.push(child);
  // Masked on its way, so that only what it holds can be found.
  child.stdin.end(Buffer.from(marker.map((byte) => byte ^ 0x5a)));
  await new Promise((resolve) => child.stdout.once("data", resolve));
  if (child.pid === undefined) throw new Error("no holder");
  return child.pid;
}

const forms: Readonly<Record<string, string>> = {
  "as it is": "Buffer.from(marker)",
  "as a part": "Buffer.from(marker.subarray(0, 20))",
  "as text": "marker.toString('latin1')",
  "as text of two bytes a character": "marker.toString('latin1') + '\\u20ac'",
  "in hex": "marker.toString('hex')",
  "in base64": "Buffer.concat([Buffer.from('x'), marker]).toString('base64')",
  "in a large buffer": "Buffer.concat([Buffer.alloc(70e6, 1), marker, Buffer.alloc(9e6, 1)])",
};

for (const [name, expression] of Object.entries(forms)) {
  test(`memory that holds it ${name}`, async () => {
    const pid = await holderOf(expression);
    const { found, bytes } = searchMemory(pid, needles);
    assert.notDeepEqual(found, []);
    assert.ok(bytes > 4e6, `${bytes} bytes were looked at`);
  });
}

test("memory that does not hold it", async () => {
  const pid = await holderOf("marker.length");
  assert.deepEqual(searchMemory(pid, needles).found, []);
});

test("files that hold it, or are named after it", () => {
  const place = join(folder, "deep");
  mkdirSync(place);
  writeFileSync(join(place, "a"), Buffer.alloc(20_000_000, 3));
  assert.deepEqual(searchFiles(folder, needles).found, []);
  // Across the border of two windows.
  const noise = Buffer.alloc(20_000_000, 3);
  marker.copy(noise, 8 * 1024 * 1024 - 16);
  writeFileSync(join(place, "a"), noise);
  assert.equal(new Set(searchFiles(folder, needles).found.map(({ needle }) => needle)).size, 2);
  writeFileSync(join(place, "a"), "");
  writeFileSync(join(place, marker.toString("hex")), "");
  assert.notDeepEqual(searchFiles(folder, needles).found, []);
});
