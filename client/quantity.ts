// Sizes, rates and times of transfers in words, and read from words. Pure.
//
// What is printed is decimal (1 MB is 1e6 bytes, 1 Gbit/s is 1e9 bits a second), as prices and
// links are. What is read has its unit in it: `64M` is refused, because to one tool it is MB and
// to another MiB.

const byteUnits: Readonly<Record<string, number>> = {
  ...{ B: 1, kB: 1e3, KB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12 },
  ...{ KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3, TiB: 1024 ** 4 },
};

const bitUnits: Readonly<Record<string, number>> = {
  ...{ bit: 1, kbit: 1e3, Mbit: 1e6, Gbit: 1e9, bps: 1, kbps: 1e3, Mbps: 1e6, Gbps: 1e9 },
};

const scales = ["B", "kB", "MB", "GB", "TB", "PB"] as const;

/** `0 B`, `999 B`, `1.5 kB`, `12.3 GB`. */
export function bytesText(bytes: number): string {
  let value = bytes;
  let scale = 0;
  // What would be printed as 1000 of one unit is one of the next.
  while (value >= (scale === 0 ? 1_000 : 999.95) && scale < scales.length - 1) {
    value /= 1_000;
    scale += 1;
  }
  return `${scale === 0 ? Math.round(value) : value.toFixed(1)} ${scales[scale]}`;
}

/** `112.4 MB/s`. */
export function rateText(bytesPerSecond: number): string {
  return `${bytesText(bytesPerSecond)}/s`;
}

/** `0.90 Gbit/s`; what is slower in smaller units: `3.5 Mbit/s`, `12 kbit/s`. */
export function gbpsText(gbps: number): string {
  if (gbps === 0 || gbps >= 0.1) return `${gbps.toFixed(2)} Gbit/s`;
  return gbps >= 1e-4 ? `${short(gbps * 1e3)} Mbit/s` : `${short(gbps * 1e6)} kbit/s`;
}

/** `$0.02`, `$0.0001` where it is less than a cent; `$0` for nothing. */
export function dollarsText(dollars: number): string {
  if (dollars === 0) return "$0";
  return dollars >= 0.01 ? `$${dollars.toFixed(2)}` : `$${dollars.toPrecision(1)}`;
}

/** `0.4s`, `13s`, `2m 5s`, `1h 2m`, `3d 4h`. */
export function secondsText(seconds: number): string {
  if (seconds < 1) return `${short(Math.max(0, seconds))}s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole}s`;
  const parts: readonly (readonly [number, string])[] = [
    [Math.floor(whole / 86_400), "d"],
    [Math.floor(whole / 3_600) % 24, "h"],
    [Math.floor(whole / 60) % 60, "m"],
    [whole % 60, "s"],
  ];
  const first = parts.findIndex(([count]) => count > 0);
  const shown = parts.slice(first, first + 2).filter(([count]) => count > 0);
  return shown.map(([count, unit]) => `${count}${unit}`).join(" ");
}

/** `1 object`, `12,345 objects`. */
export function countText(count: number, noun: string): string {
  return `${grouped(count)} ${noun}${count === 1 ? "" : "s"}`;
}

export function grouped(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** Bytes of `64MiB`, `1.5 GB`, `4096`; `undefined` for what is none. */
export function bytesIn(text: string): number | undefined {
  const [value, unit] = amountIn(text);
  const scale = unit === "" ? 1 : byteUnits[unit];
  if (value === undefined || scale === undefined) return undefined;
  return Math.round(value * scale);
}

/** Bytes a second of `100MB/s`, `800 Mbit/s`, `1Gbps`; `undefined` for what is none. */
export function bytesPerSecondIn(text: string): number | undefined {
  const [value, unit] = amountIn(text.replace(/\/s$/, ""));
  if (value === undefined) return undefined;
  const bytes = byteUnits[unit];
  if (bytes !== undefined) return value * bytes;
  const bits = bitUnits[unit];
  return bits === undefined ? undefined : (value * bits) / 8;
}

function amountIn(text: string): readonly [number | undefined, string] {
  const [, digits, unit = ""] = /^(\d+(?:\.\d+)?) ?([A-Za-z]*)$/.exec(text.trim()) ?? [];
  return [digits === undefined ? undefined : Number(digits), unit];
}

/** Two digits that matter. */
function short(value: number): string {
  return value >= 10 ? String(Math.round(value)) : value.toFixed(1).replace(/\.0$/, "");
}
