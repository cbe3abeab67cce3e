// The content store on disk keeps the contract, and what only a disk can be asked for.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { openContentStore } from "../../transfer/chunks/content-store-os.ts";
import { type ContentWorld, contentStoreContract } from "./content-store.contract.ts";
import { flipBit } from "./content-store-flip.ts";
import { modelHolds } from "./content-store-model.ts";

async function makeWorld(): Promise<ContentWorld> {
  const dir = mkdtempSync(join(tmpdir(), "sky chunks "));
  return {
    open: (options = {}) => openContentStore({ dir: join(dir, "a b", "chunks"), ...options }),
    damage: (digest) => flipBit(join(dir, "a b", "chunks", digest.slice(0, 2), digest)),
    close: async () => rmSync(dir, { recursive: true }),
  };
}

contentStoreContract("content-store-os", makeWorld);

test("content-store-os: any commands leave what they leave in the model", async () => {
  await modelHolds(makeWorld, 8);
});
