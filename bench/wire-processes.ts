// The processes of the wire benchmark: two parties, each pinned to a core of its own where that is
// possible, and iperf3 in the same places.
//
// A place is where a process runs: on this machine, or in a network namespace. What is started
// here is ended here, also when a measurement fails.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { cpus } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { checkout } from "./home.ts";
import type { Order, Part, Seen } from "./wire-party.ts";

export interface Place {
  readonly core: number;
  readonly host: string;
  readonly namespace?: string;
}

/** Whether parties have a core each. */
export const isPinned = cpus().length > 1 && has("taskset");

export function has(program: string): boolean {
  try {
    execFileSync("sh", ["-c", `command -v ${program}`], { stdio: "ignore", env: process.env });
    return true;
  } catch {
    return false;
  }
}

export type Security = Part["security"];

export interface Setting {
  /** The listener's side, and the dialler's. */
  readonly places: readonly [Place, Place];
  readonly securities: readonly [Security, Security];
  readonly bare?: boolean;
  /** Where the dialler finds the listener, if not where it listens. */
  readonly through?: (listenerPort: number) => Promise<number>;
}

/** A listener and a dialler that measure one thing after the other. */
export class Pair {
  readonly #listener: Party;
  readonly #dialler: Party;
  readonly #setting: Setting;
  readonly #port: number;

  private constructor(setting: Setting, parties: readonly [Party, Party], port: number) {
    this.#setting = setting;
    [this.#listener, this.#dialler] = parties;
    this.#port = port;
  }

  static async start(setting: Setting): Promise<Pair> {
    const [listener, dialler] = setting.places.map((place) => new Party(place));
    if (listener === undefined || dialler === undefined) throw new Error("two places");
    const part = partOf(setting, { role: "listener", port: 0 });
    const { port } = await listener.ask<{ port: number }>(part);
    const found = (await setting.through?.(port)) ?? port;
    return new Pair(setting, [listener, dialler], found);
  }

  async measure(
    order: Partial<Order>,
    how: { readonly connections?: number; readonly as?: Part["as"] } = {},
  ): Promise<Seen> {
    const part = partOf(this.#setting, { role: "dialler", port: this.#port });
    return await this.#dialler.ask<Seen>({ ...part, ...how, order: { ...part.order, ...order } });
  }

  end(): void {
    this.#dialler.end();
    this.#listener.end();
  }
}

function partOf(
  { places, securities, bare = false }: Setting,
  { role, port }: Pick<Part, "role" | "port">,
): Part {
  const side = role === "listener" ? 0 : 1;
  const order: Order = { kind: "give", seconds: 2, data: "random", digests: false, packed: false };
  return {
    ...{ role, port, order, bare, connections: 1, as: "sessions" },
    host: places[0].host,
    security: securities[side],
  };
}

class Party {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(place: Place) {
    const script = join(checkout, "bench/wire-party.ts");
    const [program, ...args] = commandAt(place, [process.execPath, script]);
    const stdio = ["pipe", "pipe", "inherit"] as const;
    const child = spawn(program ?? "", args, { stdio: [...stdio] });
    this.#child = child;
    if (child.stdout === null) throw new Error("no output");
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  async ask<T>(part: Part): Promise<T> {
    this.#child.stdin?.write(`${JSON.stringify(part)}\n`);
    const { value, done } = await this.#lines.next();
    if (done) throw new Error("a party of the wire benchmark ended early");
    return JSON.parse(value) as T;
  }

  end(): void {
    this.#child.kill();
  }
}

/** A command at a place. */
export function commandAt(place: Place, command: readonly string[]): readonly string[] {
  const pinned = isPinned ? ["taskset", "-c", String(place.core), ...command] : command;
  if (place.namespace === undefined) return pinned;
  return ["ip", "netns", "exec", place.namespace, ...pinned];
}

/** Bytes a second of one iperf3 stream from the first place to the second; `undefined` = none. */
export async function iperf(
  [from, to]: readonly [Place, Place],
  seconds: number,
): Promise<number | undefined> {
  if (!has("iperf3")) return undefined;
  const port = String(20_000 + (process.pid % 10_000));
  const [program = "", ...args] = commandAt(from, [
    "iperf3",
    "-s",
    "-1",
    "-p",
    port,
    "-B",
    from.host,
  ]);
  const server = spawn(program, [...args, "--forceflush"], { stdio: ["ignore", "pipe", "ignore"] });
  try {
    await new Promise((resolve) => server.stdout?.once("data", resolve));
    // The listener sends, as in our own measurements.
    const text = await output(
      commandAt(to, ["iperf3", "-c", from.host, "-p", port, "-t", String(seconds), "-R", "-J"]),
    );
    const { end } = JSON.parse(text) as { end: { sum_received: { bits_per_second: number } } };
    return end.sum_received.bits_per_second / 8;
  } finally {
    server.kill();
  }
}

function output([program = "", ...args]: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
    let text = "";
    child.stdout?.on("data", (part: Buffer) => {
      text += part.toString();
    });
    child.on("error", reject);
    child.on("close", () => resolve(text));
  });
}
