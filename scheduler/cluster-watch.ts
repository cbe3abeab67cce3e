// What a head knows of a cluster, now and at each change: its status, its nodes' phases, and what
// autostop thinks.
//
// A reader that is slow gets the newest, not all that was in between: what is waiting for it is at
// most one message. The stream ends when the cluster is gone, with a message without one.

import { clusterToProto } from "../proto/converters-cluster.ts";
import type { sky } from "../proto/gen/sky.js";
import type { ApiOptions } from "./api-options.ts";
import { viewOf } from "./cluster-view.ts";
import { recordOf } from "./lookup.ts";

type Options = Pick<ApiOptions, "fleets" | "heads" | "remote" | "clock">;

const lingerMs = 200;

export interface ClusterWatch {
  readonly name: string;
  /** What it was last busy with, as a sentence. */
  readonly why: () => string;
  readonly signal: AbortSignal;
}

/** @throws SkyError `cluster/not-found`. */
export async function* watchCluster(
  options: Options,
  { name, why, signal }: ClusterWatch,
): AsyncGenerator<sky.v1.WatchResponse.$Properties> {
  recordOf(options, name);
  const news = new News();
  const stops = [options.fleets.onChange(name, news.come)];
  signal.addEventListener("abort", news.come);
  hearBoard(options, name, { news, signal, stops });
  let told = "";
  try {
    while (!signal.aborted) {
      const record = options.fleets.record(name);
      if (record === undefined) {
        yield { why: why() };
        // Whoever asked for the end over the same connection is answered first: some take the end
        // of this for the end of that.
        await new Promise<void>((resolve) => void options.clock.after(lingerMs, resolve));
        return;
      }
      const view = viewOf(options, record);
      const text = JSON.stringify(view);
      if (text !== told) {
        told = text;
        yield { cluster: clusterToProto(view), why: record.busy === undefined ? "" : why() };
      } else {
        await news.next();
      }
    }
  } finally {
    for (const stop of stops) stop();
    signal.removeEventListener("abort", news.come);
  }
}

/** From when its head is open: until then nobody knows more of it than its record. */
function hearBoard(
  { heads }: Options,
  name: string,
  { news, signal, stops }: { news: News; signal: AbortSignal; stops: (() => void)[] },
): void {
  const hear = async (): Promise<void> => {
    const head = await heads.whenOpen(name, signal);
    if (head === undefined || signal.aborted) return;
    const stop = head.board.onAnnouncement(({ nodes, autostop }) => {
      if (nodes !== undefined || autostop !== undefined) news.come();
    });
    stops.push(stop);
    news.come();
  };
  // It waits for a head and no more: it does not fail.
  void hear();
}

/** Whether something came since somebody last waited. */
class News {
  #isThere = false;
  #wake = (): void => {};

  come = (): void => {
    this.#isThere = true;
    this.#wake();
  };

  async next(): Promise<void> {
    if (!this.#isThere) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#isThere = false;
  }
}
