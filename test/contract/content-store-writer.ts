// A process that pins, puts, reads and unpins in a content store, until it is told to stop or is
// killed. What was acknowledged it says in a file: a pipe may be full, and then it would be lost.
// `node content-store-writer.ts <dir> <seed> <bytesMax> <file>`

import { openSync, writeSync } from "node:fs";
import { isSkyError } from "../../model/errors.ts";
import { createMemoryRandom } from "../../runtime/random-memory.ts";
import { openContentStore } from "../../transfer/chunks/content-store-os.ts";
import { type Sample, sample } from "./content-store.contract.ts";
import { sharedMax, sizeOf } from "./content-store-audit.ts";

const sideBySide = 8;
const pinsMax = 4;

const [, , dir = "", seed = "0", bytesMax = "0", said = ""] = process.argv;
const random = createMemoryRandom(seed);
const saying = openSync(said, "a");
const say = (line: string): void => void writeSync(saying, `${line}\n`);
const store = await openContentStore({ dir, bytesMax: Number(bytesMax), reserveBytes: 0 });
let isOver = false;
process.stdin.on("end", () => {
  isOver = true;
});
process.stdin.resume();
process.stdout.write("open\n");

await Promise.all(Array.from({ length: sideBySide }, (_, lane) => work(lane)));
await store.close();

async function work(lane: number): Promise<void> {
  for (let round = 0; !isOver; round += 1) {
    const name = `${seed}/${lane}/${round % pinsMax}`;
    say(`unpinning ${name}`);
    await store.unpin(name);
    say(`unpinned ${name}`);
    const numbers = Array.from({ length: 1 + random.below(6) }, () => random.below(sharedMax));
    const samples = numbers.map((number) => sample(number, sizeOf(number)));
    say(`pinning ${name}`);
    await store.pin(name, samples.slice(1));
    say(`pinned ${name} ${numbers.slice(1).join(" ")}`);
    for (const [at, one] of samples.entries()) {
      await put(one, `${numbers[at]} ${name}`);
    }
    await read(samples[random.below(samples.length)]?.digest ?? "");
  }
}

async function put({ digest, content }: Sample, what: string): Promise<void> {
  try {
    await store.put(digest, content);
    say(`put ${what}`);
  } catch (error) {
    // The pins of writers that died have not been taken away yet.
    if (!isSkyError(error, "chunks/full")) throw error;
  }
}

/** What nobody pins may be gone. */
async function read(digest: string): Promise<void> {
  try {
    await store.get(digest);
  } catch (error) {
    if (!isSkyError(error, "chunk/missing")) throw error;
  }
}
