// The network of a lab: one bridge inside the lab's network namespace, a cable to each host, and
// one to where the client runs.
//
// Addresses are 10.219.<lab>.<10 + host>; the client is 10.219.<lab>.1. The name of the client's
// link is the claim on a number: the kernel gives a name once, so labs of one machine never meet.
// Hosts have no other route. A cable has the same hardware address after each reboot, as a machine
// has.

import { readFileSync } from "node:fs";
import { run } from "./lab-run.ts";

const labsMax = 200;

export interface LabNetwork {
  /** The link in the namespace of the client. */
  readonly link: string;
  /** Its other end, which goes into the lab. */
  readonly far: string;
  readonly client: string;
  host(index: number): string;
}

/** Claims a number that no other lab of this machine has, and makes the client's cable. */
export async function claimNetwork(): Promise<LabNetwork> {
  for (let number = 1; number <= labsMax; number += 1) {
    const link = `skylab${number}`;
    const far = `skylab${number}c`;
    const command = ["ip", "link", "add", link, "type", "veth", "peer", "name", far];
    const { code, stderr } = await run(command, { mayFail: true });
    if (code === 0) return networkOf(number, link, far);
    if (!/exists/.test(stderr)) throw new Error(`no cable for a lab: ${stderr}`);
  }
  throw new Error(`${labsMax} labs are on this machine already`);
}

function networkOf(number: number, link: string, far: string): LabNetwork {
  const base = `10.219.${number}`;
  return { link, far, client: `${base}.1`, host: (index) => `${base}.${10 + index}` };
}

/** Hands the far end over to the lab and gives the client its address. */
export async function connectClient(network: LabNetwork, keeper: number): Promise<void> {
  const { link, far, client } = network;
  await run(["ip", "link", "set", far, "netns", String(keeper)]);
  await run(["ip", "address", "add", `${client}/24`, "dev", link]);
  await run(["ip", "link", "set", link, "up"]);
}

/** One host's end of its cable and the bridge's. */
export class Cable {
  readonly #keeper: number;
  readonly #index: number;
  readonly #port: string;
  #rate: number | undefined;
  #isCut = false;

  constructor(keeper: number, index: number) {
    this.#keeper = keeper;
    this.#index = index;
    this.#port = `port${index}`;
  }

  /** Plugs the cable into a host that just booted. To `unseen` it will never answer. */
  async plugIn(host: number, address: string, unseen?: string): Promise<void> {
    const mac = `02:5b:1e:00:00:${(10 + this.#index).toString(16).padStart(2, "0")}`;
    const far = `name eth0 address ${mac} netns ${host}`;
    const lines = [
      `link add ${this.#port} type veth peer ${far}`,
      `link set ${this.#port} master br0`,
      ...(this.#isCut ? [] : [`link set ${this.#port} up`]),
    ];
    await this.#atBridge(lines);
    const hole = unseen === undefined ? [] : [`route add blackhole ${unseen}`];
    await batch(host, [`address add ${address}/24 dev eth0`, "link set eth0 up", ...hole]);
    if (this.#rate !== undefined) await this.throttle(host, this.#rate);
  }

  /** The kernel would do it by itself a moment after the host's end. */
  async unplug(): Promise<void> {
    await this.#atBridge([`link del ${this.#port}`]);
  }

  async cut(): Promise<void> {
    this.#isCut = true;
    await this.#atBridge([`link set ${this.#port} down`]);
  }

  async heal(): Promise<void> {
    this.#isCut = false;
    await this.#atBridge([`link set ${this.#port} up`]);
  }

  /** At most so many bytes a second, each way; `undefined` takes the limit away. */
  async throttle(host: number, bytesPerSecond: number | undefined): Promise<void> {
    this.#rate = bytesPerSecond;
    for (const [pid, device] of [
      [host, "eth0"],
      [this.#keeper, this.#port],
    ] as const) {
      const tc = ["nsenter", "--target", String(pid), "--net", "tc", "qdisc"];
      await run([...tc, "del", "dev", device, "root"], { mayFail: true });
      if (bytesPerSecond === undefined) continue;
      await run([...tc, "add", "dev", device, "root", "tbf", ...limitsOf(bytesPerSecond)]);
    }
  }

  async #atBridge(lines: readonly string[]): Promise<void> {
    await batch(this.#keeper, lines);
  }
}

/** A fast link needs a larger bucket, or it stands still between two ticks of the kernel. */
export function limitsOf(bytesPerSecond: number): readonly string[] {
  const burstBytes = Math.max(burstBytesMin, Math.round(bytesPerSecond / burstsPerSecond));
  return ["rate", `${bytesPerSecond}bps`, "burst", `${burstBytes}b`, "latency", "200ms"];
}

const burstBytesMin = 32_768;
const burstsPerSecond = 250;

/** What a link of a namespace has sent. */
export function bytesSent(path: string, device: string): number {
  const line = readFileSync(path, "utf8")
    .split("\n")
    .find((one) => one.trim().startsWith(`${device}:`));
  const sent = line?.trim().split(/[:\s]+/)[9];
  if (sent === undefined) throw new Error(`${path} has no ${device}`);
  return Number(sent);
}

async function batch(pid: number, lines: readonly string[]): Promise<void> {
  const command = ["nsenter", "--target", String(pid), "--net", "ip", "-batch", "-"];
  await run(command, { stdin: `${lines.join("\n")}\n` });
}
