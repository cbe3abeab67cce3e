// Joins in a short process of its own (`skylet join`), and reads what that left.
//
// A join needs gRPC and a library for certificate requests; the skylet needs neither ever after,
// and a node that idles would hold half as much memory more for them. The credentials pass by a
// file of mode 0600 in the node's own folder, where a later skylet finds them too.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Credentials } from "../../agent/credentials.ts";
import { credentialsPath, parseCredentials } from "../../agent/credentials.ts";
import { SkyError } from "../../model/errors.ts";
import { nodeHomeAt } from "../../model/home.ts";
import type { Files } from "../../runtime/files.ts";
import type { Orders } from "./orders.ts";
import { ordersText } from "./orders.ts";

/** @throws SkyError `join/denied`. */
export async function joinInProcess(
  orders: Orders,
  { files, signal }: { readonly files: Files; readonly signal: AbortSignal },
): Promise<Credentials> {
  const child = spawn(process.execPath, [...process.execArgv, program(), "join"], {
    stdio: ["pipe", "ignore", "inherit"],
    signal,
  });
  // A child that is gone takes no orders; its exit code tells of it.
  child.stdin?.on("error", () => {});
  child.stdin?.end(ordersText(orders));
  const [code, killedBy] = await once(child, "exit");
  const content = await files.read(credentialsPath(nodeHomeAt(orders.root).state));
  const joined = content === undefined ? undefined : parseCredentials(content, orders);
  if (code === 0 && joined !== undefined) return joined;
  throw new SkyError("join/denied", { why: `the join ended with ${code ?? killedBy}` });
}

/** The program that we are: the bundle, or the source. */
function program(): string {
  const unbuilt = import.meta.url.endsWith(".ts");
  return fileURLToPath(new URL(unbuilt ? "../skylet.ts" : "./skylet.js", import.meta.url));
}
