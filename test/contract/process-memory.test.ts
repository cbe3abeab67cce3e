// The scripted process port against the suite of all process ports.

import { createOsClock } from "../../runtime/clock-os.ts";
import { createMemoryMachine, programText } from "../../runtime/process-memory.ts";
import { processContract } from "./process.contract.ts";

processContract("memory", async () => {
  const logs = new Map<string, Buffer>();
  const machine = createMemoryMachine({
    clock: createOsClock(),
    append: (path, bytes) => {
      logs.set(path, Buffer.concat([logs.get(path) ?? Buffer.alloc(0), bytes]));
    },
  });
  return {
    ranksDir: "/node/ranks",
    home: "/node/home",
    open: async () => machine.open(),
    crash: async () => machine.crash(),
    scriptOf: programText,
    letGo: async (dir) => machine.letGo(dir),
    readLog: async (dir) => logs.get(`${dir}/log`) ?? new Uint8Array(0),
    close: async () => machine.reboot(),
  };
});
