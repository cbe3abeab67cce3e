// One host of a lab: a process tree, a disk, a name, an address and an OpenSSH server of its own.
//
// What runs on it is below one process, its init, in a PID namespace of its own: a halt is the end
// of that process. The disk belongs to the lab and outlives reboots. The host's clocks since boot
// start anew with each boot, through a time namespace, as its boot id does: nothing on it can tell
// that the kernel below is another's.

import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { until } from "../support/until.ts";
import { bytesSent, Cable } from "./lab-network.ts";
import type { HostOptions } from "./lab-options.ts";
import { childOf, killOne, type Ran, type RunOptions, run, startOf, toolPath } from "./lab-run.ts";
import {
  asNow,
  type HostProcess,
  type Left,
  leftSince,
  processesIn,
  type Snapshot,
  snapshotOf,
  type Where,
} from "./lab-sweep.ts";

const scripts = import.meta.dirname;

/** How long the machine had been up when the lab gets it. */
const uptimeAtStartS = 1_000;

export interface HostPlace {
  readonly index: number;
  readonly keeper: number;
  /** The lab's folder, which is a disk of its own as the lab sees it. */
  readonly lab: string;
  readonly address: string;
  readonly client: string;
  readonly peers: string;
  readonly key: string;
  /** Where the host's control group is, if hosts have any. */
  readonly cgroup: string | undefined;
}

export interface ExecOptions extends RunOptions {
  /** Root, otherwise. */
  readonly user?: string;
}

export class Host {
  readonly name: string;
  readonly address: string;
  readonly sshPort: number;
  readonly user: string;
  /** The user's home, on the host. */
  readonly home: string;
  readonly options: HostOptions;
  readonly #place: HostPlace;
  readonly #cable: Cable;
  readonly #folder: string;
  #running: Running | undefined;
  #before: Snapshot | undefined;

  constructor(place: HostPlace, options: HostOptions) {
    this.name = options.name;
    this.address = place.address;
    this.sshPort = options.sshPort;
    this.user = options.users[0] ?? "ada";
    this.home = `/home/${this.user}`;
    this.options = options;
    this.#place = place;
    this.#cable = new Cable(place.keeper, place.index);
    this.#folder = join(place.lab, `host${place.index}`);
  }

  /** Its init's pid as this process sees it. */
  get pid(): number {
    return this.#up().init;
  }

  /** A path on the host, as this process reaches it. */
  path(path: string): string {
    return `/proc/${this.pid}/root${path}`;
  }

  /** Makes the disk and boots for the first time. */
  async start(): Promise<void> {
    const keeper = ["nsenter", "--target", String(this.#place.keeper), "--mount", "--pid"];
    await run([...keeper, "sh", join(scripts, "lab-disk.sh")], { env: this.#diskEnv() });
    await this.changeHostKey();
    await this.boot(uptimeAtStartS * (this.#place.index + 1));
    this.#before = snapshotOf(this.#seenBySweep());
  }

  /** Boots a host that is down. */
  async boot(uptimeS = 1): Promise<void> {
    writeFileSync(this.#seen("boot_id"), `${randomUUID()}\n`);
    if (this.#place.cgroup !== undefined) {
      mkdirSync(this.#place.cgroup, { recursive: true });
      writeFileSync(this.#seen("cgroup"), "");
    }
    const { shared, unshared } = this.options;
    // By a file: a command line that names the folder would count as a process of its owner's.
    if (shared !== "") writeFileSync(this.#seen("shared"), `${shared}\n${unshared}\n`);
    const child = spawn("nsenter", this.#bootCommand(uptimeS), {
      stdio: ["pipe", "pipe", "pipe"],
      env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
      detached: true,
    });
    await said(child, "mounted");
    // The shell that made the cgroup its own has become unshare, whose child is the host's init.
    const init = childOf(child.pid ?? -1, 2);
    this.#running = { child, init, start: startOf(init) };
    const unseen = this.options.hidden ? this.#place.client : undefined;
    await this.#cable.plugIn(init, this.address, unseen);
    child.stdin?.write("go\n");
    await this.answers();
  }

  /** Ends everything on the host. Its disk stays. */
  async halt(): Promise<void> {
    const { child, init, start } = this.#up();
    await this.#cable.unplug();
    killOne(init, start);
    if (child.exitCode === null && child.signalCode === null) {
      await new Promise((resolve) => child.once("exit", resolve));
    }
    this.#running = undefined;
  }

  async reboot(): Promise<void> {
    await this.halt();
    await this.boot();
  }

  /** Waits until its sshd takes connections. A host behind a cut cable is asked from inside. */
  async answers(): Promise<void> {
    await until(`sshd of ${this.name} answers`, () => this.#listens(), {
      describe: () => this.log(),
    });
  }

  /** Runs a script of the host's sh on it, beside sshd: for looking and for breaking things. */
  async exec(script: string, options: ExecOptions = {}): Promise<Ran> {
    const { user, ...rest } = options;
    const number = user === undefined ? -1_000 : this.options.users.indexOf(user);
    if (number === -1) throw new Error(`${this.name} has no user ${user}`);
    const id = 1_000 + number;
    const home = user === undefined ? "/root" : `/home/${user}`;
    const spaces = ["--mount", "--uts", "--ipc", "--net", "--pid", "--time", "--cgroup"];
    const become = ["--setgid", String(id), "--setuid", String(id)];
    const env = ["env", "-i", `HOME=${home}`, "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"];
    const enter = ["nsenter", "--target", String(this.pid), ...spaces, ...become, ...env];
    return run([...enter, "/bin/sh", "-c", `cd "$HOME"; ${script}`], rest);
  }

  /** Nothing passes to or from the host, and nobody is told. */
  async cutLink(): Promise<void> {
    await this.#cable.cut();
  }

  async healLink(): Promise<void> {
    await this.#cable.heal();
  }

  /** At most so many bytes a second each way; without a number, no limit. */
  async throttle(bytesPerSecond?: number): Promise<void> {
    await this.#cable.throttle(this.pid, bytesPerSecond);
  }

  /** A new key under the same address, as after a new installation. */
  async changeHostKey(): Promise<void> {
    const path = this.#seen("disk/etc/ssh/ssh_host_ed25519_key");
    await run(["rm", "-f", path, `${path}.pub`]);
    await run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", this.name, "-f", path]);
    if (this.#running === undefined) return;
    const listeners = this.processes().filter(({ command }) => command.includes("[listener]"));
    for (const { pid } of listeners) this.kill(pid);
    const isOver = () => listeners.every(({ pid, start }) => startOf(pid) !== start);
    await until(`the sshd of ${this.name} has ended`, isOver);
    await this.answers();
    // The new key is how the host is from now on.
    if (this.#before !== undefined) this.#before = asNow(this.#before, this.pid, /ssh_host_/);
  }

  /** The key as a line of known_hosts has it: kind and base64. */
  publicKey(): string {
    const [kind, key] = readFileSync(this.path("/etc/ssh/ssh_host_ed25519_key.pub"), "utf8").split(
      " ",
    );
    return `${kind} ${key}`;
  }

  /** Takes the disk (or the home, if that is limited) until the user has this much left. */
  async fillDisk(leftKib = 0): Promise<void> {
    const free = `df -k --output=avail ${this.home} | tail -1 | tr -d " "`;
    const file = `${this.home}/.lab-filling`;
    // In one piece first, because that is quick, and then what is left to the last byte.
    const rest = leftKib > 0 ? "" : `; cat /dev/zero >>${file} || :`;
    await this.exec(`fallocate -l $(( $(${free}) - ${leftKib} ))k ${file}${rest}`);
  }

  async emptyDisk(): Promise<void> {
    await this.exec(`rm -f ${this.home}/.lab-filling`);
  }

  /** What is on the host that was not there when it was new, or not as it was. */
  sweep(): Left {
    if (this.#before === undefined) throw new Error(`${this.name} was never started`);
    return leftSince(this.#before, this.#seenBySweep());
  }

  /** Every process of the host, with its pid as this process sees it. */
  processes(): readonly HostProcess[] {
    return processesIn(this.pid);
  }

  /** Ends one of the host's processes at once, as the kernel does when memory runs out. */
  kill(pid: number): void {
    killOne(pid, this.processes().find((one) => one.pid === pid)?.start);
  }

  /** Bytes that left the host since it booted. */
  sentBytes(): number {
    return bytesSent(`/proc/${this.pid}/net/dev`, "eth0");
  }

  /** What its init and its sshd said. */
  log(): string {
    return readFileSync(this.#seen("log"), "utf8");
  }

  #seenBySweep(): Where {
    return { init: this.pid, sshPort: this.sshPort, cgroup: this.#place.cgroup };
  }

  /** A file of the lab's about this host, as this process reaches it. */
  #seen(name: string): string {
    return join(`/proc/${this.#place.keeper}/root${this.#folder}`, name);
  }

  #up(): Running {
    if (this.#running === undefined) throw new Error(`${this.name} is down`);
    return this.#running;
  }

  #bootCommand(uptimeS: number): readonly string[] {
    const { keeper, cgroup } = this.#place;
    const isKept = ["--target", String(keeper), "--mount", "--net", "--pid"];
    const offset = uptimeS - Math.floor(Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]));
    const spaces = [
      "--mount",
      "--uts",
      "--ipc",
      "--net",
      "--pid",
      "--time",
      "--propagation",
      "private",
    ];
    const clocks = ["--monotonic", String(offset), "--boottime", String(offset)];
    const own = cgroup === undefined ? [] : ["--cgroup"];
    const unshare = ["unshare", ...spaces, ...own, ...clocks, "--fork", "--kill-child"];
    const init = join(scripts, "lab-init.sh");
    const enter = 'if [ -n "$1" ]; then echo 0 >"$1/cgroup.procs"; fi; shift; exec "$@"';
    const command = [...unshare, "sh", init, this.#folder, this.name];
    return [...isKept, "sh", "-c", enter, "sh", cgroup ?? "", ...command];
  }

  #diskEnv(): Record<string, string> {
    const { options } = this;
    return {
      PATH: toolPath(),
      DIR: this.#folder,
      NAME: this.name,
      ADDRESS: this.address,
      PORT: String(this.sshPort),
      DISK_MIB: String(options.diskMib),
      HOME_MIB: String(options.homeMib),
      READ_ONLY_HOME: options.readOnlyHome ? "yes" : "no",
      USERS: options.users.join(" "),
      LOGIN_SHELL: options.loginShell,
      WITHOUT: options.without.join(" "),
      LOGIN: options.login,
      PASSWORD_HASH: "*",
      KEY: this.#place.key,
      PEERS: this.#place.peers,
      CLOCK_OFFSET_S: String(options.clockOffsetS),
      GLIBC: options.glibc,
      CPUS: String(options.cpus),
      GPUS: String(options.gpus),
      GPU_NAME: options.gpuName,
      KEEPER: options.keeper,
    };
  }

  async #listens(): Promise<boolean> {
    if (this.#up().child.exitCode !== null) {
      throw new Error(`${this.name} ended at once:\n${this.log()}`);
    }
    const sockets = readFileSync(`/proc/${this.pid}/net/tcp`, "utf8");
    const port = this.sshPort.toString(16).toUpperCase().padStart(4, "0");
    return new RegExp(`: [0-9A-F]{8}:${port} [0-9A-F:]+ 0A `).test(sockets);
  }
}

interface Running {
  readonly child: ChildProcess;
  readonly init: number;
  readonly start: string | undefined;
}

/** Whether a TCP connection from here is taken. */
export function takesConnections(address: string, port: number, timeoutMs = 300): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port, timeout: timeoutMs });
    const end = (taken: boolean): void => {
      socket.destroy();
      resolve(taken);
    };
    socket.once("connect", () => end(true));
    socket.once("timeout", () => end(false));
    socket.once("error", () => end(false));
  });
}

/** Waits for a line of a child's output; fails with the rest if it ends first. */
export function said(child: ChildProcess, line: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let text = "";
    const hear = (bytes: Buffer): void => {
      text += bytes.toString();
      if (text.includes(`${line}\n`)) resolve();
    };
    child.stdout?.on("data", hear);
    child.stderr?.on("data", hear);
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`ended with ${code} before "${line}": ${text}`)));
  });
}
