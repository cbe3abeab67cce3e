// The content store on disk keeps the contract, and what only a disk can be asked for.

import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openContentStore } from "../../transfer/chunks/content-store-os.ts";
import { contentStoreContract } from "./content-store.contract.ts";

contentStoreContract("content-store-os", async () => {
  const dir = mkdtempSync(join(tmpdir(), "sky chunks "));
  return {
    open: (options = {}) => openContentStore({ dir: join(dir, "a b", "chunks"), ...options }),
    damage: (digest) => flipBit(join(dir, "a b", "chunks", digest.slice(0, 2), digest)),
    close: async () => rmSync(dir, { recursive: true }),
  };
});

function flipBit(path: string): void {
  const file = openSync(path, "r+");
  const byte = Buffer.alloc(1);
  readSync(file, byte, 0, 1, 0);
  writeSync(file, Buffer.from([(byte[0] ?? 0) ^ 1]), 0, 1, 0);
  closeSync(file);
}
