// The memory object store keeps the contract.

import { createMemoryObjectStore, MemoryCloud } from "../../transfer/stores/store-memory.ts";
import { objectStoreContract } from "./object-store-suite.ts";

objectStoreContract("object-store-memory", async () => {
  const cloud = new MemoryCloud();
  cloud.add("bucket");
  return {
    pageKeys: 7,
    open: async ({ bucket = "bucket" } = {}) =>
      createMemoryObjectStore({ bucket: { store: "s3", bucket }, cloud, pageKeys: 7 }),
    deny: () => {
      cloud.denied = true;
    },
    damage: (key) => {
      cloud.damage("bucket", key);
    },
    close: async () => {},
  };
});
