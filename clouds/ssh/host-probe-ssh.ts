// A look at a host over SSH: one script, one report. Nothing is changed there.

import { readFileSync } from "node:fs";
import type { Clock } from "../../runtime/clock.ts";
import type { Ssh } from "../../runtime/ssh.ts";
import { reportOf } from "./host-probe.ts";
import type { HostReport } from "./host-report.ts";
import type { PoolHost } from "./pools.ts";

/** Its tools end by themselves after 8 s each; a host that hangs in all of them is no host. */
const probeMs = 45_000;

/** @throws SkyError those of `runtime/ssh.ts`: a host that answers at all has a report. */
export async function probeHost(
  ssh: Pick<Ssh, "run">,
  { name, target }: PoolHost,
  options: { readonly clock: Pick<Clock, "now">; readonly signal: AbortSignal },
): Promise<HostReport> {
  const { clock, signal } = options;
  const call = { script: script(), timeoutMs: probeMs };
  const beforeMs = clock.now().wallMs;
  const said = await ssh.run(target, call, signal);
  const afterMs = clock.now().wallMs;
  return reportOf(said, { host: name, target, beforeMs, afterMs });
}

let text: string | undefined;

function script(): string {
  text ??= readFileSync(new URL("./host-probe.sh", import.meta.url), "utf8");
  return text;
}
