// What goes wrong in a simulated cluster, and how it is made good again.
//
// Each seed has a weather of its own and only some of the kinds of faults, so that rare pairs of
// them meet often in some seed. Every fault ends by itself after a while, or when the world is
// healed, whichever comes first.

import { headNode } from "../../../model/address.ts";
import type { MemoryRandom } from "../../../runtime/random-memory.ts";
import type { SimNode } from "./node.ts";
import type { Sim } from "./sim.ts";

const kinds = [
  "head-killed",
  "agent-killed",
  "node-rebooted",
  "node-away",
  "node-deaf",
  "node-mute",
  "bus-frozen",
  "bus-cut",
  "node-slow",
  "clock-jumps",
  "disk-slow",
  "disk-full",
  "streams-cut",
] as const;

type Fault = (typeof kinds)[number];

const hourMs = 3_600_000;

export class Faults {
  /** A commit fails on purpose: the head may break over it. */
  diskFailed = false;
  readonly #sim: Sim;
  readonly #random: MemoryRandom;
  readonly #enabled: readonly Fault[];
  readonly #meanMs: number;
  /** What ends each fault that goes on. */
  readonly #undo = new Set<() => void>();
  readonly #spells = new Map<SimNode, () => void>();
  #healed = false;

  constructor(sim: Sim, random: MemoryRandom) {
    this.#sim = sim;
    this.#random = random;
    this.#enabled = kinds.filter(() => random.unit() < 0.5);
    this.#meanMs = 1_000 + random.below(8_000);
    const { weather } = sim.network;
    if (random.unit() < 0.6) weather.loss = random.unit() * 0.2;
    if (random.unit() < 0.6) weather.doubled = random.unit() * 0.3;
    weather.reorders = random.unit() < 0.5;
    weather.delayMs = random.below(60);
    weather.doubleDelayMs = random.below(4_000);
  }

  begin(): void {
    this.#sim.say(
      `faults: ${this.#enabled.join(", ")}; ${JSON.stringify(this.#sim.network.weather)}`,
    );
    if (this.#enabled.length === 0) return;
    const next = (): void => {
      this.#sim.timeline.after(this.#random.below(2 * this.#meanMs), () => {
        if (this.#healed) return;
        const kind = this.#enabled[this.#random.below(this.#enabled.length)];
        if (kind !== undefined) this.#strike(kind);
        next();
      });
    };
    next();
  }

  /** Everything works from now on. */
  heal(): void {
    this.#healed = true;
    for (const undo of [...this.#undo]) undo();
    Object.assign(this.#sim.network.weather, { loss: 0, doubled: 0, delayMs: 2, reorders: false });
    this.#sim.head.start();
    for (const node of this.#sim.nodes) this.#startAgent(node);
  }

  #strike(kind: Fault): void {
    const { network, head } = this.#sim;
    const node = this.#node();
    const { id } = node.node;
    const spell = this.#random.below(this.#random.unit() < 0.5 ? 3_000 : 25_000);
    this.#sim.say(`FAULT ${kind} ${id} ${spell} ms`);
    switch (kind) {
      case "head-killed":
        head.kill();
        this.#until(spell, () => head.start());
        return;
      case "agent-killed":
        this.#killAgent(node, spell);
        return;
      case "node-rebooted":
        this.#killAgent(node, spell);
        node.reboot();
        return;
      case "node-away":
        this.#until(spell, network.block(id, headNode));
        this.#until(spell, network.block(headNode, id));
        return;
      case "node-deaf":
        this.#until(spell, network.block(headNode, id));
        return;
      case "node-mute":
        this.#until(spell, network.block(id, headNode));
        return;
      case "bus-frozen":
        this.#until(spell, network.freeze());
        return;
      case "bus-cut":
        this.#until(spell, network.cut());
        return;
      case "node-slow":
        this.#until(spell, network.slow(id, this.#random.below(3_000)));
        return;
      default:
        this.#strikeMachine(kind, node, spell);
    }
  }

  #strikeMachine(
    kind: Exclude<Fault, "head-killed" | "node-away">,
    node: SimNode,
    spell: number,
  ): void {
    const { head } = this.#sim;
    switch (kind) {
      case "clock-jumps": {
        const clock = this.#random.unit() < 0.3 ? head.clock : node.clock;
        clock.jump(this.#random.unit() < 0.5 ? hourMs : -hourMs);
        return;
      }
      case "disk-slow":
        head.diskMs = this.#random.below(1_500);
        this.#until(Math.min(spell, 5_000), () => {
          head.diskMs = 0;
        });
        return;
      case "disk-full":
        this.diskFailed = true;
        head.failDisk();
        return;
      case "streams-cut":
        this.#sim.streams.cut(`demo/${node.node.id}`);
        return;
      default:
    }
  }

  #killAgent(node: SimNode, ms: number): void {
    if (!node.isUp) return;
    node.kill();
    this.#spells.set(node, this.#sim.network.beginSpell(node.node.id));
    this.#until(ms, () => this.#startAgent(node));
  }

  #startAgent(node: SimNode): void {
    node.start();
    this.#spells.get(node)?.();
    this.#spells.delete(node);
  }

  #node(): SimNode {
    const { nodes } = this.#sim;
    const node = nodes[this.#random.below(nodes.length)];
    if (node === undefined) throw new Error("a cluster has nodes");
    return node;
  }

  /** Once: after so long, or when the world is healed. */
  #until(ms: number, undo: () => void): void {
    const end = (): void => {
      cancel();
      if (this.#undo.delete(end)) undo();
    };
    this.#undo.add(end);
    const cancel = this.#sim.timeline.after(ms, end);
  }
}
