// Waiting for a job's end without polling: its events wake us, its record decides.
//
// The events are asked for first and the record is read afterwards, so that an end between the two
// is seen. Broken streams go on after the last event that was seen; retries are bounded.

import { isSkyError } from "../model/errors.ts";
import type { NumberedEvent } from "../model/event.ts";
import type { Job } from "../model/job.ts";
import { isTerminal } from "../model/job.ts";
import type { EventQuery, Head, JobOf } from "./head.ts";

const retriesMax = 12;
const pauseMsFirst = 50;
const pauseMsMax = 5_000;

export interface WaitPorts {
  readonly signal: AbortSignal;
  /** Rejects when the caller has given up. */
  pause(ms: number): Promise<void>;
}

export async function waitForJob(head: Head, of: JobOf, ports: WaitPorts): Promise<Job> {
  const first = await head.getJob(of, ports.signal);
  if (isTerminal(first.status)) return first;
  // "The latest" is a number from here on.
  const query = { cluster: of.cluster, job: first.id, afterSeq: 0, follow: true };
  for await (const _ of followEvents(head, query, ports)) {
    const job = await head.getJob(query, ports.signal);
    if (isTerminal(job.status)) return job;
  }
  return head.getJob(query, ports.signal);
}

/** Events across broken connections: each once, in order. */
export async function* followEvents(
  head: Head,
  query: EventQuery,
  ports: WaitPorts,
): AsyncGenerator<NumberedEvent> {
  const state = { afterSeq: query.afterSeq, failures: 0 };
  for (;;) {
    const events = () => head.watchEvents({ ...query, afterSeq: state.afterSeq }, ports.signal);
    const broken = yield* eventsOnce(state, events);
    if (broken === undefined) return;
    state.failures += 1;
    const again = isSkyError(broken) && broken.remedy === "retry" && state.failures <= retriesMax;
    if (!again) throw broken;
    await ports.pause(Math.min(pauseMsMax, pauseMsFirst * 2 ** (state.failures - 1)));
  }
}

/** One stream to its end. Gives what broke it. */
async function* eventsOnce(
  state: { afterSeq: number; failures: number },
  open: () => AsyncIterable<NumberedEvent>,
): AsyncGenerator<NumberedEvent, unknown> {
  try {
    for await (const event of open()) {
      state.failures = 0;
      if (event.seq <= state.afterSeq) continue;
      state.afterSeq = event.seq;
      yield event;
    }
    return undefined;
  } catch (error) {
    return error;
  }
}
