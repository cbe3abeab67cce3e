// What whoever launches or starts a cluster is shown meanwhile: for whom it has to wait, how many
// nodes are up, and then the cluster.

import { type Busy, type ClusterRecord, waitText } from "../clouds/cluster-record.ts";
import type { Progress } from "../clouds/fleets-actor.ts";
import { clusterToProto, progressToProto } from "../proto/converters-cluster.ts";
import type { sky } from "../proto/gen/sky.js";
import { unlessFull } from "../runtime/store-room.ts";
import type { ApiOptions } from "./api-options.ts";
import { viewOf } from "./cluster-view.ts";

export interface Steps {
  readonly name: string;
  /** What the cluster was busy with when this was asked for. */
  readonly busy: Busy | undefined;
  readonly work: Promise<ClusterRecord>;
  /** Whoever watches has gone. The work goes on. */
  readonly signal: AbortSignal;
}

/** Progress as it comes, then the cluster. */
export async function* stepsOf(
  options: ApiOptions,
  { name, busy, work, signal }: Steps,
): AsyncGenerator<sky.v1.LaunchResponse.$Properties> {
  let wake = () => {};
  let news: Progress | undefined;
  let shown = "";
  let shownUp: number | undefined;
  const stopHearing = options.fleets.onProgress(name, (progress) => {
    news = progress;
    wake();
  });
  let isOver = false;
  const over = unlessFull(options.store, work).finally(() => {
    isOver = true;
    wake();
  });
  // Awaited below; until then a refusal must not count as unhandled.
  over.catch(() => {});
  const leave = (): void => wake();
  signal.addEventListener("abort", leave, { once: true });
  try {
    if (busy !== undefined) yield { progress: waiting(options, name, busy) };
    while (!isOver && !signal.aborted) {
      const text = news === undefined ? "" : progressText(news, shownUp);
      if (news !== undefined && text !== "" && text !== shown) {
        shown = text;
        const { nodesUp, record } = news;
        shownUp = nodesUp;
        const nodesWanted = record.nodes.length;
        yield { progress: progressToProto({ nodesUp, nodesWanted, text }) };
      } else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
    if (isOver) yield { cluster: viewProto(options, await over) };
  } finally {
    stopHearing();
    signal.removeEventListener("abort", leave);
  }
}

export function viewProto(
  options: ApiOptions,
  record: ClusterRecord,
): ReturnType<typeof clusterToProto> {
  return clusterToProto(viewOf(options, record));
}

function waiting(
  options: ApiOptions,
  name: string,
  busy: Busy,
): ReturnType<typeof progressToProto> {
  const { fleets, clock } = options;
  const record = fleets.record(name);
  const nodes = record === undefined ? [] : viewOf(options, record).nodes;
  const nodesUp = nodes.filter(({ phase }) => phase === "alive").length;
  const text = waitText(busy, clock.now().wallMs);
  return progressToProto({ nodesUp, nodesWanted: nodes.length, text });
}

/** Empty for a count that was told before, and nothing else. */
function progressText(
  { record, nodesUp, doing, troubles }: Progress,
  shownUp: number | undefined,
): string {
  const count = `${nodesUp} of ${record.nodes.length} nodes are up`;
  const more = [...(doing === "" ? [] : [doing]), ...troubles];
  return more.length === 0 && nodesUp === shownUp ? "" : [count, ...more].join("; ");
}
