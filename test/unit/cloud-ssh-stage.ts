// The cloud `ssh` over hosts in memory: pools of hosts with devices, clusters as records, and a
// clock that is moved by hand.

import type { FoundNodes, Machine } from "../../clouds/cloud.ts";
import { type ClusterRecord, newRecord } from "../../clouds/cluster-record.ts";
import { createSshCloud, type SshCloud } from "../../clouds/ssh/cloud-ssh.ts";
import type { HostDevice, HostReport } from "../../clouds/ssh/host-report.ts";
import {
  createMemoryHosts,
  type HostCall,
  type MemoryFolder,
  type MemoryHosts,
} from "../../clouds/ssh/host-steps-memory.ts";
import type { Pool } from "../../clouds/ssh/pools.ts";
import { defaultConfig } from "../../model/config.ts";
import { SkyError } from "../../model/errors.ts";
import { headSettings, hostFolderName } from "../../model/host-file.ts";
import { nodeId } from "../../model/ids.ts";
import type { Accelerators } from "../../model/resources.ts";
import { createMemoryClock } from "../../runtime/clock-memory.ts";
import { silentLog } from "../../runtime/log.ts";
import type { HostKey } from "../../runtime/ssh.ts";

export interface HostWish {
  readonly name: string;
  readonly cpus?: number;
  /** Of the kind `A100`. */
  readonly gpus?: number;
}

export interface SshStageOptions {
  readonly pools: Readonly<Record<string, readonly HostWish[]>>;
  readonly fault?: (call: HostCall) => SkyError | "hang" | undefined;
  readonly probeFault?: (host: string) => SkyError | undefined;
  /** Hosts whose keys are new. */
  readonly strangers?: readonly string[];
  readonly kept?: readonly string[];
}

export interface Asked {
  readonly numNodes: number;
  readonly accelerators?: Accelerators;
  readonly region?: string;
  readonly trustedHostKeys?: readonly string[];
}

export const never = new AbortController().signal;

export function unreachable(host: string): SkyError {
  return new SkyError("ssh/unreachable", { host, why: "no route" });
}

export function sshStage(options: SshStageOptions): SshStage {
  return new SshStage(options);
}

export class SshStage {
  readonly cloud: SshCloud;
  readonly hosts: MemoryHosts;
  readonly records = new Map<string, ClusterRecord>();
  /** What the cloud said that it does. */
  readonly said: string[] = [];
  readonly trusted: string[] = [];
  /** For the history of clusters. */
  readonly notes: string[] = [];
  /** Hosts whose connections are to end. */
  readonly left: string[] = [];
  /** By cluster and node. */
  readonly invited: string[] = [];
  bundle = "b1";
  readonly #options: SshStageOptions;
  readonly #clock = createMemoryClock();
  readonly #known = new Set<string>();

  constructor(options: SshStageOptions) {
    this.#options = options;
    const { fault, kept, pools } = options;
    this.hosts = createMemoryHosts({
      bundle: () => this.bundle,
      ...(fault && { fault }),
      ...(kept && { kept }),
    });
    this.cloud = createSshCloud({
      ...{ skyHome: "/s", steps: this.hosts, clock: this.#clock, log: silentLog },
      settings,
      pools: async () => poolsOf(pools),
      probe: async ({ name }) => this.#probe(name),
      ssh: {
        hostKey: async ({ host }) => keyOf(host),
        trust: async ({ name, fingerprint }) => {
          this.#known.add(name);
          this.trusted.push(fingerprint);
        },
        leave: async ({ host }) => void this.left.push(host),
      },
      recordOf: (name) => this.records.get(name),
      records: () => [...this.records.values()],
      bundleOf: async () => this.bundle,
      invite: async (cluster, node) => {
        this.invited.push(`${cluster} ${node}`);
        return invitation;
      },
      onNote: (_, text) => this.notes.push(text),
      onDoing: (_, text) => this.said.push(text),
    });
  }

  /** As the API and a fleet do it: found, on record, and nothing more. */
  async asked(name: string, wanted: Asked): Promise<ClusterRecord> {
    const { region, numNodes, accelerators, trustedHostKeys = [] } = wanted;
    const asked = accelerators === undefined ? {} : { accelerators };
    const where = region === undefined ? {} : { region };
    const sought = { cluster: name, asked, numNodes, trustedHostKeys, ...where };
    const found = await this.cloud.find(sought, never);
    return save(this.records, name, { numNodes, found });
  }

  /** Found, on record, its head open, and its nodes up. */
  async launched(name: string, wanted: Asked): Promise<ClusterRecord> {
    const record = await this.asked(name, wanted);
    await this.cloud.heads.openHead(record, never);
    const { token, nodes } = record;
    await this.cloud.launch({ token, cluster: name, nodes }, never);
    await settle();
    return this.set(name, { status: "UP" });
  }

  set(name: string, change: Partial<ClusterRecord>): ClusterRecord {
    const record = this.records.get(name);
    if (record === undefined) throw new Error(`there is no ${name}`);
    const next = { ...record, ...change };
    this.records.set(name, next);
    return next;
  }

  list(name: string): Promise<readonly Machine[]> {
    return this.cloud.list(name, never);
  }

  /** `head up`, with its trouble. */
  async shown(name: string): Promise<readonly string[]> {
    const machines = await this.list(name);
    return machines.map(({ node, phase, trouble, stuck }) =>
      [node, phase, ...(stuck ? ["stuck"] : []), ...(trouble ? [trouble] : [])].join(" "),
    );
  }

  folder(name: string, host: string): MemoryFolder | undefined {
    const token = this.records.get(name)?.token ?? "";
    return this.hosts.host(host).folders.get(hostFolderName(name, token));
  }

  async pass(ms: number): Promise<void> {
    await settle();
    await this.#clock.pass(ms, settle);
    await settle();
  }

  #probe(name: string): HostReport {
    const { pools, probeFault, strangers = [] } = this.#options;
    const failed = probeFault?.(name);
    if (failed !== undefined) throw failed;
    if (strangers.includes(name) && !this.#known.has(name)) {
      throw new SkyError("ssh/host-key-unknown", { problems: `host ${name}: new` });
    }
    const wish = Object.values(pools)
      .flat()
      .find((one) => one.name === name);
    return reportOf(wish ?? { name }, Object.fromEntries(this.hosts.host(name).claims));
  }
}

let launches = 0;

function save(
  records: Map<string, ClusterRecord>,
  name: string,
  { numNodes, found }: { readonly numNodes: number; readonly found: FoundNodes },
): ClusterRecord {
  launches += 1;
  const [first] = found.nodes;
  if (first === undefined) throw new Error("no node was found");
  const about = { name, numNodes, asked: {}, cloud: "ssh", isolation: "process" } as const;
  const token = `${launches}`.padStart(8, "0");
  const request = { ...about, token, command: "", capacity: first.capacity, found };
  const record = newRecord(request, launches);
  records.set(name, record);
  return record;
}

export function phasesOf(machines: readonly Machine[]): readonly string[] {
  return machines.map(({ phase }) => phase);
}

export function nodeIds(count: number, cluster: string): readonly string[] {
  return Array.from({ length: count }, (_, index) => `${cluster}/${nodeId(index)}`);
}

function poolsOf(pools: SshStageOptions["pools"]): readonly Pool[] {
  return Object.entries(pools).map(([name, hosts]) => ({
    name,
    hosts: hosts.map((host) => ({ name: host.name, target: { host: host.name, user: "ada" } })),
  }));
}

function reportOf(
  { name, cpus = 8, gpus = 0 }: HostWish,
  claims: HostReport["claims"],
): HostReport {
  const devices = Array.from({ length: gpus }, (_, id): HostDevice => {
    return { id, name: "A100", memoryBytes: 80e9 };
  });
  const number = name.replace(/\D/g, "");
  return {
    ...{ host: name, os: "Debian", arch: "x64", libc: "glibc 2.36", cpus, memoryBytes: 32e9 },
    ...{ diskFreeBytes: 1e12, devices, clockSkewMs: 0, ip: `10.0.0.${number}`, user: "ada" },
    ...{ bootId: `${name}-1`, keeper: "none", claims, problems: [] },
  };
}

export function keyOf(host: string): HostKey {
  const fingerprint = `SHA256:${host}`;
  return { name: host, type: "ED25519", fingerprint, line: `${host} ssh-ed25519 AAAA` };
}

/** Of the home of a stage. */
export const settings = headSettings({
  ...defaultConfig,
  leaseSeconds: 7,
  chunks: { bytes: 1_000 },
});

const invitation = {
  ...{ host: "10.0.0.1", port: 1, token: "secret", authority: "", certificate: "", key: "" },
};

export async function settle(): Promise<void> {
  for (let round = 0; round < 8; round += 1) await new Promise((resolve) => setImmediate(resolve));
}
