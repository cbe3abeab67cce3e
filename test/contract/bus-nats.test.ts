// The NATS version of the bus keeps the contract, over a real nats-server with TLS and nkeys.

import { startBusServer } from "../support/bus-server.ts";
import { until } from "../support/until.ts";
import { busContract } from "./bus.contract.ts";

busContract("bus-nats", async () => {
  const world = await startBusServer();
  return {
    connect: (label, permissions) => world.connect(label, permissions),
    denied: (label) => world.server.denials().denied.get(label) ?? 0,
    interrupt: async () => {
      const pid = world.server.pid();
      if (pid !== undefined) process.kill(pid, "SIGKILL");
      await until("the server was started again", () => world.server.restarts() === 1);
      await until("it runs", () => world.server.pid() !== undefined);
    },
    close: () => world.close(),
  };
});
