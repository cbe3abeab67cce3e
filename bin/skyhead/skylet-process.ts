// One skylet as a child process: started with its orders, ended by the end of its input.
//
// The child reads its orders from standard input and lives until that closes: should this process
// die, however it dies, the kernel closes it, and no skylet is left behind. Ranks are not the
// skylet's children and run on.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, renameSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { LocalNode, RunningNode } from "../../clouds/node-starter.ts";
import { SkyError } from "../../model/errors.ts";
import { credentialVariables } from "../../transfer/stores/credential-names.ts";
import type { Orders } from "../skylet/orders.ts";
import { ordersText } from "../skylet/orders.ts";

/** How long a skylet may take to end in order. */
const endMs = 5_000;

/**
 * A node idles most of its life: a small young generation and one helper thread save an eighth of
 * its memory. The quick compiler between V8's interpreter and its best one would be in memory for
 * functions that only the start calls often; what stays hot still gets the best.
 * Measured 2026-11: RSS of 78 MB without, 68 without the last, 66 with all.
 */
const leanFlags = ["--max-semi-space-size=1", "--v8-pool-size=1", "--no-maglev"];

/** What a skylet wrote before it was started again; two such files are kept. */
const skyletLogBytesMax = 16_777_216;

export async function startSkylet(node: LocalNode, orders: Orders): Promise<RunningNode> {
  putAside(`${node.home.state}/skylet.log`);
  const log = openSync(`${node.home.state}/skylet.log`, "a", 0o600);
  const child = spawn(process.execPath, [...process.execArgv, ...leanFlags, skyletProgram()], {
    cwd: node.home.root,
    stdio: ["pipe", log, log],
    env: environmentOfNode(process.env),
  });
  closeSync(log);
  const ended = once(child, "exit").then(
    ([code, signal]) => `skylet ended with ${code ?? signal}`,
    (error: unknown) => `skylet did not start: ${String(error)}`,
  );
  const { stdin } = child;
  if (stdin === null) throw new SkyError("process/failed", { what: "skylet", why: "no input" });
  // A child that is gone has no use for its orders; `ended` tells of it.
  stdin.on("error", () => {});
  stdin.write(ordersText(orders));
  return {
    ended,
    close: async () => {
      stdin.end();
      const kill = setTimeout(() => child.kill("SIGKILL"), endMs);
      await ended;
      clearTimeout(kill);
    },
  };
}

/** Ours, without what opens stores: a gateway is given what it needs of that, and no other node. */
export function environmentOfNode(
  ours: Readonly<Record<string, string | undefined>>,
): Record<string, string | undefined> {
  const secrets = new Set(credentialVariables);
  return Object.fromEntries(Object.entries(ours).filter(([name]) => !secrets.has(name)));
}

/** Beside the bundle that we are part of, or among the sources. */
function skyletProgram(): string {
  const unbuilt = import.meta.url.endsWith(".ts");
  return fileURLToPath(new URL(unbuilt ? "../skylet.ts" : "./skylet.js", import.meta.url));
}

/** It is only appended to while its skylet runs: each start begins a new one if it is long. */
function putAside(path: string): void {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size > skyletLogBytesMax) renameSync(path, `${path}.1`);
}
