// A cluster `demo` on three hosts between two of which the direct way is slow: 100 Mbit/s along a
// cable of their own, and 500 over the bridge, by way of the third. `worker1` has `~/data`.

import type { Place } from "../support/programs.ts";
import { type Lab, startLab } from "./lab.ts";
import { type DirectCable, directCable, limit } from "./lab-direct.ts";
import type { HostWish } from "./lab-options.ts";
import { closeBoth, labPlace, launching, ok, writePools } from "./ssh-clusters.ts";

export interface OverlayStage {
  readonly lab: Lab;
  readonly here: Place;
  /** Of `~/data`, which does not compress. */
  readonly bytes: number;
  /** Copies from `worker1`, and tells what that carried. */
  moved(words: readonly string[]): Promise<Moved>;
  close(): Promise<void>;
}

/** What left `worker1`. */
export interface Moved {
  readonly alongCable: number;
  readonly overBridge: number;
  /** In a second, while most of it was on its way. */
  readonly megabits: number;
  /** Of the whole command. */
  readonly seconds: number;
}

const mebibyte = 1_048_576;
/** 100 and 500 Mbit/s. */
const rates = { direct: 12_500_000, bridge: 62_500_000 };
const files = 4;
const lookMs = 50;

export async function overlayStage(options: {
  readonly mebibytes: number;
  readonly hosts?: Readonly<Record<number, HostWish>>;
}): Promise<OverlayStage> {
  const { mebibytes, hosts = {} } = options;
  const lab = await startLab({ count: 3, hosts });
  const here = labPlace(undefined, lab);
  const close = (): Promise<void> => closeBoth(here, lab);
  try {
    writePools(here, "lab:\n  hosts:\n    - lab0\n    - lab1\n    - lab2\n");
    await ok(here, [...launching("demo", 3), "true"]);
    await limit(lab.host(0), "eth0", rates.bridge);
    const cable = await directCable(lab.host(1), lab.host(2), rates);
    await fill(lab, mebibytes);
    const moved = (words: readonly string[]): Promise<Moved> => move(here, cable, words);
    return { lab, here, bytes: mebibytes * mebibyte, moved, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function fill(lab: Lab, mebibytes: number): Promise<void> {
  const host = lab.host(1);
  const make = `head -c ${mebibytes / files}M /dev/urandom > data/$i`;
  const numbers = Array.from({ length: files }, (_, number) => number).join(" ");
  await host.exec(`mkdir data; for i in ${numbers}; do ${make}; done`, { user: host.user });
}

async function move(
  here: Place,
  { sentBytes, sentOverBridge }: DirectCable,
  words: readonly string[],
): Promise<Moved> {
  const [along, over] = [sentBytes(), sentOverBridge()];
  const startedAt = performance.now();
  const meter = meterOf(() => sentBytes() + sentOverBridge());
  await ok(here, ["cp", "-r", "-y", "--no-compress", "demo/worker1:data", ...words]);
  return {
    alongCable: sentBytes() - along,
    overBridge: sentOverBridge() - over,
    megabits: meter.megabits(),
    seconds: (performance.now() - startedAt) / 1_000,
  };
}

function meterOf(count: () => number) {
  const samples: (readonly [ms: number, bytes: number])[] = [];
  const look = (): number => samples.push([performance.now(), count()]);
  look();
  const timer = setInterval(look, lookMs);
  return {
    megabits: (): number => {
      clearInterval(timer);
      look();
      const [first = 0, last = 0] = [samples[0]?.[1], samples.at(-1)?.[1]];
      const after = (share: number) =>
        samples.find(([, seen]) => seen >= first + share * (last - first)) ?? [0, 0];
      const [[beganMs, began], [endedMs, ended]] = [after(0.1), after(0.9)];
      return ((ended - began) * 8) / (endedMs - beganMs) / 1_000;
    },
  };
}
