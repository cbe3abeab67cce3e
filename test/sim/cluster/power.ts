// Stop, down and start of a simulated cluster: what its fleet does (`clouds/fleet.ts`), by hand.
//
// A cluster is closed first: the scheduler ends all jobs and says so. Then its machines are
// switched off, and for `down` nothing of it stays on any disk; after a while it is there again.
// What must always hold: no machine is switched off before the scheduler's word, however often it
// must be asked, and only one wind-down is under way.

import { completeLogs } from "../../../scheduler/heads-os.ts";
import type { Done } from "../../../scheduler/messages.ts";
import { schedulerAddress } from "../../../scheduler/turn.ts";
import { clusterName } from "./setting.ts";
import type { Sim } from "./sim.ts";
import { askHead } from "./users.ts";

/** As long as the scheduler may take to end all jobs: as in `scheduler/heads-os.ts`. */
const closeMs = 120_000;
const againMs = 1_000;

type Verb = "stop" | "down";

export class Power {
  readonly #sim: Sim;
  readonly #spells: (() => void)[] = [];
  #busy = false;

  constructor(sim: Sim) {
    this.#sim = sim;
  }

  /** Whether the cluster is on its way down or up. */
  get busy(): boolean {
    return this.#busy;
  }

  windDown(verb: Verb): void {
    if (this.#busy) return;
    this.#busy = true;
    this.#sim.say(`the cluster is to ${verb}`);
    void this.#windDown(verb);
  }

  async #windDown(verb: Verb): Promise<void> {
    const word = verb === "stop" ? "stopped" : "terminated";
    while (!(await this.#isClosed(word))) await this.#pause(againMs);
    this.#sim.say("the cluster is closed");
    this.#sim.truth.closed();
    this.#switchOff();
    if (verb === "down") this.#erase();
    await this.#pause(this.#sim.random.below(20_000));
    await this.#switchOn();
    this.#busy = false;
  }

  /** As `Heads.close` does it. */
  async #isClosed(verb: "stopped" | "terminated"): Promise<boolean> {
    const make = (replyTo: object): object => ({ kind: "close", verb, replyTo });
    if ((await askHead<Done>(this.#sim, closeMs, make)) === undefined) return false;
    const { open } = this.#sim.head;
    if (open === undefined) return false;
    const ended = open.life.ended().then(() => false);
    return await Promise.race([ended, completeLogs(open.logs, open.life.clock).then(() => true)]);
  }

  /** Their silence is no loss. */
  #switchOff(): void {
    const { head, nodes, network, truth } = this.#sim;
    for (const node of nodes) {
      const to = { ...schedulerAddress(clusterName), kind: "liveness" };
      const { id } = node.node;
      head.tell(to, { kind: "node-dismissed", node: id });
      truth.cutOff(id);
      node.switchOff();
      this.#spells.push(network.beginSpell(id));
    }
  }

  #erase(): void {
    const { head, nodes, users, truth } = this.#sim;
    this.#sim.say("the cluster is down");
    head.erase();
    for (const node of nodes) node.replace();
    users.leave();
    truth.down();
  }

  async #switchOn(): Promise<void> {
    const { head, nodes, faults } = this.#sim;
    this.#sim.say("the cluster is started");
    head.start();
    // The fleet says it whenever the head starts, until the nodes are up.
    const to = schedulerAddress(clusterName);
    for (; this.#sim.isClosed; await this.#pause(againMs)) head.tell(to, { kind: "open" });
    const ends = this.#spells.splice(0);
    for (const [index, node] of nodes.entries()) {
      node.switchOn();
      faults.startAgent(node);
      void node.started.then(ends[index]);
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.#sim.timeline.after(ms, resolve));
  }
}
