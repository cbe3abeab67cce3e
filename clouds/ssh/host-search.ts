// Looking for hosts of a pool that can be nodes of a new cluster: each is logged in to and looked
// at, all at the same time, and then some are chosen.
//
// What must always hold: a host's key is trusted only if the user said yes to that very key, or to
// all that are new; a device that another cluster holds, or has just been promised, is not chosen;
// nothing is changed on a host.

import { errorText, isSkyError, SkyError } from "../../model/errors.ts";
import type { Accelerators, Capacity } from "../../model/resources.ts";
import type { HostKey, Ssh } from "../../runtime/ssh.ts";
import type { FoundNode, FoundNodes, NodesWanted } from "../cloud.ts";
import { type Choice, chooseHosts, type LookedAt } from "./host-choice.ts";
import { hostKeyText } from "./host-key-text.ts";
import type { HostReport } from "./host-report.ts";
import { type Pool, type PoolHost, poolsPath } from "./pools.ts";

export interface HostSearchPorts {
  /** Of the pools file. */
  readonly skyHome: string;
  /** @throws SkyError `pools/invalid`. */
  pools(): Promise<readonly Pool[]>;
  /** @throws SkyError those of `runtime/ssh.ts`. */
  probe(host: PoolHost, signal: AbortSignal): Promise<HostReport>;
  readonly ssh: Pick<Ssh, "hostKey" | "trust">;
  /** What other clusters of ours hold or were promised of a host: as in `HostReport.claims`. */
  taken(pool: string, host: string): HostReport["claims"];
  /** Nobody else is to be given these from now on. */
  promise(found: FoundNodes): void;
}

/** @throws SkyError `pools/invalid`, `pool/no-fit`, `ssh/host-key-unknown`. */
export async function searchHosts(
  ports: HostSearchPorts,
  wanted: NodesWanted,
  signal: AbortSignal,
): Promise<FoundNodes> {
  const refusals: SkyError[] = [];
  for (const pool of await poolsFor(ports, wanted)) {
    const reports = await lookAtAll(ports, pool, { wanted, signal });
    try {
      // Nothing comes between what is taken and what is promised.
      const looked = reports.map((look) => withTaken(ports, pool.name, look));
      const found = foundOf(pool, looked, chooseHosts(pool, looked, wanted));
      ports.promise(found);
      return found;
    } catch (error) {
      if (!isSkyError(error, "pool/no-fit")) throw error;
      refusals.push(error);
    }
  }
  const [only] = refusals;
  if (refusals.length === 1 && only !== undefined) throw only;
  throw new SkyError("pool/no-fit", { why: refusals.map(errorText).join("\n") });
}

async function poolsFor(
  { pools, skyHome }: HostSearchPorts,
  { region }: NodesWanted,
): Promise<readonly Pool[]> {
  const all = await pools();
  if (all.length === 0) {
    const why = `there is no pool of hosts: name some in ${poolsPath(skyHome)} (docs/ssh.md)`;
    throw new SkyError("pool/no-fit", { why });
  }
  if (region === undefined) return all;
  const named = all.filter(({ name }) => name === region);
  if (named.length > 0) return named;
  const names = all.map(({ name }) => name).join(", ");
  throw new SkyError("pool/no-fit", { why: `there is no pool ${region}: there are ${names}` });
}

interface Search {
  readonly wanted: NodesWanted;
  readonly signal: AbortSignal;
}

async function lookAtAll(
  ports: HostSearchPorts,
  pool: Pool,
  search: Search,
): Promise<readonly LookedAt[]> {
  const looks = await Promise.all(pool.hosts.map((host) => lookAt(ports, host, search)));
  const unknown = looks.flatMap(({ host, keys = [] }) =>
    keys.map((key) => hostKeyText(host.name, key)),
  );
  if (unknown.length > 0) {
    throw new SkyError("ssh/host-key-unknown", { problems: unknown.join("\n") });
  }
  return looks;
}

/** A jump host before it may be as new as the host itself. */
const newKeysMax = 4;

async function lookAt(
  ports: HostSearchPorts,
  host: PoolHost,
  { wanted, signal }: Search,
): Promise<LookedAt & { readonly keys?: readonly HostKey[] }> {
  const trusted = wanted.trustedHostKeys;
  for (let round = 0; ; round += 1) {
    try {
      return { host, report: await ports.probe(host, signal) };
    } catch (error) {
      if (signal.aborted) throw error;
      if (!isSkyError(error, "ssh/host-key-unknown") || round >= newKeysMax) {
        return { host, error: error as Error };
      }
    }
    try {
      const key = await ports.ssh.hostKey(host.target, signal);
      const isTrusted = trusted.includes("*") || trusted.includes(key.fingerprint);
      if (!isTrusted) return { host, keys: [key] };
      await ports.ssh.trust(key);
    } catch (error) {
      if (signal.aborted) throw error;
      return { host, error: error as Error };
    }
  }
}

function withTaken(
  { taken }: HostSearchPorts,
  pool: string,
  { host, ...look }: LookedAt,
): LookedAt {
  const { report, error } = look;
  if (report === undefined) return { host, ...(error && { error }) };
  return { host, report: { ...report, claims: { ...taken(pool, host.name), ...report.claims } } };
}

function foundOf(pool: Pool, looked: readonly LookedAt[], choice: Choice): FoundNodes {
  const nodes = choice.nodes.map(({ report, capacity }): FoundNode => {
    const target = looked.find(({ host }) => host.name === report.host)?.host.target;
    if (target === undefined) throw new SkyError("pool/no-fit", { why: `no host ${report.host}` });
    const { host, ip, arch } = report;
    return { host, ip, arch, target, capacity: withOthers(capacity, report) };
  });
  return { region: pool.name, nodes, leftOut: choice.leftOut };
}

/** Devices of which the node has none are named too: its jobs are to see none of them. */
function withOthers(capacity: Capacity, { devices }: HostReport): Capacity {
  const others = [...new Set(devices.map(({ name }) => name))].filter(
    (kind) => !capacity.accelerators.some(({ name }) => name === kind),
  );
  const none = others.map((name): Accelerators => ({ name, count: 0, ids: [] }));
  return { ...capacity, accelerators: [...capacity.accelerators, ...none] };
}
