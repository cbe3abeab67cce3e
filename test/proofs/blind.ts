// What a relay could know: its memory, its heap and its disk are searched for what it forwards.
//
// The object is full of a marker, in noise, in repetition and alone. It is on its way through the
// relay, slowly, when the relay is stopped and searched; again when all of it has passed. The keys
// of the transfer are looked for too. Both ends are searched in the same way, and there all is
// found: that is what the search can see. In the relay it must find what the relay may know.

import {
  closeSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { until } from "../support/until.ts";
import { Chain } from "./chain.ts";
import type { Role } from "./processes.ts";
import {
  type Looked,
  type Needle,
  needlesOf,
  searchFile,
  searchFiles,
  searchMemory,
} from "./search.ts";
import { markerOf, objectOf, secretConfigOf } from "./secret.ts";

export interface BlindOptions {
  readonly folder: string;
  readonly seed: number;
  readonly say: (text: string) => void;
}

const objectBytes = 1_200_000;
const objectsUsual = 10;
/** Some seconds for all of it, whose chunks are smaller when they are sealed. */
const bytesPerSecond = 512 * 1024;
const snapshotName = /^Heap\..*\.heapsnapshot$/;
const snapshotMs = 60_000;

export async function runBlind({ folder, seed, say }: BlindOptions): Promise<readonly string[]> {
  const sizes = Array.from({ length: objectsUsual }, () => objectBytes);
  const options = { folder, seed, sizes, bytesPerSecond, isOnDisk: true };
  const chain = await Chain.open({ ...options, through: "relay" });
  const findings: string[] = [];
  const search = new Searches(chain, seed, say);
  try {
    for (const object of sizes.keys()) {
      // All of one seed: the marker is the same in all of them.
      writeFileSync(
        join(chain.place("objects"), String(object)),
        objectOf(seed, objectBytes, object),
      );
    }
    for (const role of chain.roles) chain.start(role);
    await chain.until("some of it has passed", () => chain.safe >= objectsUsual / 4);
    findings.push(...search.memory("in flight"));
    if (chain.isOver) findings.push("nothing was in flight any more");
    findings.push(...search.disk("in flight"));
    findings.push(...(await search.heap("in flight")));
    await chain.until("all is whole", () => chain.isOver);
    findings.push(...search.memory("afterwards"), ...search.disk("afterwards"));
    findings.push(...(await search.heap("afterwards")));
    findings.push(...(await chain.end()));
  } finally {
    await chain.close();
  }
  return findings;
}

class Searches {
  readonly #chain: Chain;
  readonly #secrets: readonly Needle[];
  /** What a relay knows, and must: its transfer's public id. */
  readonly #known: readonly Needle[];
  readonly #say: (text: string) => void;

  constructor(chain: Chain, seed: number, say: (text: string) => void) {
    const { transfer, key } = secretConfigOf(seed);
    this.#chain = chain;
    this.#say = say;
    const keys = needlesOf("the key", Buffer.from(key, "hex"));
    this.#secrets = [...needlesOf("the marker", markerOf(seed)), ...keys];
    this.#known = [{ name: "the transfer's id", bytes: Buffer.from(transfer) }];
  }

  memory(when: string): readonly string[] {
    const relay = searchMemory(this.#pid("relay"), [...this.#secrets, ...this.#known]);
    const ends = (["source", "sink"] as const).map((role) => ({
      role,
      looked: searchMemory(this.#pid(role), this.#secrets),
    }));
    const blind = ends
      .filter(({ looked }) => !hasBoth(looked))
      .map(({ role }) => `${when}: the search does not see the secrets of the ${role}`);
    for (const { role, looked } of ends) this.#tell(`${when}: memory of the ${role}`, looked);
    return [...blind, ...this.#leaks(`${when}: memory of the relay`, relay, "proven")];
  }

  disk(when: string): readonly string[] {
    const looked = searchFiles(this.#chain.place("relay"), this.#secrets);
    return this.#leaks(`${when}: disk of the relay`, looked);
  }

  /** The kernel's signal makes Node write it, in the folder of the chain. */
  async heap(when: string): Promise<readonly string[]> {
    const folder = join(this.#chain.place("relay"), "..");
    const snapshots = () => readdirSync(folder).filter((name) => snapshotName.test(name));
    process.kill(this.#pid("relay"), "SIGUSR2");
    const [name = ""] = await until(
      "a heap snapshot",
      () => {
        const found = snapshots();
        return found.some((one) => isWhole(join(folder, one))) && found;
      },
      { deadlineMs: snapshotMs },
    );
    const path = join(folder, name);
    const found = searchFile(path, [...this.#secrets, ...this.#known]);
    rmSync(path);
    return this.#leaks(`${when}: heap of the relay`, found, "proven");
  }

  /** `proven`: what the relay may know must have been seen. */
  #leaks(what: string, looked: Looked, demand?: "proven"): readonly string[] {
    this.#tell(what, looked);
    const known = looked.found.filter(({ needle }) => needle === "the transfer's id");
    const leaks = looked.found.filter(({ needle }) => needle !== "the transfer's id");
    const found = leaks.map(({ needle, where }) => `${what}: ${needle} is in ${where}`);
    const isBlind = demand === "proven" && known.length === 0;
    return isBlind ? [...found, `${what}: the search sees nothing there`] : found;
  }

  #tell(what: string, { bytes, found }: Looked): void {
    const secrets = found.filter(({ needle }) => needle !== "the transfer's id").length;
    const mib = (bytes / 1024 ** 2).toFixed(1);
    this.#say(`${what}, ${mib} MiB searched, ${secrets} places with a secret`);
  }

  #pid(role: Role): number {
    const pid = this.#chain.parties.living(role)?.pid;
    if (pid === undefined) throw new Error(`there is no ${role}: ${this.#chain.tale()}`);
    return pid;
  }
}

/** It is JSON, and written from the front. */
function isWhole(path: string): boolean {
  const { size } = statSync(path);
  const file = openSync(path, "r");
  try {
    const tail = Buffer.alloc(16);
    readSync(file, tail, 0, tail.length, Math.max(0, size - tail.length));
    return size > 0 && tail.toString().includes("]}");
  } finally {
    closeSync(file);
  }
}

function hasBoth({ found }: Looked): boolean {
  return ["the marker", "the key"].every((name) =>
    found.some(({ needle }) => needle.startsWith(name)),
  );
}
