// The memory version of the files port keeps the contract.

import { createMemoryFiles } from "../../runtime/files-memory.ts";
import { filesContract } from "./files.contract.ts";

filesContract("files-memory", async () => {
  const root = "/home/sky";
  return { files: createMemoryFiles(root), root, close: async () => {} };
});
