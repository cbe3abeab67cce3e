// Who watches a transfer: each with a queue of its own that a slow reader cannot make grow.
//
// Of states and progress only the last that was not taken is kept, in the order in which they came;
// events of single objects are left out when a queue is full. An ended state is never left out, and
// ends the watching.

import { isEnded, type TransferEvent } from "../../model/transfer.ts";
import { Bell } from "../../transfer/job/bell.ts";

/** Events that wait for one watcher. */
export const watcherEventsMax = 256;

export class Watchers {
  readonly #queues = new Set<EventQueue>();

  get count(): number {
    return this.#queues.size;
  }

  tell(event: TransferEvent): void {
    for (const queue of this.#queues) queue.push(event);
  }

  /** Nobody hears any more: the head ends. */
  close(): void {
    for (const queue of this.#queues) queue.close();
  }

  async *watch(first: TransferEvent, signal: AbortSignal): AsyncGenerator<TransferEvent> {
    const queue = new EventQueue();
    const stop = (): void => queue.close();
    this.#queues.add(queue);
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    try {
      queue.push(first);
      yield* queue.events();
    } finally {
      this.#queues.delete(queue);
      signal.removeEventListener("abort", stop);
    }
  }
}

class EventQueue {
  #events: TransferEvent[] = [];
  readonly #bell = new Bell();
  #isClosed = false;

  push(event: TransferEvent): void {
    if (event.kind === "state" || event.kind === "progress") {
      this.#events = this.#events.filter(({ kind }) => kind !== event.kind);
      this.#events.push(event);
    } else if (this.#events.length < watcherEventsMax) this.#events.push(event);
    this.#bell.ring();
  }

  close(): void {
    this.#isClosed = true;
    this.#bell.ring();
  }

  async *events(): AsyncGenerator<TransferEvent> {
    for (;;) {
      const event = this.#events.shift();
      if (event !== undefined) {
        yield event;
        if (event.kind === "state" && isEnded(event.view.status)) return;
      } else if (this.#isClosed) return;
      else await this.#bell.next();
    }
  }
}
