// One source, four sinks: as a fan-out and as four fetches beside each other, in the same places.
//
// On loopback all share two cores and a memory bus, so a fan-out moves no fewer bytes and the
// numbers say what its steps cost. In namespaces the source's link is limited, as it is where one
// machine feeds many: there a fan-out should take about the time of one transfer. Stores are in
// memory and bytes do not compress.

import { type NamespacePlace, withBridge } from "./fanout-namespaces.ts";
import type { FanOutPart } from "./fanout-party.ts";
import { FanOutProcess, Names } from "./fanout-processes.ts";
import type { Report, Row } from "./report.ts";
import { namespacesMissing } from "./wire-namespaces.ts";

const sinkCount = 4;
const chunkBytes = 1024 * 1024;
const loopbackBytes = 64 * 1024 * 1024;
const linkBytes = 48 * 1024 * 1024;
const megabitsPerSecond = 200;
/** A fan-out over a limited link takes at most so many times what the bytes alone would. */
const linkTimesMax = 1.3;

interface Outcome {
  /** From the first sink's start until the last has all. */
  readonly seconds: number;
  readonly sourceBytes: number;
}

type Shape = "tree" | "pipeline" | "alone";

export async function fanOutReports(): Promise<readonly Report[]> {
  return [await loopbackReport(), await linkReport()];
}

async function loopbackReport(): Promise<Report> {
  const here = Array.from({ length: sinkCount + 1 }, () => ({ name: "", host: "127.0.0.1" }));
  const rows: Row[] = [];
  for (const shape of ["tree", "alone"] as const) {
    rows.push(rowOf(shape, loopbackBytes, await measure(here, shape, loopbackBytes)));
  }
  return { title: `fan-out, 1 to ${sinkCount} on loopback`, rows, notes: [] };
}

async function linkReport(): Promise<Report> {
  const title = `fan-out, 1 to ${sinkCount}, the source's link at ${megabitsPerSecond} Mbit/s`;
  const missing = namespacesMissing();
  if (missing !== undefined) return { title, rows: [], notes: [missing] };
  const one = linkBytes / ((megabitsPerSecond * 1e6) / 8);
  const rows = await withBridge({ count: sinkCount + 1, megabitsPerSecond }, async (places) => {
    const found: Row[] = [];
    for (const shape of ["tree", "pipeline", "alone"] as const) {
      const outcome = await measure(places, shape, linkBytes);
      const times = outcome.seconds / one;
      const kept = times <= linkTimesMax;
      const budget = { text: `≤ ${linkTimesMax} of one transfer`, kept };
      const row = rowOf(shape, linkBytes, outcome);
      const values = { ...row.values, "of one transfer": `${times.toFixed(2)} ×` };
      found.push(shape === "alone" ? { ...row, values } : { ...row, values, budget });
    }
    return found;
  });
  return { title, rows, notes: [`the bytes alone need ${one.toFixed(2)} s on that link`] };
}

function rowOf(shape: Shape, bytes: number, { seconds, sourceBytes }: Outcome): Row {
  const what = { tree: "fan-out, a tree", pipeline: "fan-out, a pipeline", alone: "four fetches" };
  const each = (bytes / seconds / 1e6).toFixed(0);
  const values = {
    time: `${seconds.toFixed(2)} s`,
    "each sink": `${each} MB/s`,
    "left the source": `${(sourceBytes / bytes).toFixed(2)} ×`,
  };
  return { what: what[shape], values };
}

async function measure(
  places: readonly NamespacePlace[],
  shape: Shape,
  bytes: number,
): Promise<Outcome> {
  const who = await Names.create(places.map(({ host }) => host));
  const [first, ...others] = places;
  if (first === undefined) throw new Error("a source needs a place");
  const names = others.map((_, index) => `bench/sink${index}`);
  const parties: FanOutProcess[] = [];
  const start = async (place: NamespacePlace, name: string, part: Partial<FanOutPart>) => {
    const about = { role: "sink", seed: 1, bytes, chunkBytes, host: place.host } as const;
    const security = await who.security(name);
    const before = place.name === "" ? [] : ["ip", "netns", "exec", place.name];
    const party = new FanOutProcess(
      { ...about, security, alone: shape === "alone", ...part },
      before,
    );
    parties.push(party);
    return party;
  };
  try {
    const rules = { children: shape === "pipeline" ? 1 : 2 };
    const source = await start(first, "bench/source", { role: "source", sinks: names, rules });
    const { port } = await source.word("listens");
    const where = { host: first.host, port };
    const sinks: FanOutProcess[] = [];
    for (const [index, place] of others.entries()) {
      sinks.push(await start(place, names[index] ?? "", { source: where, waits: true }));
    }
    await Promise.all(sinks.map((sink) => sink.word("ready")));
    const startedAt = performance.now();
    for (const sink of sinks) sink.hurry();
    await Promise.all(sinks.map((sink) => sink.word("here")));
    const seconds = (performance.now() - startedAt) / 1_000;
    return { seconds, sourceBytes: (await source.word("over")).sourceBytes };
  } finally {
    for (const party of parties) party.kill();
    await Promise.all(parties.map(({ ended }) => ended));
  }
}
