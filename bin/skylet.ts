// `skylet`: the agent of one node, as a process of its own.
//
//     skylet                reads its orders from standard input (`skylet/orders.ts`), joins its
//                           cluster, connects the bus and the bulk wire, and runs the agent
//     skylet join           only joins, and leaves the credentials in the node's folder
//     skylet host DIR       the node of a host of the user's own; DIR is the cluster's folder there
//     skylet remove DIR     takes away what such a node has on its host, and says what it kept
//
// It ends when its input closes (whoever started it is gone, or asks it to), unless it is a host's,
// and on TERM and INT; its ranks run on, and the next skylet in the same folder takes them over. An
// error that nobody handles ends it; it is started again by whoever started it.

import { resolve } from "node:path";
import { createInterface } from "node:readline";
import { errorText } from "../model/errors.ts";
import { createPinoLog } from "../runtime/log-pino.ts";
import type { Orders } from "./skylet/orders.ts";
import { parseOrders } from "./skylet/orders.ts";

const aliveMs = 60_000;
const [, , verb = "", place = "."] = process.argv;
const isQuiet = verb === "join" || verb === "remove";
const { log, close } = createPinoLog({ destination: isQuiet ? 2 : 1, level: "info" });
const ending = new AbortController();
let isRunning = false;

process.on("uncaughtException", crash);
process.on("unhandledRejection", crash);
for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.on(signal, () => ending.abort(signal));
}
ending.signal.addEventListener("abort", () => {
  // Before there are orders there is nothing to end in order.
  if (!isRunning) end(0);
});

if (verb === "host") begin(runHost(resolve(place)));
else if (verb === "remove") begin(remove(resolve(place)));
else takeOrders(verb === "join");

function takeOrders(isJoin: boolean): void {
  const lines = createInterface({ input: process.stdin });
  lines.once("line", (line) => {
    const orders = parseOrders(line);
    begin(isJoin ? join(orders) : run(orders));
  });
  lines.once("close", () => {
    if (!isJoin) ending.abort("its input was closed");
  });
}

function begin(work: Promise<void>): void {
  isRunning = true;
  work.catch(crash);
}

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
  await new Promise(whenEnding);
  tellEnd(String(ending.signal.reason));
  await skylet.close();
  end(0);
}

async function runHost(dir: string): Promise<void> {
  // Nothing else keeps it alive while its head is away.
  setInterval(() => {}, aliveMs);
  const { startHost } = await import("./skylet/host.ts");
  const left = Promise.withResolvers<void>();
  const world = { log, signal: ending.signal, onLeft: () => left.resolve() };
  const host = await startHost(dir, world);
  await Promise.race([new Promise(whenEnding), left.promise]);
  tellEnd(ending.signal.aborted ? String(ending.signal.reason) : "it was told to leave");
  await host.close();
  end(0);
}

async function remove(dir: string): Promise<void> {
  const { removeHost } = await import("./skylet/host-removal.ts");
  process.stdout.write(`${JSON.stringify(await removeHost(dir))}\n`);
  end(0);
}

function whenEnding(hear: (value: unknown) => void): void {
  if (ending.signal.aborted) hear(undefined);
  else ending.signal.addEventListener("abort", hear, { once: true });
}

function tellEnd(why: string): void {
  log.info("skylet ends", { why, ranks: "those that run, run on" });
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
