// The cloud for tests and simulations: machines are entries in a table, faults follow a script.
//
// A fault is chosen by a function of the call, so one script says "the third launch finds no
// capacity" or "every list fails once". `list` may lag behind, as real clouds do.

import type { SkyError } from "../model/errors.ts";
import type { Cloud, Machine, MachineRequest } from "./cloud.ts";

export interface CloudCall {
  readonly verb: "launch" | "list" | "start" | "stop" | "terminate";
  /** Counted from 1, per verb. */
  readonly count: number;
}

export interface MemoryCloudOptions {
  /** The error that a call shall end with, if it shall. It may have taken effect all the same. */
  readonly fault?: (call: CloudCall) => SkyError | undefined;
  /** Whether a call that fails has taken effect before. */
  readonly takesEffect?: (call: CloudCall) => boolean;
  /** How many lists a new machine is left out of, and then shown as starting. */
  readonly listsUntilSeen?: number;
  readonly listsUntilUp?: number;
  /** Absent: nobody knows the price. */
  readonly pricePerHour?: number;
  readonly startMs?: number;
  /** What stays of the user's on every machine. */
  readonly kept?: readonly string[];
}

export interface MemoryCloud extends Cloud {
  readonly stop: NonNullable<Cloud["stop"]>;
  readonly start: NonNullable<Cloud["start"]>;
  readonly declare: NonNullable<Cloud["declare"]>;
  /** All machines there are, seen or not. */
  machines(): readonly Machine[];
  /** A machine goes without anybody having asked. */
  lose(id: string): void;
  /** It changes its phase though nobody asked. */
  turn(id: string, phase: Machine["phase"]): void;
  /** There is one more than anybody launched. */
  stray(cluster: string): void;
}

interface Entry {
  readonly cluster: string;
  readonly token: string;
  machine: Machine;
  lists: number;
}

export function createMemoryCloud(options: MemoryCloudOptions = {}): MemoryCloud {
  return new TableCloud(options);
}

class TableCloud implements MemoryCloud {
  readonly name = "memory";
  readonly startMs: number;
  readonly #options: MemoryCloudOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #counts = new Map<string, number>();
  #launched = 0;

  constructor(options: MemoryCloudOptions) {
    this.#options = options;
    this.startMs = options.startMs ?? 60_000;
  }

  kept = (): readonly string[] => this.#options.kept ?? [];

  pricePerHour = (): number | undefined => this.#options.pricePerHour;

  declare: MemoryCloud["declare"] = (asked) => ({
    cpus: asked.cpus ?? 1,
    memoryBytes: asked.memoryBytes ?? 1024 ** 3,
    accelerators: asked.accelerators === undefined ? [] : [asked.accelerators],
  });

  launch(request: MachineRequest): Promise<void> {
    return this.#call("launch", () => {
      for (const { id: node } of request.nodes) {
        const exists = [...this.#entries.values()].some(
          ({ cluster, token, machine }) =>
            cluster === request.cluster && token === request.token && machine.node === node,
        );
        if (!exists) this.#create(request, node);
      }
    });
  }

  async list(cluster: string): Promise<readonly Machine[]> {
    await this.#call("list", () => {});
    const { listsUntilSeen = 0, listsUntilUp = 0 } = this.#options;
    const seen: Machine[] = [];
    for (const entry of this.#entries.values()) {
      if (entry.cluster !== cluster) continue;
      entry.lists += 1;
      if (entry.lists <= listsUntilSeen) continue;
      const isUp = entry.lists > listsUntilSeen + listsUntilUp;
      if (isUp && entry.machine.phase === "starting") {
        entry.machine = { ...entry.machine, phase: "up" };
      }
      seen.push(entry.machine);
    }
    return seen;
  }

  start = (ids: readonly string[]): Promise<void> =>
    this.#call("start", () => this.#turn(ids, "stopped", "up"));

  stop = (ids: readonly string[]): Promise<void> =>
    this.#call("stop", () => {
      this.#turn(ids, "up", "stopped");
      this.#turn(ids, "starting", "stopped");
    });

  terminate(ids: readonly string[]): Promise<void> {
    return this.#call("terminate", () => {
      for (const id of ids) this.#entries.delete(id);
    });
  }

  machines(): readonly Machine[] {
    return [...this.#entries.values()].map(({ machine }) => machine);
  }

  lose(id: string): void {
    this.#entries.delete(id);
  }

  turn(id: string, phase: Machine["phase"]): void {
    const entry = this.#entries.get(id);
    if (entry !== undefined) entry.machine = { ...entry.machine, phase };
  }

  stray(cluster: string): void {
    this.#launched += 1;
    const machine: Machine = { id: `m-${this.#launched}`, node: "", ip: "10.9.9.9", phase: "up" };
    this.#entries.set(machine.id, { cluster, token: "", machine, lists: 0 });
  }

  async #call(verb: CloudCall["verb"], effect: () => void): Promise<void> {
    const count = (this.#counts.get(verb) ?? 0) + 1;
    this.#counts.set(verb, count);
    const fault = this.#options.fault?.({ verb, count });
    if (fault === undefined || this.#options.takesEffect?.({ verb, count })) effect();
    if (fault !== undefined) throw fault;
  }

  #create({ cluster, token }: MachineRequest, node: string): void {
    this.#launched += 1;
    const id = `m-${this.#launched}`;
    const ip = `10.0.${this.#launched >> 8}.${this.#launched & 255}`;
    const machine: Machine = { id, node, ip, phase: "starting" };
    this.#entries.set(id, { cluster, token, machine, lists: 0 });
  }

  #turn(ids: readonly string[], from: Machine["phase"], to: Machine["phase"]): void {
    for (const id of ids) {
      const entry = this.#entries.get(id);
      if (entry?.machine.phase === from) entry.machine = { ...entry.machine, phase: to };
    }
  }
}
