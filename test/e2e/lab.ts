// A lab: a few real hosts on one machine, for tests over real OpenSSH.
//
// Each host is a set of namespaces on a bridge with its own OpenSSH server, home, `/tmp`, name,
// address, boot id, processes and files; they share the kernel and, read-only in effect, /usr. All
// of it lives below one process, the keeper, and ends with it, which ends with this process: what
// must always hold is that nothing outlives a lab, however it ends.
//
// Needs root. `labProblem()` says what is missing, for tests to skip with.

import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, constants, existsSync, mkdirSync, readFileSync } from "node:fs";
import { basename, delimiter, join } from "node:path";
import {
  type LabClient,
  newClient,
  poolsText,
  publicKeyOf,
  trustHosts,
  writeConfig,
} from "./lab-client.ts";
import { Host, said } from "./lab-host.ts";
import { bytesSent, claimNetwork, connectClient, type LabNetwork } from "./lab-network.ts";
import { type HostWish, hostOptions } from "./lab-options.ts";
import { newLabFolder, removeDeadLabs, removeLab, writeRecord } from "./lab-records.ts";
import { childOf, startOf, toolPath } from "./lab-run.ts";

export type { Host } from "./lab-host.ts";
export { takesConnections } from "./lab-host.ts";
export { isClean, type Left } from "./lab-sweep.ts";

export interface LabOptions {
  /** How many hosts; four. */
  readonly count?: number;
  /** What differs on which host, by its number. */
  readonly hosts?: Readonly<Record<number, HostWish>>;
  /** Whether the client has never seen the hosts' keys. */
  readonly strangers?: boolean;
}

export interface Lab {
  readonly folder: string;
  readonly client: LabClient;
  readonly clientAddress: string;
  readonly hosts: readonly Host[];
  host(index: number): Host;
  /** Bytes that left the client for the hosts. */
  sentBytes(): number;
  /** One pool of all hosts, or of some, as `ssh_node_pools.yaml` has it. */
  pools(pool: string, hosts?: readonly Host[]): string;
  /** Twice is once. */
  close(): Promise<void>;
}

/** What is missing for a lab, in a sentence, or `undefined`. */
export function labProblem(): string | undefined {
  if (process.platform !== "linux") return "hosts as namespaces need Linux";
  if (process.getuid?.() !== 0) return "hosts as namespaces need root";
  const programs = { unshare: "util-linux", nsenter: "util-linux", ip: "iproute2", tc: "iproute2" };
  for (const [name, pack] of Object.entries({
    ...programs,
    sshd: "openssh-server",
    ssh: "openssh-client",
  })) {
    if (!isOnPath(name)) return `hosts as namespaces need ${name} (apt-get install ${pack})`;
  }
  const kinds = readFileSync("/proc/filesystems", "utf8");
  return kinds.includes("overlay") ? undefined : "hosts as namespaces need overlayfs";
}

export async function startLab(options: LabOptions = {}): Promise<Lab> {
  const problem = labProblem();
  if (problem !== undefined) throw new Error(problem);
  await removeDeadLabs();
  const folder = newLabFolder();
  const network = await claimNetwork();
  let record = writeRecord(folder, { link: network.link });
  let keeper: ChildProcess | undefined;
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= (async () => {
      await ended(keeper);
      await removeLab(folder, record);
    })();
    return closing;
  };
  try {
    const disk = join(folder, "disk");
    mkdirSync(disk);
    keeper = await startKeeper(disk, network);
    const keeperPid = childOf(keeper.pid ?? -1);
    const cgroup = cgroupFor(folder);
    record = writeRecord(folder, {
      keeperPid,
      keeperStart: startOf(keeperPid),
      link: network.link,
      ...(cgroup === undefined ? {} : { cgroup }),
    });
    const client = await newClient(folder);
    const hosts = hostsOf(options, (index, peers) => ({
      ...{ index, keeper: keeperPid, lab: disk, address: network.host(index), peers },
      key: publicKeyOf(client),
      client: network.client,
      cgroup: cgroup === undefined ? undefined : join(cgroup, `host${index}`),
    }));
    await Promise.all(hosts.map((host) => host.start()));
    writeConfig(client, hosts);
    if (options.strangers !== true) trustHosts(client, hosts);
    const sentBytes = (): number => bytesSent("/proc/self/net/dev", network.link);
    return labOf({ folder, client, clientAddress: network.client, hosts, sentBytes, close });
  } catch (error) {
    await close();
    throw error;
  }
}

type Parts = Omit<Lab, "host" | "pools">;

function labOf(parts: Parts): Lab {
  return {
    ...parts,
    host: (index) => {
      const host = parts.hosts[index];
      if (host === undefined) throw new Error(`the lab has no host ${index}`);
      return host;
    },
    pools: (pool, hosts = parts.hosts) => poolsText(pool, parts.client, hosts),
  };
}

type PlaceOf = (index: number, peers: string) => ConstructorParameters<typeof Host>[0];

function hostsOf({ count = 4, hosts = {} }: LabOptions, placeOf: PlaceOf): readonly Host[] {
  const all = Array.from({ length: count }, (_, index) => hostOptions(index, hosts[index] ?? {}));
  const peers = all.map(({ name }, index) => `${placeOf(index, "").address} ${name}`).join("\n");
  return all.map((one, index) => new Host(placeOf(index, peers), one));
}

async function startKeeper(disk: string, network: LabNetwork): Promise<ChildProcess> {
  const spaces = [
    "--mount",
    "--net",
    "--pid",
    "--fork",
    "--kill-child",
    "--propagation",
    "private",
  ];
  const script = join(import.meta.dirname, "lab-keeper.sh");
  const child = spawn("unshare", [...spaces, "sh", script, disk, network.far], {
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...process.env, PATH: toolPath() },
    detached: true,
  });
  await said(child, "started");
  await connectClient(network, childOf(child.pid ?? -1));
  child.stdin?.write("go\n");
  await said(child, "ready");
  return child;
}

/** The keeper ends with its input, and everything of the lab with it. */
async function ended(keeper: ChildProcess | undefined): Promise<void> {
  if (keeper === undefined || keeper.exitCode !== null || keeper.signalCode !== null) return;
  const exit = new Promise((resolve) => keeper.once("exit", resolve));
  keeper.stdin?.end();
  await exit;
}

/** Where hosts can have control groups of their own: below version 2's tree, wherever it is. */
function cgroupFor(folder: string): string | undefined {
  const mount = readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .find((line) => / - cgroup2 /.test(line));
  const point = mount?.split(" ")[4];
  if (point === undefined || !existsSync(join(point, "cgroup.procs"))) return undefined;
  const cgroup = join(point, basename(folder));
  mkdirSync(cgroup);
  return cgroup;
}

function isOnPath(program: string): boolean {
  return toolPath()
    .split(delimiter)
    .some((folder) => {
      try {
        accessSync(join(folder, program), constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}
