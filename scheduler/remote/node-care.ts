// Nodes that their head has not heard for a while: when somebody is to look after their hosts.
//
// A node that is suspect may only be slow; one that stays silent for some seconds is looked after,
// and again as long as it stays so, later each time. Pure: the clock is given.

import type { NodePhase } from "../../model/node.ts";
import type { Clock } from "../../runtime/clock.ts";

export interface NodeCareOptions {
  readonly clock: Clock;
  readonly revive: (nodes: readonly string[]) => void;
}

const silentMs = 5_000;
const againMsMax = 60_000;

export class NodeCare {
  readonly #options: NodeCareOptions;
  #silent: readonly string[] = [];
  #waitMs = silentMs;
  #stop: (() => void) | undefined;

  constructor(options: NodeCareOptions) {
    this.#options = options;
  }

  saw(nodes: readonly { readonly id: string; readonly phase: NodePhase }[]): void {
    this.#silent = nodes.flatMap(({ id, phase }) => (phase === "alive" ? [] : [id]));
    if (this.#silent.length === 0) this.rest();
    else if (this.#stop === undefined) this.#wait();
  }

  /** Nothing is known of them, or wanted of them, for now. */
  rest(): void {
    this.#stop?.();
    this.#stop = undefined;
    this.#silent = [];
    this.#waitMs = silentMs;
  }

  #wait(): void {
    this.#stop = this.#options.clock.after(this.#waitMs, () => {
      this.#waitMs = Math.min(againMsMax, this.#waitMs * 2);
      this.#wait();
      this.#options.revive(this.#silent);
    });
  }
}
