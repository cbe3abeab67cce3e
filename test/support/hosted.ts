// A cluster on hosts, without SSH: each host is a folder with a HOME and an address of its own, and
// what a supervisor would start is started here, by hand, with files that are made by hand.
//
// Nothing is started again by itself: a test that kills something starts it anew, or not.

import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { Head } from "../../client/head.ts";
import { headOver } from "../../client/head-grpc.ts";
import { defaultConfig } from "../../model/config.ts";
import type { HeadFile, HostEnd, HostFile, Invitation } from "../../model/host-file.ts";
import { headSettings, hostFolderName } from "../../model/host-file.ts";
import { nodeId } from "../../model/ids.ts";
import type { Job } from "../../model/job.ts";
import type { Task } from "../../model/task.ts";
import { dialHead, type HeadClient } from "../../proto/client-grpc.ts";
import { socketAddress } from "../../runtime/socket-os.ts";
import { isAlive, processesOf } from "./processes.ts";
import { program } from "./programs.ts";
import { until } from "./until.ts";

export interface HostedCluster {
  readonly name: string;
  readonly token: string;
  /** Of all hosts. */
  readonly folder: string;
  readonly hosts: readonly TestHost[];
  readonly head: Head;
  readonly client: HeadClient;
  startHead(): ChildProcess;
  startNode(index: number): ChildProcess;
  /** Tells the head of its hosts, as often as one likes. */
  host(): Promise<void>;
  invite(index: number): Promise<Invitation>;
  writeHostFile(index: number, invitation: Invitation): void;
  /** All of it: resolves when it is up. */
  launch(): Promise<void>;
  /** Resolves when a head that was started takes calls. */
  listening(): Promise<void>;
  status(): Promise<string | undefined>;
  submit(task: Partial<Task>): Promise<number>;
  jobStatus(id: number): Promise<string>;
  jobEnd(id: number): Promise<Job>;
  /** What the programs wrote. */
  logs(): string;
  /** Where the nats-server has its files. */
  busFolder(): string;
}

export interface TestHost {
  readonly node: string;
  readonly ip: string;
  /** HOME of the login. */
  readonly home: string;
  /** The cluster's folder. */
  readonly dir: string;
  ended(): HostEnd | undefined;
}

const never = new AbortController().signal;
const user = "ann";
/** What its head may keep, as the home of the cluster says. */
export const chunkBytesOfHome = 777_777_777;

/** `ip`: of all hosts, if they are to share one. */
export function hostedCluster(t: TestContext, numNodes = 2, ip?: string): HostedCluster {
  const folder = mkdtempSync(join(tmpdir(), "hosted-"));
  const cluster = new Hosted(folder, numNodes, ip);
  t.after(() => cluster.close());
  return cluster;
}

class Hosted implements HostedCluster {
  readonly name = "demo";
  /** Clusters of two tests must not meet: outside of their folders they are known by this. */
  readonly token: string;
  readonly folder: string;
  readonly hosts: readonly TestHost[];
  readonly client: HeadClient;
  readonly head: Head;
  readonly #address: ReturnType<typeof socketAddress>;
  readonly #invitations = new Map<number, number>();

  constructor(folder: string, numNodes: number, ip: string | undefined) {
    this.folder = folder;
    this.token = createHash("sha256").update(folder).digest("hex").slice(0, 32);
    // Those of two tests must not meet.
    const net = (process.pid % 250) + 1;
    this.hosts = Array.from({ length: numNodes }, (_, index) =>
      this.#host(ip ?? `127.77.${net}.${index + 1}`, index),
    );
    const dir = `${this.#dirOf(0)}/head/head`;
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    this.#address = socketAddress(`${dir}/api.sock`);
    this.client = dialHead(`unix:${this.#address.path}`);
    this.head = headOver(async () => dialHead(`unix:${this.#address.path}`));
    const file: HeadFile = {
      ...{ cluster: this.name, token: this.token, ip: this.#ipOf(0) },
      natsServer: process.env["NATS_SERVER"] ?? "/usr/sbin/nats-server",
      settings: headSettings({ ...defaultConfig, chunks: { bytes: chunkBytesOfHome } }),
    };
    writeFileSync(`${this.#dirOf(0)}/head.json`, JSON.stringify(file), { mode: 0o600 });
  }

  startHead(): ChildProcess {
    return this.#start(0, [...program("skyhead"), "--hosted", this.#dirOf(0)]);
  }

  startNode(index: number): ChildProcess {
    return this.#start(index, [...program("skylet"), "host", this.#dirOf(index)]);
  }

  async host(): Promise<void> {
    const nodes = this.hosts.map(({ node: id, ip }, index) => {
      return { id, index, ip, host: `host${index}`, capacity: { ...capacity, accelerators: [] } };
    });
    const request = { cluster: this.name, token: this.token, nodes, command: "launch", user };
    await this.client.hosts.host(request, { timeoutMs: 20_000 });
  }

  async invite(index: number): Promise<Invitation> {
    const request = { cluster: this.name, node: nodeId(index) };
    return await this.client.hosts.invite(request, { timeoutMs: 20_000 });
  }

  writeHostFile(index: number, invitation: Invitation): void {
    const incarnation = (this.#invitations.get(index) ?? 0) + 1;
    this.#invitations.set(index, incarnation);
    const file: HostFile = {
      ...{ cluster: this.name, token: this.token, node: nodeId(index), index, capacity },
      ...{ ip: this.#ipOf(index), workdir: "sky_workdir", chunkBytes: 2 ** 30, incarnation },
      invitation,
    };
    writeFileSync(`${this.#dirOf(index)}/host.json`, JSON.stringify(file), { mode: 0o600 });
  }

  async launch(): Promise<void> {
    for (const { dir } of this.hosts) rmSync(`${dir}/ended`, { force: true });
    this.startHead();
    await this.listening();
    await this.host();
    for (const index of this.hosts.keys()) {
      this.writeHostFile(index, await this.invite(index));
      this.startNode(index);
    }
    await until("it is up", async () => (await this.status()) === "UP", {
      describe: () => this.logs(),
    });
  }

  async listening(): Promise<void> {
    await until("the head listens", async () => {
      const [asked] = await Promise.allSettled([
        this.client.debug.version({}, { timeoutMs: 5_000 }),
      ]);
      return asked.status === "fulfilled";
    });
  }

  async status(): Promise<string | undefined> {
    const [cluster] = await this.head.status([], never);
    return cluster?.status;
  }

  async submit(task: Partial<Task>): Promise<number> {
    const whole: Task = {
      ...{ numNodes: 1, resources: {}, envs: {}, secrets: {}, priority: 0, maxRestarts: 0 },
      ...task,
    };
    const about = { cluster: this.name, user, command: "exec", noSetup: false, allNodes: false };
    const submission = { ...about, tasks: [whole], idempotencyKey: crypto.randomUUID() };
    const [id = 0] = await this.head.submit(submission, never);
    return id;
  }

  async jobStatus(id: number): Promise<string> {
    return (await this.head.getJob({ cluster: this.name, job: id }, never)).status;
  }

  busFolder(): string {
    const dir = this.#dirOf(0);
    return readIfThere(`${dir}/bus-folder`).trim() || `${dir}/head/head/bus`;
  }

  async jobEnd(id: number): Promise<Job> {
    return await until("the job has ended", async () => {
      const job = await this.head.getJob({ cluster: this.name, job: id }, never);
      return job.phase === "ended" ? job : undefined;
    });
  }

  logs(): string {
    return this.hosts.map(({ dir }) => `${dir}:\n${readIfThere(`${dir}/out.log`)}`).join("\n");
  }

  async close(): Promise<void> {
    await this.head.close();
    this.client.close();
    this.#address.release();
    const left = processesOf(this.folder).filter(({ pid }) => isAlive(pid));
    for (const { pid } of left) signal(pid);
    await until("its processes have ended", () => processesOf(this.folder).length === 0);
    const bus = this.busFolder();
    for (const { pid } of processesOf(bus)) signal(pid);
    if (bus.startsWith("/var/lib/skylet/")) rmSync(bus, { recursive: true, force: true });
    rmSync(this.folder, { recursive: true, force: true });
  }

  #start(index: number, [node = "", ...args]: readonly string[]): ChildProcess {
    const log = `${this.#dirOf(index)}/out.log`;
    const { home } = this.hosts[index] ?? { home: this.folder };
    const child = spawn("sh", ["-c", `exec "$@" >>'${log}' 2>&1`, "sh", node, ...args], {
      cwd: this.#dirOf(index),
      env: { PATH: process.env["PATH"] ?? "", HOME: home, ...this.#marks(index) },
      stdio: "ignore",
    });
    return child;
  }

  /** As the supervisor says it. */
  #marks(index: number): Readonly<Record<string, string>> {
    const dir = this.#dirOf(index);
    return { SKY_HOME: dir, SKYLET_HOST: `${dir}/` };
  }

  #host(ip: string, index: number): TestHost {
    const home = `${this.folder}/host${index}`;
    const dir = `${home}/.skylet/clusters/${hostFolderName(this.name, this.token)}`;
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    const ended = (): HostEnd | undefined =>
      existsSync(`${dir}/ended`) ? JSON.parse(readFileSync(`${dir}/ended`, "utf8")) : undefined;
    return { node: nodeId(index), ip, home, dir, ended };
  }

  #dirOf(index: number): string {
    return this.hosts[index]?.dir ?? "";
  }

  #ipOf(index: number): string {
    return this.hosts[index]?.ip ?? "";
  }
}

const capacity = { cpus: 2, memoryBytes: 2 ** 30, accelerators: [] } as const;

function readIfThere(path: string): string {
  return existsSync(path) ? readFileSync(path, "utf8") : "";
}

function signal(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    // It ended between the look and the signal.
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
