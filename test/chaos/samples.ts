// What the head of a run holds, looked at every second: descriptors and memory, for each head.

import { readdirSync, readFileSync } from "node:fs";

export interface Sample {
  readonly descriptors: number;
  readonly rssMib: number;
}

const everyMs = 1_000;

export class Samples {
  readonly #byPid = new Map<number, Sample[]>();
  readonly #timer: NodeJS.Timeout;

  constructor(head: () => number | undefined) {
    this.#timer = setInterval(() => {
      const pid = head();
      if (pid !== undefined) this.take(pid);
    }, everyMs);
  }

  take(pid: number): Sample {
    const sample = sampleOf(pid);
    this.#byPid.set(pid, [...(this.#byPid.get(pid) ?? []), sample]);
    return sample;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** One for each head: first, most, last. */
  lines(): readonly string[] {
    return [...this.#byPid].map(([pid, samples]) => {
      const row = (of: (sample: Sample) => number): string => {
        const values = samples.map(of);
        return `${values[0]}, at most ${Math.max(...values)}, last ${values.at(-1)}`;
      };
      const descriptors = row((sample) => sample.descriptors);
      const memory = row((sample) => sample.rssMib);
      return `head ${pid}: descriptors ${descriptors}; MiB ${memory}`;
    });
  }
}

function sampleOf(pid: number): Sample {
  try {
    const descriptors = readdirSync(`/proc/${pid}/fd`).length;
    const [, kib = "0"] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
    return { descriptors, rssMib: Math.round(Number(kib) / 1024) };
  } catch {
    return { descriptors: 0, rssMib: 0 }; // It has ended.
  }
}
