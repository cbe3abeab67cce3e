// `skylet`: the agent of one node, as a process of its own.
//
// It reads its orders from standard input (`skylet/orders.ts`), joins its cluster, connects the bus
// and the bulk wire, and runs the agent. It ends when its input closes (whoever started it is gone
// or asks it to) or on TERM and INT; its ranks run on, and the next skylet in the same folder takes
// them over. An error that nobody handles ends it; it is started again by whoever started it.

import { createInterface } from "node:readline";
import { errorText } from "../model/errors.ts";
import { createPinoLog } from "../runtime/log-pino.ts";
import { parseOrders } from "./skylet/orders.ts";
import { startSkyletProcess } from "./skylet/skylet-process.ts";

const { log, close } = createPinoLog({ destination: 1, level: "info" });

function end(code: number): never {
  close();
  process.exit(code);
}

function crash(error: unknown): void {
  log.error("skylet crashed", { error });
  process.stderr.write(`skylet: ${errorText(error)}\n`);
  end(1);
}

process.on("uncaughtException", crash);
process.on("unhandledRejection", crash);

const ending = new AbortController();
for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.on(signal, () => ending.abort(signal));
}
const lines = createInterface({ input: process.stdin });
lines.once("line", (line) => void run(line).catch(crash));
lines.once("close", () => ending.abort("its input was closed"));
ending.signal.addEventListener("abort", () => {
  // Before there are orders there is nothing to end in order.
  if (!isRunning) end(0);
});

let isRunning = false;

async function run(line: string): Promise<void> {
  isRunning = true;
  const orders = parseOrders(line);
  const skylet = await startSkyletProcess(orders, { log, signal: ending.signal });
  if (!ending.signal.aborted) {
    await new Promise((resolve) => ending.signal.addEventListener("abort", resolve));
  }
  log.info("skylet ends", { why: String(ending.signal.reason), ranks: "those that run, run on" });
  await skylet.close();
  end(0);
}
