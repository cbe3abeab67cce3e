// WatchEvents and Why: what the journal says has happened, and the chain that explains a state.

import type { NumberedEvent } from "../model/event.ts";
import { eventToProto } from "../proto/converters-job.ts";
import type { sky } from "../proto/gen/sky.js";
import type { StoreEvent } from "../runtime/store.ts";
import type { ApiOptions } from "./api-grpc.ts";
import type { Event } from "./board.ts";
import { headOf, jobOf } from "./lookup.ts";

export interface Explanation {
  readonly summary: string;
  readonly chain: readonly NumberedEvent[];
}

const pageCount = 1_000;

export async function* watchEvents(
  options: ApiOptions,
  request: sky.v1.WatchEventsRequest,
  signal: AbortSignal,
): AsyncGenerator<sky.v1.WatchEventsResponse.$Properties> {
  const head = headOf(options, request.cluster, "Watching events");
  const subject = subjectOf(request.cluster, request.job);
  let after = request.afterSeq;
  let wake = () => {};
  let isNews = true;
  const onNews = () => {
    isNews = true;
    wake();
  };
  const stopHearing = head.board.onAnnouncement(onNews);
  signal.addEventListener("abort", onNews);
  try {
    while (!signal.aborted) {
      isNews = false;
      const page = await options.store.events({ subject, after, countMax: pageCount });
      for (const stored of page) {
        after = stored.seq;
        yield { event: eventToProto(eventOf(stored)) };
      }
      if (page.length === pageCount || isNews) continue;
      if (!request.follow) return;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  } finally {
    stopHearing();
    signal.removeEventListener("abort", onNews);
  }
}

export async function whyOf(
  options: ApiOptions,
  cluster: string,
  id: number,
): Promise<Explanation> {
  const head = headOf(options, cluster, "Explaining");
  const job = id === 0 ? undefined : jobOf(head.board, cluster, id);
  const subject = subjectOf(cluster, job?.id ?? 0);
  const stored = await options.store.events({ subject, after: 0, countMax: pageCount });
  return { summary: job?.waitingFor ?? job?.status ?? "", chain: stored.map(eventOf) };
}

function subjectOf(cluster: string, job: number): string {
  return job === 0 ? `${cluster}/` : `${cluster}/job/${job}`;
}

function eventOf(stored: StoreEvent): NumberedEvent {
  const body: unknown = JSON.parse(stored.body);
  return { ...(body as Event), seq: stored.seq };
}
