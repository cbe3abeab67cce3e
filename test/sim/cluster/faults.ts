// What goes wrong in a simulated cluster, and how it is made good again.
//
// Each seed has a weather of its own and only some of the kinds of faults, so that rare pairs of
// them meet often in some seed. Every fault ends by itself after a while, or when the world is
// healed, whichever comes first.

import { headNode } from "../../../model/address.ts";
import type { MemoryRandom } from "../../../runtime/random-memory.ts";
import type { SimNode } from "./node.ts";
import type { Sim } from "./sim.ts";

/** One blow: against this node, if against any, for so long, if it lasts. */
interface Blow {
  readonly sim: Sim;
  readonly node: SimNode;
  readonly ms: number;
  readonly random: MemoryRandom;
  /** Undoes it after so long. */
  readonly until: (ms: number, undo: () => void) => void;
}

/** Every kind of fault that there is, and what it does. */
const faults = {
  "head-killed": ({ sim: { head }, ms, until }) => {
    head.kill();
    until(ms, () => head.start());
  },
  "head-killed-in-commit": ({ sim: { head, timeline }, ms, until }) => {
    head.disk.onCommit = () => {
      timeline.after(0, () => head.kill());
      until(Math.min(ms, 8_000), () => head.start());
    };
  },
  "head-rebooted": ({ sim: { head, nodes, faults: all }, ms, until }) => {
    head.reboot();
    const [beside] = nodes;
    if (beside !== undefined) all.takeDown(beside, ms, () => beside.reboot());
    until(ms, () => head.start());
  },
  "head-frozen": ({ sim: { head }, ms, until }) => until(ms, head.freeze()),
  "agent-killed": ({ sim, node, ms }) => sim.faults.takeDown(node, ms, () => node.kill()),
  "agent-frozen": ({ sim: { network }, node, ms, until }) => {
    const thaw = node.freeze();
    const endSpell = network.beginSpell(node.node.id);
    until(ms, () => {
      thaw();
      endSpell();
    });
  },
  "node-rebooted": ({ sim, node, ms }) => sim.faults.takeDown(node, ms, () => node.reboot()),
  "node-replaced": ({ sim, node, ms }) => sim.faults.takeDown(node, ms, () => node.replace()),
  "node-away": ({ sim: { network }, node, ms, until }) => {
    until(ms, network.block(node.node.id, headNode));
    until(ms, network.block(headNode, node.node.id));
  },
  "node-deaf": ({ sim: { network }, node, ms, until }) =>
    until(ms, network.block(headNode, node.node.id)),
  "node-mute": ({ sim: { network }, node, ms, until }) =>
    until(ms, network.block(node.node.id, headNode)),
  /** What is said to it comes late, and what it says is lost. */
  "node-fading": ({ sim: { network, timeline }, node, ms, random, until }) => {
    const { id } = node.node;
    until(2 * ms, network.slowTo(id, 8_000));
    timeline.after(random.below(12_000), () => until(ms, network.block(id, headNode)));
  },
  "node-slow": ({ sim: { network }, node, ms, random, until }) =>
    until(ms, network.slow(node.node.id, random.below(3_000))),
  "node-disk-slow": ({ node, ms, random, until }) => {
    node.slowMs = random.below(2_000);
    until(ms, () => {
      node.slowMs = 0;
    });
  },
  "node-disk-full": ({ node, ms, until }) => {
    node.full = true;
    until(ms, () => {
      node.full = false;
    });
  },
  "shims-killed": ({ node, ms, random, until }) => {
    node.shimsDieMs = () => random.below([3, 100, 2_000][random.below(3)] ?? 3);
    until(3 * ms, () => {
      node.shimsDieMs = undefined;
    });
  },
  "bus-frozen": ({ sim: { network }, ms, until }) => until(ms, network.freeze()),
  "bus-cut": ({ sim: { network }, ms, until }) => until(ms, network.cut()),
  "clock-jumps": ({ sim: { head }, node, random }) => {
    const clock = random.unit() < 0.3 ? head.clock : node.clock;
    clock.jump(random.unit() < 0.5 ? hourMs : -hourMs);
  },
  "disk-slow": ({ sim: { head }, ms, random, until }) => {
    head.diskMs = random.below(1_500);
    until(Math.min(ms, 5_000), () => {
      head.diskMs = 0;
    });
  },
  "disk-full": ({ sim: { head }, ms, until }) => {
    head.disk.full = true;
    until(Math.min(ms, 8_000), () => {
      head.disk.full = false;
    });
  },
  "disk-failing": ({ sim: { head }, ms, until }) => {
    head.disk.failing = true;
    until(Math.min(ms, 4_000), () => {
      head.disk.failing = false;
    });
  },
  "streams-cut": ({ sim: { streams }, node }) => streams.cut(`demo/${node.node.id}`),
  "logs-unread": ({ sim: { head }, ms, until }) => until(ms, head.stopReading()),
} as const satisfies Record<string, (blow: Blow) => void>;

type Fault = keyof typeof faults;

const kinds = Object.keys(faults) as Fault[];
/** Those by which a node is lost, and its ranks may live on. */
const farFaults: readonly Fault[] = [
  ...(["agent-killed", "agent-frozen", "node-away", "node-mute", "node-fading"] as const),
];
const hourMs = 3_600_000;

export class Faults {
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
    this.#enabled = sim.away ? farFaults : kinds.filter(() => random.unit() < 0.4);
    this.#meanMs = sim.away ? 6_000 : 1_000 + random.below(8_000);
    const { weather } = sim.network;
    if (sim.away) return;
    if (random.unit() < 0.6) weather.loss = random.unit() * 0.2;
    if (random.unit() < 0.6) weather.doubled = random.unit() * 0.3;
    if (random.unit() < 0.3) weather.lagMs = random.below(4_000);
    weather.reorders = random.unit() < 0.5;
    weather.delayMs = random.below(60);
    weather.doubleDelayMs = random.below(random.unit() < 0.3 ? 20_000 : 4_000);
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
    const calm = { loss: 0, doubled: 0, delayMs: 2, reorders: false, lagMs: 0 };
    Object.assign(this.#sim.network.weather, calm);
    this.#sim.head.start();
    for (const node of this.#sim.nodes) this.startAgent(node);
  }

  /** An agent goes down in some way, and another starts after a while. */
  takeDown(node: SimNode, ms: number, how: () => void): void {
    if (!node.isUp) return;
    how();
    this.#spells.get(node)?.();
    this.#spells.set(node, this.#sim.network.beginSpell(node.node.id));
    this.#until(ms, () => this.startAgent(node));
  }

  startAgent(node: SimNode): void {
    if (node.isOff) return;
    node.start();
    const end = this.#spells.get(node);
    this.#spells.delete(node);
    if (end !== undefined) void node.started.then(end);
  }

  #strike(kind: Fault): void {
    const node = this.#node();
    const ms = this.#sim.away
      ? 15_000 + this.#random.below(30_000)
      : this.#random.below(this.#spellMs());
    this.#sim.say(`FAULT ${kind} ${node.node.id} ${ms} ms`);
    const blow = { sim: this.#sim, node, ms, random: this.#random };
    faults[kind]({ ...blow, until: (duration, undo) => this.#until(duration, undo) });
  }

  #spellMs(): number {
    return this.#random.unit() < 0.5 ? 3_000 : 25_000;
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
