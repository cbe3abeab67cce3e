// The memory cloud keeps the contract, also when it is slow to show what it did.

import { createMemoryCloud } from "../../clouds/cloud-memory.ts";
import { cloudContract } from "./cloud.contract.ts";

cloudContract("memory", async () => ({ cloud: createMemoryCloud(), close: async () => {} }));

cloudContract("memory, with a list that lags", async () => ({
  cloud: createMemoryCloud({ listsUntilSeen: 2, listsUntilUp: 2 }),
  close: async () => {},
}));
