// The object stores of a round: opened once, and given to each operator with its own bound of
// requests at a time and its own budget of retries.
//
// What must always hold: what was opened is closed; no operator asks more at a time than it says.

import { assert } from "../../model/errors.ts";
import { Slots } from "../chunks/slots.ts";
import type { ObjectStore, OpenStore } from "../stores/object-store.ts";
import type { Meter } from "./meters.ts";
import { Retries, type RetryPorts, retryingStore } from "./retries.ts";

export interface OperatorStore {
  /** Its calls are tried again. */
  readonly store: ObjectStore;
  readonly slots: Slots;
}

export class Stores {
  readonly #open: (open: OpenStore) => Promise<ObjectStore>;
  readonly #orders: readonly OpenStore[];
  readonly #opened = new Map<number, Promise<ObjectStore>>();

  constructor(orders: readonly OpenStore[], open: (open: OpenStore) => Promise<ObjectStore>) {
    this.#orders = orders;
    this.#open = open;
  }

  /** @throws SkyError what opening says. */
  async at(index: number): Promise<ObjectStore> {
    const order = this.#orders[index];
    assert(order !== undefined, "a program names stores that came with it");
    const opening = this.#opened.get(index) ?? this.#open(order);
    this.#opened.set(index, opening);
    return await opening;
  }

  async of(
    operator: { readonly store: number; readonly connections: number },
    meter: Meter,
    ports: RetryPorts,
  ): Promise<OperatorStore> {
    const retries = new Retries(ports, () => {
      meter.retries += 1;
    });
    const store = retryingStore(await this.at(operator.store), retries);
    return { store, slots: new Slots(operator.connections) };
  }

  async close(): Promise<void> {
    for (const opening of this.#opened.values()) {
      const [opened] = await Promise.allSettled([opening]);
      if (opened.status === "fulfilled") await opened.value.close();
    }
  }
}
