// A cluster whose head runs elsewhere may have ended while nobody was here to hear of it. Whoever
// asks about one that is on record as up waits for the first that is heard of it, but not for long.
//
// Once anything was heard, or a connection has failed, nobody waits any more.

import type { ClusterRecord } from "../clouds/cluster-record.ts";
import type { ApiOptions } from "./api-options.ts";

/** How long at most. */
const wordMs = 5_000;
/** How long a record may take to follow what was heard. */
const followMs = 500;

type Options = Pick<ApiOptions, "fleets" | "remote" | "clock">;

export async function firstWords(
  options: Options,
  records: readonly (ClusterRecord | undefined)[],
  signal: AbortSignal,
): Promise<void> {
  await Promise.all(records.map((record) => firstWord(options, record, signal)));
}

async function firstWord(
  { fleets, remote, clock }: Options,
  record: ClusterRecord | undefined,
  signal: AbortSignal,
): Promise<void> {
  if (record?.status !== "UP") return;
  const { name } = record;
  const head = remote?.get(name);
  if (head === undefined || head.view() !== undefined || head.silence() !== undefined) return;
  const changed = Promise.withResolvers<void>();
  const forget = fleets.onChange(name, changed.resolve);
  const late = new AbortController();
  const stops = [clock.after(wordMs, () => late.abort())];
  try {
    await head.client(AbortSignal.any([signal, late.signal]));
  } catch {
    // What it failed with is told by whatever is asked of the head next. It may have ended.
    stops.push(clock.after(followMs, changed.resolve));
    await changed.promise;
  } finally {
    forget();
    for (const stop of stops) stop();
  }
}
