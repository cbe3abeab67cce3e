// A home whose cluster's head runs on a host, without SSH: the API, the fleets and the remote heads
// of the home in this process, the head and the nodes as programs (`hosted.ts`), and tunnels that
// are proxies, which a test can cut and freeze.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import type { TestContext } from "node:test";
import { ServerCredentials } from "@grpc/grpc-js";
import type { Head } from "../../client/head.ts";
import { headOver } from "../../client/head-grpc.ts";
import type { Cloud } from "../../clouds/cloud.ts";
import { createFleets, type Fleets } from "../../clouds/fleets-actor.ts";
import { homeCluster } from "../../clouds/home-records.ts";
import { headNode } from "../../model/address.ts";
import { SkyError } from "../../model/errors.ts";
import { type Home, homeAt } from "../../model/home.ts";
import { dialHead, type HeadClient } from "../../proto/client-grpc.ts";
import { closeGrpcServer, createGrpcServer, listenGrpc } from "../../proto/server-grpc.ts";
import { createBusHub } from "../../runtime/bus-memory.ts";
import { headPermissions } from "../../runtime/bus-permissions.ts";
import { createOsClock } from "../../runtime/clock-os.ts";
import { createMemoryLog } from "../../runtime/log-memory.ts";
import { createMetrics } from "../../runtime/metrics.ts";
import { createOsRandom } from "../../runtime/random-os.ts";
import { listenPrivately, type SocketAddress } from "../../runtime/socket-os.ts";
import type { OpenTunnel, Ssh, SshStream, SshTunnel } from "../../runtime/ssh.ts";
import { createMemoryStore } from "../../runtime/store-memory.ts";
import { createSystem } from "../../runtime/system-actor.ts";
import { addHeadServices } from "../../scheduler/api-grpc.ts";
import { headsOfAll } from "../../scheduler/remote/heads-route.ts";
import type { RemoteHeads } from "../../scheduler/remote/remote.ts";
import { createRemoteHeads } from "../../scheduler/remote/remote-heads-grpc.ts";
import { createSourceMemory } from "../../scheduler/source-memory.ts";
import { createMemoryContentStore } from "../../transfer/chunks/content-store-memory.ts";
import { ContentCutter } from "../../transfer/chunks/cut-content.ts";
import { createInlineWork } from "../../transfer/chunks/work-inline.ts";
import { createInlineReading } from "../../transfer/tree/reading-inline-os.ts";
import { type HostedCluster, hostedCluster } from "./hosted.ts";
import { isAlive, processesOf } from "./processes.ts";
import { type FaultProxy, startFaultProxy } from "./proxy.ts";
import { until } from "./until.ts";

export interface RemoteStage {
  readonly hosts: HostedCluster;
  readonly home: Home;
  /** The home's, as clients see it. */
  readonly head: Head;
  readonly client: HeadClient;
  readonly fleets: Fleets;
  readonly remote: RemoteHeads;
  readonly log: ReturnType<typeof createMemoryLog>;
  readonly tunnels: Tunnels;
  /** What the cloud was asked for. */
  readonly asked: readonly string[];
  /** The cloud cannot reach the hosts. */
  lost: boolean;
  launch(): Promise<void>;
  killHead(): Promise<void>;
}

export async function remoteStage(context: TestContext, numNodes = 1): Promise<RemoteStage> {
  const stage = new Stage(context, numNodes);
  await stage.open();
  return stage;
}

const signal = new AbortController().signal;
const user = "ann";

class Stage implements RemoteStage {
  readonly hosts: HostedCluster;
  readonly home: Home;
  readonly head: Head;
  readonly client: HeadClient;
  readonly fleets: Fleets;
  readonly remote: RemoteHeads;
  readonly log = createMemoryLog();
  readonly tunnels = new Tunnels();
  readonly asked: string[] = [];
  lost = false;
  readonly #server = createGrpcServer();
  readonly #root: string;
  readonly #store = createMemoryStore();
  readonly #clock = createOsClock();
  readonly #random = createOsRandom();
  readonly #cloud: Cloud;
  readonly #system: ReturnType<typeof createSystem>;
  #address: SocketAddress | undefined;

  constructor(context: TestContext, numNodes: number) {
    // Before the programs on the hosts end, which would be started again.
    context.after(() => this.#close());
    this.hosts = hostedCluster(context, numNodes);
    this.#root = mkdtempSync(join(tmpdir(), "remote-"));
    this.home = homeAt(this.#root);
    this.#cloud = cloudOf(this);
    const [clock, random, log, store] = [this.#clock, this.#random, this.log, this.#store];
    const bus = createBusHub().connect(headNode, headPermissions(homeCluster));
    this.#system = createSystem({
      ...{ clock, random, log, store, bus, metrics: createMetrics() },
      ...{ cluster: homeCluster, node: headNode, incarnation: 1 },
    });
    this.remote = createRemoteHeads({
      ...{ home: this.home, clock, random, log, store, ssh: this.tunnels },
      ...{ chunks: createMemoryContentStore(), work: createInlineWork() },
      reading: createInlineReading({ newCutter: () => new ContentCutter() }),
      memory: createSourceMemory(),
      fleets: {
        record: (name) => this.fleets.record(name),
        alive: (name, nodes) => this.fleets.alive(name, nodes),
        windDown: (name, verb, cause) => this.fleets.windDown(name, verb, cause),
      },
      hosting: () => this.#cloud.heads,
      endPatienceMs: 500,
    });
    const { remote } = this;
    const heads = headsOfAll({ here: remote, remote, isRemote: () => true });
    const cloud = (): Cloud => this.#cloud;
    this.fleets = createFleets({ system: this.#system, store, ports: { cloud, heads } });
    this.client = dialHead(`unix:${this.home.socket}`);
    this.head = headOver(async () => dialHead(`unix:${this.home.socket}`));
  }

  async open(): Promise<void> {
    const server = this.#server;
    addHeadServices(server, {
      ...{ fleets: this.fleets, remote: this.remote, store: this.#store, log: this.log },
      ...{ clock: this.#clock, isolation: "process" },
      // The cluster's token: that of the files that lie on its hosts.
      random: { ...this.#random, bytes: () => Buffer.from(this.hosts.token, "hex") },
      heads: { get: () => undefined, whenOpen: async () => undefined },
      cloud: () => this.#cloud,
      about: { version: "0", pid: process.pid, home: this.home.root, startedAt: 0 },
      inspect: () => ({ pid: process.pid }),
      enter: () => () => {},
    });
    this.#address = await listenPrivately(this.home.socket, (path) =>
      listenGrpc(server, `unix:${path}`, ServerCredentials.createInsecure()),
    );
  }

  async #close(): Promise<void> {
    this.head.close();
    this.client.close();
    await closeGrpcServer(this.#server, 0);
    this.#address?.release();
    await this.#system.close("the test is over");
    await this.remote.closeAll();
    await this.tunnels.close();
    rmSync(this.#root, { recursive: true, force: true });
  }

  async launch(): Promise<void> {
    const wanted = { cluster: "demo", numNodes: this.hosts.hosts.length, cloud: "ssh", user };
    for await (const _ of this.client.clusters.launch(wanted, { signal }));
  }

  async killHead(): Promise<void> {
    const mark = "--hosted";
    const heads = processesOf(this.hosts.folder).filter(({ command }) => command.includes(mark));
    for (const { pid } of heads) process.kill(pid, "SIGKILL");
    await until("the head is dead", () => heads.every(({ pid }) => !isAlive(pid)));
  }
}

/** Machines are up when they were launched, and their programs run as long as they are to. */
function cloudOf(stage: RemoteStage & { readonly asked: string[] }): Cloud {
  const phases = new Map<string, "up" | "stopped">();
  const { hosts, asked } = stage;
  const [first] = hosts.hosts;
  const headDir = `${first?.dir}/head`;
  const target = { host: "host0" };
  const place = { host: "host0", target, home: headDir, socket: homeAt(headDir).socket };
  const capacity = { cpus: 2, memoryBytes: 2 ** 30, accelerators: [] };
  const start = starting(stage, phases);
  return {
    name: "ssh",
    heads: {
      placeOf: async () => place,
      openHead: async () => {
        asked.push("openHead");
        rmSync(`${first?.dir}/ended`, { force: true });
        if (!runs(hosts, "--hosted")) hosts.startHead();
        return place;
      },
      endOf: async () => {
        asked.push("endOf");
        if (stage.lost) throw new SkyError("ssh/unreachable", { host: "host0", why: "it is lost" });
        return first?.ended();
      },
      revive: async (_, nodes) => {
        asked.push(`revive ${nodes.join(" ")}`);
      },
    },
    find: async ({ numNodes }) => ({
      region: "lab",
      leftOut: [],
      nodes: hosts.hosts.slice(0, numNodes).map(({ ip }, index) => {
        return { host: `host${index}`, ip, target, arch: "x64", capacity };
      }),
    }),
    launch: ({ nodes }) => start(nodes.map(({ id }) => id)),
    start: (ids) => start(ids),
    stop: async (ids) => {
      for (const id of ids) phases.set(id, "stopped");
    },
    terminate: async (ids) => {
      for (const id of ids) phases.delete(id);
    },
    list: async () =>
      [...phases].map(([node, phase]) => {
        const ip = hosts.hosts.find((host) => host.node === node)?.ip ?? "";
        return { id: node, node, ip, phase };
      }),
  };
}

/** A fleet asks again for what is not listed yet, also while it is being started. */
function starting(
  stage: Pick<RemoteStage, "hosts" | "remote">,
  phases: Map<string, "up" | "stopped">,
): (nodes: readonly string[]) => Promise<void> {
  const { hosts } = stage;
  const begun = new Map<string, Promise<void>>();
  const startOne = async (node: string): Promise<void> => {
    const index = hosts.hosts.findIndex((host) => host.node === node);
    const { dir = "" } = hosts.hosts[index] ?? {};
    if (runs(hosts, `host ${dir}`)) return;
    rmSync(`${dir}/ended`, { force: true });
    hosts.writeHostFile(index, await stage.remote.invite("demo", node, signal));
    hosts.startNode(index);
    phases.set(node, "up");
  };
  return async (nodes) => {
    for (const node of nodes) {
      const one = begun.get(node) ?? startOne(node).finally(() => void begun.delete(node));
      begun.set(node, one);
      await one;
    }
  };
}

function runs({ folder }: HostedCluster, what: string): boolean {
  return processesOf(folder).some(({ command }) => command.includes(what));
}

/** Tunnels that are proxies on this machine, and scripts that its own shell runs. */
export class Tunnels implements Pick<Ssh, "tunnel" | "open" | "run"> {
  readonly #open = new Set<{ proxy: FaultProxy; end: (why: string) => void; isBulk: boolean }>();
  /** New ones fail. */
  down = false;
  /** Nobody answers at their other ends. */
  deaf = false;
  /** Before a tunnel of the bulk wire is closed. */
  beforeBulkEnds: () => Promise<void> = async () => {};
  bulkOpened = 0;

  async tunnel(_: unknown, { local, remote }: SshTunnel): Promise<OpenTunnel> {
    if (this.down) throw new SkyError("ssh/unreachable", { host: "host0", why: "it is down" });
    const to = typeof remote === "string" ? { path: remote } : remote;
    const proxy = await startFaultProxy({
      listen: { path: local },
      target: () => (this.deaf ? undefined : to),
    });
    const ended = Promise.withResolvers<string>();
    const isBulk = typeof remote !== "string";
    if (isBulk) this.bulkOpened += 1;
    const one = { proxy, end: ended.resolve, isBulk };
    this.#open.add(one);
    return {
      ended: ended.promise,
      close: async () => {
        if (isBulk) await this.beforeBulkEnds();
        this.#open.delete(one);
        await proxy.close();
        rmSync(local, { force: true });
        ended.resolve("it was closed");
      },
    };
  }

  /** The connection to the host is gone. Gives how many tunnels went with it. */
  break(why = "the network is gone"): number {
    const all = [...this.#open];
    for (const { proxy, end } of all) {
      proxy.cut();
      end(why);
    }
    return all.length;
  }

  /** Connections through them break, and can be made again. */
  cut(): void {
    for (const { proxy } of this.#open) proxy.cut();
  }

  freeze(): void {
    for (const { proxy } of this.#open) proxy.freeze();
  }

  async run(_: unknown, call: Parameters<Ssh["run"]>[1]) {
    const { stdout, ended } = await this.open(_, call);
    let text = "";
    for await (const part of stdout) text += part;
    const { code, stderr } = await ended;
    return { code, stderr, stdout: text };
  }

  async open(_: unknown, { script, args = [] }: Parameters<Ssh["open"]>[1]): Promise<SshStream> {
    const child = spawn("sh", ["-c", script, "sh", ...args], { stdio: "pipe" });
    let stderr = "";
    child.stderr.on("data", (part) => {
      stderr += part;
    });
    const ended = new Promise<{ code: number; stderr: string }>((resolve) => {
      child.once("close", (code) => resolve({ code: code ?? 255, stderr }));
    });
    const [stdin, stdout] = [child.stdin as Writable, child.stdout as Readable];
    return { stdin, stdout, ended };
  }

  async close(): Promise<void> {
    await Promise.all([...this.#open].map(({ proxy }) => proxy.close()));
  }
}
