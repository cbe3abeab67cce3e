// The source's process in a simulation: the production coordinator, and its control connections.

import type { SinkMessage } from "../../../transfer/fanout/control.ts";
import { type Coordinator, createCoordinator } from "../../../transfer/fanout/coordinator.ts";
import type { Rules, WithoutTime } from "../../../transfer/fanout/rules.ts";
import { type Decision, type FanOutEvent, rulesDefault } from "../../../transfer/fanout/rules.ts";
import { source } from "../../../transfer/fanout/tree.ts";
import type { Content, Exchange, Supplier } from "./exchange.ts";
import type { Process, Wire } from "./network.ts";
import { keep } from "./promises.ts";
import type { SinkNode } from "./sink-node.ts";
import type { World } from "./world.ts";

const tickMs = 500;

interface Linked {
  readonly wire: Wire;
  readonly sink: SinkNode;
  joined: boolean;
}

export class SourceNode implements Process, Supplier {
  readonly name = "head";
  readonly process = this;
  alive = true;
  finished = false;
  readonly coordinator: Coordinator;
  readonly rules: Rules;
  readonly serving = new Set<Exchange>();
  readonly #world: World;
  readonly #links = new Map<string, Linked>();
  readonly #named = new Set<string>();
  readonly #moves = new Map<SinkNode, number[]>();

  constructor(world: World, expected: readonly string[]) {
    this.#world = world;
    const { totalBytes, largest, mutant } = world;
    const absentMs = 900_000;
    this.rules = { ...rulesDefault, totalBytes, slackBytes: 4 * largest, absentMs, ...world.shape };
    const created = createCoordinator(mutant.rules(this.rules), expected);
    this.coordinator = mutant.coordinator(created);
    this.#tick();
  }

  // ---- control

  accept(wire: Wire, sink: SinkNode): void {
    if (this.finished) {
      wire.send(this, () => sink.welcome(wire));
      wire.send(this, () => sink.released());
      return;
    }
    const before = this.#links.get(sink.name);
    if (before?.joined) this.#tell({ type: "left", sink: sink.name, why: "it came anew" });
    before?.wire.close(this);
    const linked: Linked = { wire, sink, joined: false };
    this.#links.set(sink.name, linked);
    wire.onClosed(this, (why) => {
      if (this.#links.get(sink.name) !== linked) return;
      this.#links.delete(sink.name);
      if (linked.joined) this.#tell({ type: "left", sink: sink.name, why });
    });
    wire.send(this, () => sink.welcome(wire));
  }

  hear(sink: SinkNode, wire: Wire, message: SinkMessage): void {
    const linked = this.#links.get(sink.name);
    if (linked?.wire !== wire) return;
    const { name } = sink;
    if (message.type === "join") {
      linked.joined = true;
      this.#moves.delete(sink);
      const serves = message.serves !== null;
      this.#tell({ type: "joined", sink: name, serves, safe: message.safe });
    } else if (message.type === "progress") this.#tell({ ...message, sink: name });
    else this.#tell({ ...message, type: "parent-failed", sink: name });
  }

  #tell(event: WithoutTime<FanOutEvent>): void {
    if (!this.alive || this.finished) return;
    const at = this.#world.timeline.now;
    for (const decision of this.coordinator.take({ ...event, at })) this.#carryOut(decision);
    this.#checkTree();
  }

  #carryOut(decision: Decision): void {
    if (decision.type === "finished") {
      this.finished = true;
      for (const [sink, { outcome }] of this.coordinator.outcomes()) {
        if (outcome === "done") this.#world.checkDone(sink);
      }
      for (const { wire, sink } of this.#links.values()) wire.send(this, () => sink.released());
      return;
    }
    if (decision.type === "serve" && decision.sink === source) this.#feedOnly(decision.children);
    const linked = this.#links.get(decision.sink);
    if (linked === undefined) return;
    const { wire, sink } = linked;
    if (decision.type === "serve") wire.send(this, () => sink.serve(decision.children));
    else if (decision.type === "drop") wire.send(this, () => sink.dropped(decision.why));
    else {
      this.#countMove(sink);
      const { move, parent } = decision;
      const goneMs = this.#world.goneMs(parent);
      keep("sent to the living", goneMs < 20_000, () => `${parent} was gone for ${goneMs} ms`);
      wire.send(this, () => sink.follow(move, parent));
    }
  }

  #feedOnly(children: readonly string[]): void {
    for (const child of children) this.#named.add(child);
    for (const exchange of [...this.serving])
      if (!children.includes(exchange.child)) exchange.stop();
  }

  #tick(): void {
    this.#world.timeline.after(tickMs, () => {
      if (!this.alive || this.finished) return;
      this.#tell({ type: "tick" });
      this.#tick();
    });
  }

  // ---- what is promised of it

  #countMove(sink: SinkNode): void {
    const { now } = this.#world.timeline;
    const { movesMs, movesMax } = this.rules;
    const lately = (this.#moves.get(sink) ?? []).filter((at) => at > now - movesMs);
    this.#moves.set(sink, [...lately, now]);
    // A follow of nobody is a move too; it comes once after the last that may be.
    keep("few moves", lately.length <= movesMax, () => `${sink.name}: ${lately.length + 1}`);
  }

  #checkTree(): void {
    for (const name of this.#links.keys()) {
      let at: string | undefined = name;
      for (let steps = 0; at !== undefined && at !== source; steps += 1) {
        keep("no cycle", steps <= this.#links.size + 1, () => `above ${name}`);
        at = this.coordinator.parentOf(at);
      }
    }
  }

  // ---- bytes

  content(): Content {
    return "good";
  }

  lost(): void {}

  named(child: string): boolean {
    return this.#named.has(child);
  }

  rate(): number {
    return this.#world.sourceRate;
  }

  isStuck(): boolean {
    return this.finished;
  }

  gave(bytes: number): void {
    this.#world.sourceBytes += bytes;
  }
}
