// The network of a simulated cluster: the bus in memory under a policy that loses, doubles, delays
// and reorders, with links that can be cut in one direction or both, and outages of the bus itself.
//
// It remembers for how long each node alone could not reach the head: the loss of a node must never
// be told of one that only shared an outage with everybody.

import { headNode } from "../../../model/address.ts";
import type { Bus, BusPermissions } from "../../../runtime/bus.ts";
import type { BusHub, Delivery } from "../../../runtime/bus-memory.ts";
import { createBusHub } from "../../../runtime/bus-memory.ts";
import type { Clock } from "../../../runtime/clock.ts";
import type { MemoryRandom } from "../../../runtime/random-memory.ts";

export interface Weather {
  /** Shares of messages that are lost, and that come twice. */
  loss: number;
  doubled: number;
  /** The longest ordinary delay, and that of a second copy. */
  delayMs: number;
  doubleDelayMs: number;
  /** Messages of one sender to one receiver may overtake each other. */
  reorders: boolean;
  /** The longest that the server of the bus takes to read what was sent to it. */
  lagMs: number;
}

export class Network {
  readonly weather: Weather = {
    loss: 0,
    doubled: 0,
    delayMs: 2,
    doubleDelayMs: 0,
    reorders: false,
    lagMs: 0,
  };
  readonly #hub: BusHub;
  readonly #clock: Clock;
  readonly #random: MemoryRandom;
  readonly #lag: MemoryRandom;
  readonly #labels: readonly string[];
  /** `from>to`. */
  readonly #blocked = new Map<string, number>();
  readonly #slow = new Map<string, number>();
  readonly #slowTo = new Map<string, number>();
  readonly #unable = new Map<string, Spell[]>();
  readonly #lastDue = new Map<string, number>();
  #frozen = 0;
  #cut = false;

  constructor(clock: Clock, random: MemoryRandom, nodes: readonly string[]) {
    this.#clock = clock;
    this.#random = random;
    this.#lag = random.fork("lag");
    this.#labels = [headNode, ...nodes];
    this.#hub = createBusHub({ clock, policy: (delivery) => this.#fate(delivery) });
  }

  /**
   * What a process has sent is on its way even if it is killed, and goes to whoever listens when
   * the server reads it. What waits for a process, a second copy too, goes with its connection.
   */
  connect(label: string, permissions: BusPermissions): Bus {
    const bus = this.#hub.connect(label, permissions);
    const socket = this.#hub.connect(label, permissions);
    if (this.#cut) this.#hub.disconnect(label);
    let due = 0;
    let left = 0;
    let closed = false;
    const arrive = (subject: string, payload: Uint8Array): void => {
      left -= 1;
      socket.publish(subject, payload);
      if (closed && left === 0) void socket.close();
    };
    const publish = (subject: string, payload: Uint8Array): void => {
      if (!bus.connected()) return;
      const now = this.#clock.now().monoMs;
      due = Math.max(due, now + Math.floor(this.#lag.unit() * this.weather.lagMs));
      left += 1;
      if (due === now) arrive(subject, payload);
      else this.#clock.after(due - now, () => arrive(subject, payload));
    };
    const close = async (): Promise<void> => {
      closed = true;
      await bus.close();
      if (left === 0) await socket.close();
    };
    return { ...bus, publish, close };
  }

  /** Nothing passes in this direction until what is returned is called. */
  block(from: string, to: string): () => void {
    const lift = count(this.#blocked, `${from}>${to}`);
    const endSpell = to === headNode ? this.beginSpell(from) : () => {};
    return once(() => {
      lift();
      endSpell();
    });
  }

  /** All that this one sends or gets takes longer. */
  slow(label: string, ms: number): () => void {
    this.#slow.set(label, ms);
    return () => this.#slow.delete(label);
  }

  /** Only what is said to this one takes longer. */
  slowTo(label: string, ms: number): () => void {
    this.#slowTo.set(label, ms);
    return () => this.#slowTo.delete(label);
  }

  /** The bus loses everything and nobody is told. */
  freeze(): () => void {
    this.#frozen += 1;
    return once(() => {
      this.#frozen -= 1;
    });
  }

  /** Everybody's connection to the bus breaks. */
  cut(): () => void {
    if (this.#cut) return () => {};
    this.#cut = true;
    for (const label of this.#labels) this.#hub.disconnect(label);
    return once(() => {
      this.#cut = false;
      for (const label of this.#labels) this.#hub.reconnect(label);
    });
  }

  /** From now on this node by itself cannot be heard, until what is returned is called. */
  beginSpell(node: string): () => void {
    const spell: Spell = { from: this.#clock.now().monoMs, to: undefined };
    const spells = (this.#unable.get(node) ?? []).slice(-spellsMax);
    this.#unable.set(node, [...spells, spell]);
    return once(() => {
      spell.to = this.#clock.now().monoMs;
    });
  }

  /** For how long, of the last `windowMs`, this node by itself could not be heard. */
  unableMs(node: string, windowMs: number): number {
    const now = this.#clock.now().monoMs;
    const spells = this.#unable.get(node) ?? [];
    const lengths = spells.map(({ from, to = now }) => to - Math.max(from, now - windowMs));
    return lengths.reduce((sum, ms) => sum + Math.max(0, ms), 0);
  }

  #fate({ from, to }: Delivery): readonly number[] {
    const { loss, doubled, delayMs, doubleDelayMs, reorders } = this.weather;
    const draw = (): number => this.#random.unit();
    // The same draws whatever is blocked: a fault changes its own messages, not the luck of others.
    const [lost, twice, near, far, extra] = [draw(), draw(), draw(), draw(), draw()];
    if (this.#frozen > 0 || this.#blocked.has(`${from}>${to}`) || lost < loss) return [];
    const slow =
      (this.#slow.get(from) ?? 0) + (this.#slow.get(to) ?? 0) + (this.#slowTo.get(to) ?? 0);
    const delay = Math.floor(near * (delayMs + 1)) + Math.floor(far * slow);
    const first = this.#inOrder(`${from}>${to}`, delay);
    if (twice >= doubled) return [first];
    return [first, reorders ? first + Math.floor(extra * (doubleDelayMs + 1)) : first];
  }

  /** The delay that lets this message arrive after those sent before it on the same way. */
  #inOrder(way: string, delay: number): number {
    if (this.weather.reorders) return delay;
    const now = this.#clock.now().monoMs;
    const due = Math.max(now + delay, this.#lastDue.get(way) ?? 0);
    this.#lastDue.set(way, due);
    return due - now;
  }
}

/** Of each node, so many spells are remembered: more than fit into the time that is looked at. */
const spellsMax = 100;

interface Spell {
  readonly from: number;
  to: number | undefined;
}

/** Counts up now and down when what is returned is called; absent at zero. */
function count(counts: Map<string, number>, key: string): () => void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
  return () => {
    const left = (counts.get(key) ?? 1) - 1;
    if (left === 0) counts.delete(key);
    else counts.set(key, left);
  };
}

function once(work: () => void): () => void {
  let done = false;
  return () => {
    if (!done) work();
    done = true;
  };
}
