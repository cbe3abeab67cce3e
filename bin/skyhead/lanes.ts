// The lanes of this process, each opened when its first cluster needs it.

import type { Isolation } from "../../model/cluster.ts";
import { openEmbeddedLane } from "./embedded.ts";
import type { Lane, LanesOptions } from "./lane.ts";
import { openProcessLane } from "./processes.ts";

export class Lanes {
  readonly #options: LanesOptions;
  readonly #opening = new Map<Isolation, Promise<Lane>>();
  readonly #open = new Map<Isolation, Lane>();

  constructor(options: LanesOptions) {
    this.#options = options;
  }

  /** One that failed to open is tried again by the next call. */
  get(isolation: Isolation): Promise<Lane> {
    const known = this.#opening.get(isolation);
    if (known !== undefined) return known;
    const { openProcess = openProcessLane } = this.#options;
    const open = isolation === "embedded" ? openEmbeddedLane : openProcess;
    const opening = open(this.#options);
    this.#opening.set(isolation, opening);
    opening.then(
      (lane) => this.#open.set(isolation, lane),
      () => this.#opening.delete(isolation),
    );
    return opening;
  }

  inspect(): Readonly<Record<string, unknown>> {
    return Object.fromEntries([...this.#open].map(([name, lane]) => [name, lane.inspect()]));
  }

  /** Also those that are still being opened: a server that is just starting must not be left. */
  async close(): Promise<void> {
    const lanes = await Promise.allSettled(this.#opening.values());
    await Promise.all(
      lanes.map((one) => (one.status === "fulfilled" ? one.value.close() : undefined)),
    );
  }
}
