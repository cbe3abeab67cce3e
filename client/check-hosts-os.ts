// A look at every host of the user's pools, all at the same time: what `sky check ssh` tells.
//
// It happens in the client's own process: the keys are the user's, and so is the answer to a key of
// a host that is new. Nothing is changed on a host.

import { hostKeyText } from "../clouds/ssh/host-key-text.ts";
import { probeHost } from "../clouds/ssh/host-probe-ssh.ts";
import type { HostReport } from "../clouds/ssh/host-report.ts";
import type { Pool, PoolHost } from "../clouds/ssh/pools.ts";
import { errorText, isSkyError } from "../model/errors.ts";
import type { Home } from "../model/home.ts";
import { createOsClock } from "../runtime/clock-os.ts";
import { silentLog } from "../runtime/log.ts";
import { createOpenSsh } from "../runtime/openssh-os.ts";
import type { HostKey, Ssh } from "../runtime/ssh.ts";

/** One host: a report, or why there is none. */
export interface HostCheck {
  readonly pool: string;
  readonly host: string;
  readonly report?: HostReport;
  readonly error?: HostTrouble;
}

export interface HostTrouble {
  /** Of `docs/errors.md`. */
  readonly code: string;
  /** A sentence, with what to do. */
  readonly why: string;
}

export interface HostsAsked {
  readonly pools: readonly Pool[];
  readonly signal: AbortSignal;
  /** Whether the user says yes to keys that are new, told as lines. */
  readonly trusts: (keys: readonly string[]) => Promise<boolean>;
}

/** Logins at a time. */
const togetherMax = 64;

const clock = createOsClock();

/** A jump host before a host may be as new as that. */
const roundsMax = 8;

export async function checkHosts(home: Home, asked: HostsAsked): Promise<readonly HostCheck[]> {
  const ssh = createOpenSsh({ dir: `${home.root}/ssh`, log: silentLog });
  try {
    return await checkedBy(ssh, asked);
  } finally {
    await ssh.close();
  }
}

interface Looked {
  readonly pool: string;
  readonly host: PoolHost;
  readonly check: HostCheck;
  /** It is new, and so is the rest unknown. */
  readonly newKey?: HostKey;
}

/** The same over any SSH; in the order of the file. */
export async function checkedBy(
  ssh: Ssh,
  { pools, signal, trusts }: HostsAsked,
): Promise<readonly HostCheck[]> {
  const all = pools.flatMap(({ name: pool, hosts }) => hosts.map((host) => ({ pool, host })));
  let looks = await together(all, (one) => lookAt(ssh, one, signal));
  for (let round = 0; round < roundsMax; round += 1) {
    const keys = looks.flatMap(({ host, newKey }) => (newKey ? [{ host, newKey }] : []));
    if (keys.length === 0) break;
    const lines = keys.map(({ host, newKey }) => hostKeyText(host.name, newKey));
    if (!(await trusts([...new Set(lines)]))) break;
    for (const { newKey } of keys) await ssh.trust(newKey);
    looks = await together(looks, (look) =>
      look.newKey === undefined ? Promise.resolve(look) : lookAt(ssh, look, signal),
    );
  }
  return looks.map(({ check }) => check);
}

async function lookAt(
  ssh: Ssh,
  { pool, host }: Pick<Looked, "pool" | "host">,
  signal: AbortSignal,
): Promise<Looked> {
  const about = { pool, host: host.name };
  try {
    const report = await probeHost(ssh, host, { clock, signal });
    return { pool, host, check: { ...about, report } };
  } catch (error) {
    signal.throwIfAborted();
    if (!isSkyError(error, "ssh/host-key-unknown")) return failed(error);
    try {
      const newKey = await ssh.hostKey(host.target, signal);
      const why = hostKeyText(host.name, newKey);
      return { pool, host, newKey, check: { ...about, error: { code: error.code, why } } };
    } catch (second) {
      signal.throwIfAborted();
      return failed(second);
    }
  }

  function failed(error: unknown): Looked {
    const code = isSkyError(error) ? error.code : "ssh/failed";
    const why = errorText(error).replace(/\.$/, "");
    return { pool, host, check: { ...about, error: { code, why } } };
  }
}

/** In their order, so many at a time. */
async function together<T, R>(
  items: readonly T[],
  work: (item: T) => Promise<R>,
): Promise<readonly R[]> {
  const results: R[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let index = next++; index < items.length; index = next++) {
      results[index] = await work(items[index] as T);
    }
  };
  await Promise.all(Array.from({ length: Math.min(togetherMax, items.length) }, worker));
  return results;
}
