// The head's copy of a log on a full disk: the writer is held up, followers go on, and when there
// is room the file is the same byte for byte. On a tmpfs of a few MiB.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { createOsClock } from "../../runtime/clock-os.ts";
import { logDisk } from "../../scheduler/log-disk-os.ts";
import { LogFile } from "../../scheduler/log-file-os.ts";
import { type SmallDisk, smallDisk, whyNoDisk } from "../support/small-disk.ts";
import { until } from "../support/until.ts";

const skip = whyNoDisk() ?? false;

function onDisk(what: string, run: (path: string, disk: SmallDisk) => Promise<void>): void {
  test(`log on a full disk: ${what}`, { skip, timeout: 60_000 }, async () => {
    const disk = smallDisk(16);
    try {
      await run(join(disk.path, "1-1-run-0.log"), disk);
    } finally {
      disk.close();
    }
  });
}

/** Pieces of uneven sizes in which no two places look the same. */
function pieceOf(index: number): Buffer {
  return Buffer.from(`${`${index}`.padStart(9, "-").repeat(1_000 + (index % 700))}\n`);
}

onDisk("it waits, and then has every byte once", async (path, disk) => {
  const file = new LogFile(logDisk, path, createOsClock());
  await file.open();
  file.followers = 1;
  disk.fill(1_000_001);
  const whole: Buffer[] = [];
  const writing = (async () => {
    for (let index = 0; index < 700; index += 1) {
      const piece = pieceOf(index);
      whole.push(piece);
      await file.append(piece);
    }
  })();
  await until("it waits for room", () => file.isWaiting);
  assert.ok(whole.length < 700, "the writer is held up");
  const { bytes } = await file.read(0);
  assert.ok(Buffer.concat(whole).subarray(0, bytes.length).equals(bytes), "followers are served");
  disk.empty();
  await writing;
  const safe = await file.sync();
  const expected = Buffer.concat(whole);
  assert.equal(safe, expected.length);
  assert.ok(readFileSync(path).equals(expected));
  await file.close();
});

onDisk("it can be closed meanwhile, and goes on from what the file has", async (path, disk) => {
  const content = Buffer.concat(Array.from({ length: 200 }, (_, index) => pieceOf(index)));
  disk.fill(777_777);
  const first = new LogFile(logDisk, path, createOsClock());
  await first.open();
  await first.append(content);
  await until("it waits for room", () => first.isWaiting);
  await first.close();
  disk.empty();
  const second = new LogFile(logDisk, path, createOsClock());
  await second.open();
  await second.append(content.subarray(second.received));
  assert.equal(await second.sync(), content.length);
  assert.ok(readFileSync(path).equals(content));
  await second.close();
});
