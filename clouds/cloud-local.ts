// The local cloud: a node is a folder of this machine, with an agent and an address of its own.
//
// `list` tells what is on disk and which agents run; an agent that ends on its own is started
// again, with a growing delay. Stopping a node ends its agent and keeps the folder; terminating
// removes the folder. Ranks are none of this file's business: the scheduler has ended them before.
//
// What must always hold: a folder is listed from before its agent starts until after it ended; no
// two nodes of a home share an address.

import { mkdir, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { errorText } from "../model/errors.ts";
import type { ClusterHome, Home, NodeHome } from "../model/home.ts";
import { removeFileLinks } from "../runtime/file-links-os.ts";
import type { Log } from "../runtime/log.ts";
import { removeTree } from "../runtime/removal-os.ts";
import type { Cloud, Machine, MachineRequest } from "./cloud.ts";
import type { LocalMachine } from "./local-machine.ts";
import { declaredCapacity, decodeMachine, encodeMachine } from "./local-machine.ts";
import { loopbackAddress } from "./loopback.ts";
import type { NodeStarter, RunningNode } from "./node-starter.ts";

export interface LocalCloudOptions {
  readonly home: Home;
  readonly starter: NodeStarter;
  /** What this machine has in all. */
  readonly machine: { readonly cpus: number; readonly memoryBytes: number };
  /** Whether every address of 127.0.0.0/8 can be used. */
  readonly loopbackNet: boolean;
  readonly log: Log;
}

export interface LocalCloud extends Cloud {
  readonly stop: NonNullable<Cloud["stop"]>;
  readonly start: NonNullable<Cloud["start"]>;
  readonly declare: NonNullable<Cloud["declare"]>;
  readonly pricePerHour: NonNullable<Cloud["pricePerHour"]>;
  /** Ends all agents and keeps everything: the head is closing. */
  close(): Promise<void>;
}

export function createLocalCloud(options: LocalCloudOptions): LocalCloud {
  return new FolderCloud(options);
}

/** A node whose agent is meant to run. */
interface Kept {
  phase: "starting" | "up";
  readonly stop: AbortController;
  readonly gone: Promise<void>;
}

const restartMsMin = 100;
const restartMsMax = 5_000;
/** An agent that lived this long starts again at once. */
const steadyMs = 10_000;

class FolderCloud implements LocalCloud {
  readonly name = "local";
  readonly #options: LocalCloudOptions;
  readonly #kept = new Map<string, Kept>();
  /** One change of the folders at a time: addresses must not be given twice. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: LocalCloudOptions) {
    this.#options = options;
  }

  /** The machine is the user's own. */
  pricePerHour = (): number => 0;

  declare: LocalCloud["declare"] = (asked, numNodes) =>
    declaredCapacity(this.#options.machine, asked, numNodes);

  launch(request: MachineRequest): Promise<void> {
    return this.#inTurn(async () => {
      const taken = await this.#addresses();
      for (const node of request.nodes) {
        const found = await this.#read(request.cluster, node.id);
        if (found?.token !== request.token) {
          const ip = this.#address(request.cluster, node.index, taken);
          taken.add(ip);
          // An agent may still run in a folder that was removed under it.
          await this.#let(`${request.cluster}/${node.id}`);
          const { index, capacity } = node;
          await this.#create(request.cluster, node.id, {
            token: request.token,
            index,
            ip,
            capacity,
          });
        }
        this.#keep(`${request.cluster}/${node.id}`);
      }
    });
  }

  /** In turn with the others: a folder that is being made is no folder that was cut off. */
  list(cluster: string): Promise<readonly Machine[]> {
    return this.#inTurn(async () => {
      const machines: Machine[] = [];
      for (const node of await this.#nodes(cluster)) {
        const found = await this.#read(cluster, node);
        const id = `${cluster}/${node}`;
        const phase = this.#kept.get(id)?.phase ?? "stopped";
        if (found !== undefined) machines.push({ id, node, ip: found.ip, phase });
        // A folder without a machine in it was cut off while it was made or removed.
        else if (!this.#kept.has(id)) machines.push({ id, node: "", ip: "", phase });
      }
      return [...machines, ...this.#bereft(cluster, machines)];
    });
  }

  start = (ids: readonly string[]): Promise<void> =>
    this.#inTurn(async () => {
      for (const id of ids) this.#keep(id);
    });

  stop = async (ids: readonly string[]): Promise<void> => {
    await Promise.all(ids.map((id) => this.#let(id)));
  };

  async terminate(ids: readonly string[]): Promise<void> {
    await this.stop(ids);
    await this.#inTurn(async () => {
      for (const id of ids) {
        const { cluster, node } = partsOf(id);
        await this.#remove(this.#home(cluster).node(node));
      }
    });
  }

  async close(): Promise<void> {
    await this.stop([...this.#kept.keys()]);
  }

  /** Agents that run on though somebody removed their folders: they may still end their ranks. */
  #bereft(cluster: string, listed: readonly Machine[]): readonly Machine[] {
    const ids = [...this.#kept.keys()].filter(
      (id) => partsOf(id).cluster === cluster && !listed.some((machine) => machine.id === id),
    );
    return ids.map((id) => ({ id, node: partsOf(id).node, ip: "", phase: "gone" }));
  }

  #keep(id: string): void {
    if (this.#kept.has(id)) return;
    const stop = new AbortController();
    const kept: Kept = { phase: "starting", stop, gone: this.#run(id, stop.signal) };
    this.#kept.set(id, kept);
  }

  async #let(id: string): Promise<void> {
    const kept = this.#kept.get(id);
    if (kept === undefined) return;
    kept.stop.abort();
    await kept.gone;
    if (this.#kept.get(id) === kept) this.#kept.delete(id);
  }

  /** Keeps one agent running until `signal` aborts. Never throws. */
  async #run(id: string, signal: AbortSignal): Promise<void> {
    let delayMs = restartMsMin;
    while (!signal.aborted) {
      const startedAt = performance.now();
      const why = await this.#runOnce(id, signal).catch(errorText);
      if (signal.aborted) return;
      if (why === undefined) return this.#drop(id);
      if (performance.now() - startedAt > steadyMs) delayMs = restartMsMin;
      this.#options.log.warn("agent ended; it is started again", { id, why, delayMs });
      await sleep(delayMs, signal);
      delayMs = Math.min(restartMsMax, delayMs * 2);
    }
  }

  /** Its folder was removed: there is no such machine any more. */
  #drop(id: string): void {
    this.#options.log.warn("a node's folder is gone", { id });
    this.#kept.delete(id);
  }

  /** Why the agent ended; `undefined` where there is no folder to run it in. */
  async #runOnce(id: string, signal: AbortSignal): Promise<string | undefined> {
    const { cluster, node } = partsOf(id);
    const machine = await this.#read(cluster, node);
    if (machine === undefined) return undefined;
    const home = this.#home(cluster).node(node);
    for (const dir of [home.home, home.state, home.ranks]) {
      await mkdir(dir, { recursive: true, mode: 0o700 });
    }
    const { index, ip, capacity } = machine;
    const spec = { cluster, id: node, index, ip, capacity, home };
    const running = await this.#options.starter.start(spec, signal);
    this.#mark(id, "up");
    const why = await endedOrAborted(running, signal);
    this.#mark(id, "starting");
    return why;
  }

  #mark(id: string, phase: Kept["phase"]): void {
    const kept = this.#kept.get(id);
    if (kept !== undefined) kept.phase = phase;
  }

  async #create(cluster: string, node: string, machine: LocalMachine): Promise<void> {
    const home = this.#home(cluster).node(node);
    await this.#remove(home);
    await mkdir(home.state, { recursive: true, mode: 0o700 });
    const path = `${home.state}/machine.json`;
    await writeFile(`${path}.new`, encodeMachine(machine), { mode: 0o600, flush: true });
    await rename(`${path}.new`, path);
  }

  /** With the links that lead into it: what is on record of them is in it. */
  async #remove(home: NodeHome): Promise<void> {
    const left = await removeFileLinks(home);
    if (left.length > 0) this.#options.log.warn("links to a node are left", { left });
    await removeTree(home.root);
  }

  async #read(cluster: string, node: string): Promise<LocalMachine | undefined> {
    const path = `${this.#home(cluster).node(node).state}/machine.json`;
    const text = await readFile(path, "utf8").catch(ifMissing);
    return text === undefined ? undefined : decodeMachine(text);
  }

  /** A file is no node of ours. */
  async #nodes(cluster: string): Promise<readonly string[]> {
    const path = `${this.#home(cluster).root}/nodes`;
    const found = (await readdir(path, { withFileTypes: true }).catch(ifMissing)) ?? [];
    return found.filter((entry) => !entry.isFile()).map(({ name }) => name);
  }

  async #addresses(): Promise<Set<string>> {
    const taken = new Set<string>();
    for (const cluster of (await readdir(this.#options.home.clusters).catch(ifMissing)) ?? []) {
      for (const node of await this.#nodes(cluster)) {
        const machine = await this.#read(cluster, node);
        if (machine !== undefined) taken.add(machine.ip);
      }
    }
    return taken;
  }

  #address(cluster: string, index: number, taken: ReadonlySet<string>): string {
    if (!this.#options.loopbackNet) return "127.0.0.1";
    return loopbackAddress({ home: this.#options.home.root, cluster, index, taken });
  }

  #home(cluster: string): ClusterHome {
    return this.#options.home.cluster(cluster);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work, work);
    // The next one goes on whatever became of this one; its caller hears of a failure.
    this.#turn = result.catch(() => {});
    return result;
  }
}

async function endedOrAborted(running: RunningNode, signal: AbortSignal): Promise<string> {
  const aborted = new Promise<string>((resolve) => {
    signal.addEventListener("abort", () => resolve("it was stopped"), { once: true });
    if (signal.aborted) resolve("it was stopped");
  });
  const why = await Promise.race([running.ended, aborted]);
  await running.close();
  return why;
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => [clearTimeout(timer), resolve()], { once: true });
  });
}

function partsOf(id: string): { readonly cluster: string; readonly node: string } {
  const [cluster = "", node = ""] = id.split("/");
  return { cluster, node };
}

function ifMissing(error: NodeJS.ErrnoException): undefined {
  // A file where a cluster's folder belongs holds no nodes.
  if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
  throw error;
}
