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
  let afterSeq = query.afterSeq;
  for (let failures = 0; ; ) {
    try {
      for await (const event of head.watchEvents({ ...query, afterSeq }, ports.signal)) {
        failures = 0;
        if (event.seq <= afterSeq) continue;
        afterSeq = event.seq;
        yield event;
      }
      return;
    } catch (error) {
      failures += 1;
      const again = isSkyError(error) && error.remedy === "retry" && failures <= retriesMax;
      if (!again) throw error;
    }
    await ports.pause(Math.min(pauseMsMax, pauseMsFirst * 2 ** (failures - 1)));
  }
}
