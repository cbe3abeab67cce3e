// `skylet`: the agent of one node, as a process of its own.
//
//     skylet          reads its orders from standard input (`skylet/orders.ts`), joins its cluster,
//                     connects the bus and the bulk wire, and runs the agent
//     skylet join     only joins, and leaves the credentials in the node's folder
//
// It ends when its input closes (whoever started it is gone, or asks it to) or on TERM and INT; its
// ranks run on, and the next skylet in the same folder takes them over. An error that nobody
// handles ends it; it is started again by whoever started it.

import { createInterface } from "node:readline";
import { errorText } from "../model/errors.ts";
import { createPinoLog } from "../runtime/log-pino.ts";
import type { Orders } from "./skylet/orders.ts";
import { parseOrders } from "./skylet/orders.ts";

const aliveMs = 60_000;
const isJoin = process.argv[2] === "join";
const { log, close } = createPinoLog({ destination: isJoin ? 2 : 1, level: "info" });
const ending = new AbortController();

process.on("uncaughtException", crash);
process.on("unhandledRejection", crash);
for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.on(signal, () => ending.abort(signal));
}

const lines = createInterface({ input: process.stdin });
let isRunning = false;
lines.once("line", (line) => {
  isRunning = true;
  const orders = parseOrders(line);
  (isJoin ? join(orders) : run(orders)).catch(crash);
});
lines.once("close", () => {
  if (!isJoin) ending.abort("its input was closed");
});
ending.signal.addEventListener("abort", () => {
  // Before there are orders there is nothing to end in order.
  if (!isRunning) end(0);
});

async function join(orders: Orders): Promise<void> {
  // Our clock's timers keep no process alive: one that waits before its next try would end as if
  // it had joined.
  setInterval(() => {}, aliveMs);
  const { joinAsOrdered } = await import("./skylet/join.ts");
  await joinAsOrdered(orders, ending.signal);
  end(0);
}

async function run(orders: Orders): Promise<void> {
  const { startSkyletProcess } = await import("./skylet/skylet-process.ts");
  const skylet = await startSkyletProcess(orders, { log, signal: ending.signal });
  if (!ending.signal.aborted) {
    await new Promise((resolve) => ending.signal.addEventListener("abort", resolve));
  }
  log.info("skylet ends", { why: String(ending.signal.reason), ranks: "those that run, run on" });
  await skylet.close();
  end(0);
}

function crash(error: unknown): void {
  log.error("skylet crashed", { error });
  process.stderr.write(`skylet: ${errorText(error)}\n`);
  end(1);
}

function end(code: number): never {
  close();
  process.exit(code);
}
