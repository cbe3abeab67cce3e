// What heads and skylets hold over a run, looked at twice a second: descriptors and memory.
//
// Growth is judged for each process that lived long enough: the least that it held in the second
// half of its life against the first. The least is what remains when nothing is under way; a leak
// of one descriptor a job, or of a few kilobytes, shows in it, and a burst of load does not.

import { readdirSync, readFileSync } from "node:fs";

export interface Sample {
  readonly descriptors: number;
  readonly rssMib: number;
}

export interface Sampled {
  readonly pid: number;
  /** `head`, or the name of a node. */
  readonly name: string;
}

const everyMs = 500;
/** Until it has started and met its peers. */
const youthSamples = 6;
const samplesMin = 20;
const descriptorsSpare = 24;
const rssGrowth = 1.5;
const rssSpareMib = 24;

export class Samples {
  readonly #byPid = new Map<number, { readonly name: string; readonly samples: Sample[] }>();
  readonly #timer: NodeJS.Timeout;

  constructor(look: () => readonly Sampled[]) {
    this.#timer = setInterval(() => {
      for (const { pid, name } of look()) this.#take(pid, name);
    }, everyMs);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** One for each process that lived for more than a moment. */
  lines(): readonly string[] {
    return this.#judged().map(({ pid, name, samples }) => {
      const row = (of: (sample: Sample) => number): string => {
        const values = samples.map(of);
        return `${values[0]}, at most ${Math.max(...values)}, last ${values.at(-1)}`;
      };
      const descriptors = row((sample) => sample.descriptors);
      const memory = row((sample) => sample.rssMib);
      const seconds = (samples.length * everyMs) / 1_000;
      return `${name} ${pid}, ${seconds} s: descriptors ${descriptors}; MiB ${memory}`;
    });
  }

  grown(): readonly string[] {
    return this.#judged().flatMap(({ pid, name, samples }) => grownIn(`${name} ${pid}`, samples));
  }

  #judged() {
    return [...this.#byPid]
      .map(([pid, { name, samples }]) => ({ pid, name, samples: samples.slice(youthSamples) }))
      .filter(({ samples }) => samples.length >= samplesMin);
  }

  #take(pid: number, name: string): void {
    const sample = sampleOf(pid);
    if (sample === undefined) return;
    const known = this.#byPid.get(pid);
    if (known === undefined) this.#byPid.set(pid, { name, samples: [sample] });
    else known.samples.push(sample);
  }
}

/** Exported for its test. */
export function grownIn(label: string, samples: readonly Sample[]): readonly string[] {
  const middle = samples.length >> 1;
  const least = (of: keyof Sample) =>
    [samples.slice(0, middle), samples.slice(middle)].map((half) =>
      Math.min(...half.map((sample) => sample[of])),
    ) as [number, number];
  const [openBefore, openAfter] = least("descriptors");
  const [before, after] = least("rssMib");
  const found: string[] = [];
  if (openAfter > openBefore + descriptorsSpare) {
    found.push(`${label} held at least ${openBefore} descriptors, and later ${openAfter}`);
  }
  if (after > before * rssGrowth + rssSpareMib) {
    found.push(`${label} held at least ${before} MiB, and later ${after}`);
  }
  return found;
}

export function sampleOf(pid: number): Sample | undefined {
  try {
    const descriptors = readdirSync(`/proc/${pid}/fd`).length;
    if (descriptors === 0) return undefined; // It has ended, and nobody has asked how.
    const [, kib = "0"] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
    return { descriptors, rssMib: Math.round(Number(kib) / 1024) };
  } catch {
    return undefined; // It is gone.
  }
}
