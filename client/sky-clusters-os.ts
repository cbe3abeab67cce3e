// Clusters as the SDK asks for them: status with a refresh, start, autostop.
//
// Options are checked before anything is asked.

import type { ClusterView } from "../model/cluster.ts";
import { givenCluster } from "./cluster-name.ts";
import { broughtUp } from "./launch.ts";
import { autostopRule, startRule } from "./sky-numbers.ts";
import { demandKnown } from "./sky-option-names.ts";
import type { CallOptions, IdleOptions, StartOptions, StatusOptions } from "./sky-options.ts";
import type { Session } from "./sky-session-os.ts";
import { untilUpBy } from "./until-up-os.ts";

/** A refresh tells what it found out as warnings: where a cloud could not be asked. */
export async function statusBy(
  { head, until, warn }: Session,
  names: string | readonly string[] | null | undefined,
  options: StatusOptions,
): Promise<ClusterView[]> {
  demandKnown("status", options);
  const wanted = [names ?? []].flat().map(givenCluster);
  // Of no names there are no clusters; to the head none would mean all.
  if (names !== null && names !== undefined && wanted.length === 0) return [];
  if (options.refresh !== true) return [...(await head.status(wanted, until(options)))];
  const { clusters, refreshed } = await head.refresh(wanted, until(options));
  for (const { failed, text } of refreshed) if (failed) warn(text);
  return [...clusters];
}

export async function startBy(
  { head, until, user }: Session,
  cluster: string,
  options: StartOptions,
): Promise<ClusterView> {
  demandKnown("start", options);
  givenCluster(cluster);
  const autostop = startRule(options);
  const { force = false, retryUntilUp = false, onProgress } = options;
  const wanted = {
    ...{ cluster, force, user, command: `start ${cluster} (SDK)` },
    ...(autostop === undefined ? {} : { autostop }),
  };
  const signal = until(options);
  return broughtUp(() => head.start(wanted, signal), {
    ...(onProgress === undefined ? {} : { onProgress }),
    ...(retryUntilUp ? { untilUp: untilUpBy(signal) } : {}),
  });
}

export async function autostopBy(
  { head, until }: Session,
  { cluster, idle }: { readonly cluster: string; readonly idle: IdleOptions | null },
  options: CallOptions,
): Promise<void> {
  givenCluster(cluster);
  if (idle !== null) demandKnown("autostop", idle);
  await head.setAutostop(cluster, autostopRule(idle), until(options));
}
