// The memory version of the bus keeps the contract.

import { createBusHub } from "../../runtime/bus-memory.ts";
import { busContract } from "./bus.contract.ts";

busContract("bus-memory", async () => {
  const hub = createBusHub();
  return {
    connect: async (label, permissions) => hub.connect(label, permissions),
    denied: (label) => hub.denied().get(label) ?? 0,
    interrupt: async () => {
      for (const label of ["a", "b"]) hub.disconnect(label);
      for (const label of ["a", "b"]) hub.reconnect(label);
    },
    close: async () => {},
  };
});
