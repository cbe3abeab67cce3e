// WatchEvents and Why: what the journal says has happened, and the chain that explains a state.
//
// A cluster's own history is under its name, those of its jobs and nodes below it. Sequence numbers
// rise over all of them, so a reader who knows the last one goes on without a gap.

import { clusterOf } from "../clouds/cluster-record.ts";
import type { NumberedEvent } from "../model/event.ts";
import type { Job } from "../model/job.ts";
import { eventToProto } from "../proto/converters-job.ts";
import type { sky } from "../proto/gen/sky.js";
import type { StoreEvent } from "../runtime/store.ts";
import type { ApiOptions } from "./api-options.ts";
import type { Event } from "./board.ts";
import type { Head } from "./head.ts";
import { lastLinesText } from "./last-lines-os.ts";
import { headOf, jobOf, recordOf } from "./lookup.ts";
import { whyCluster, whyJob } from "./why.ts";

const pageCount = 1_000;

export async function* watchEvents(
  options: ApiOptions,
  request: sky.v1.WatchEventsRequest,
  signal: AbortSignal,
): AsyncGenerator<sky.v1.WatchEventsResponse.$Properties> {
  const { cluster, job, follow } = request;
  const head = await headOf(options, { cluster, what: "Watching events", signal });
  const subjects = job === 0 ? [cluster, `${cluster}/`] : [`${cluster}/job/${job}`];
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
      const page = await pageOf(options, subjects, after);
      for (const event of page) {
        after = event.seq;
        yield { event: eventToProto(event) };
      }
      if (page.length > 0 || isNews) continue;
      if (!follow) return;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  } finally {
    stopHearing();
    signal.removeEventListener("abort", onNews);
  }
}

export interface Explanation {
  readonly summary: string;
  readonly chain: readonly NumberedEvent[];
}

export async function whyOf(
  options: ApiOptions,
  { cluster, job: id }: sky.v1.WhyRequest,
  signal: AbortSignal,
): Promise<Explanation> {
  const head = await headOf(options, { cluster, what: "Explaining", signal });
  if (id !== 0) {
    const job = await jobOf(head.board, cluster, id);
    const chain = await wholeHistory(options, `${cluster}/job/${job.id}`);
    const { summary } = whyJob(job, chain);
    return { summary: `${summary}${await lastWords(head, job, signal)}`, chain };
  }
  const chain = await wholeHistory(options, cluster);
  const { nodes } = clusterOf(recordOf(options, cluster));
  const facts = {
    name: cluster,
    jobs: head.board.jobs(),
    nodes: nodes.map((node) => {
      const { board } = head;
      return { ...node, phase: board.nodePhase(node.id), misfit: board.misfit(node.id) };
    }),
    autostop: head.board.autostop(),
    nowWallMs: options.clock.now().wallMs,
  };
  return { summary: whyCluster(facts, chain).summary, chain };
}

/** What a failed process wrote at last, unless its logs had to go. */
async function lastWords(head: Head, job: Job, signal: AbortSignal): Promise<string> {
  if (await head.retention.tookLogs(job.id)) return "";
  return lastLinesText(head.logs, job, { signal });
}

/** Every event of one subject. */
export async function wholeHistory(
  options: Pick<ApiOptions, "store">,
  subject: string,
): Promise<NumberedEvent[]> {
  const all: NumberedEvent[] = [];
  for (;;) {
    const page = await pageOf(options, [subject], all.at(-1)?.seq ?? 0);
    if (page.length === 0) return all;
    all.push(...page);
  }
}

/** The next events after `after`: of several subjects, only as far as all of them are read. */
async function pageOf(
  { store }: Pick<ApiOptions, "store">,
  subjects: readonly string[],
  after: number,
): Promise<readonly NumberedEvent[]> {
  const pages = await Promise.all(
    subjects.map((subject) => store.events({ subject, after, countMax: pageCount })),
  );
  const full = pages.filter((page) => page.length === pageCount);
  const until = Math.min(...full.map((page) => page.at(-1)?.seq ?? 0), Number.MAX_SAFE_INTEGER);
  return pages
    .flat()
    .filter(({ seq }) => seq <= until)
    .sort((a, b) => a.seq - b.seq)
    .map(eventOf);
}

function eventOf(stored: StoreEvent): NumberedEvent {
  const body: unknown = JSON.parse(stored.body);
  return { ...(body as Event), seq: stored.seq };
}
