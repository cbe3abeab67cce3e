// Times as people read them in tables: `5 mins ago`, `1h 2m 3s`. Pure: "now" is passed in.
// Source of the forms: SkyPilot's `sky queue` and `sky status`.

const units = [
  { name: "day", seconds: 86_400 },
  { name: "hr", seconds: 3_600 },
  { name: "min", seconds: 60 },
  { name: "sec", seconds: 1 },
] as const;

/** `3 mins ago`; `a few secs ago` below ten seconds; `-` when there is no time. */
export function agoText(at: number | undefined, now: number): string {
  if (at === undefined) return "-";
  const seconds = Math.max(0, Math.floor((now - at) / 1_000));
  if (seconds < 10) return "a few secs ago";
  for (const { name, seconds: size } of units) {
    const count = Math.floor(seconds / size);
    if (count > 0) return `${count} ${name}${count === 1 ? "" : "s"} ago`;
  }
  return "a few secs ago";
}

/** `1h 2m 3s`, the two or three largest parts; `< 1s`; `-` when it has not begun. */
export function durationText(from: number | undefined, to: number): string {
  if (from === undefined) return "-";
  const seconds = Math.max(0, Math.floor((to - from) / 1_000));
  if (seconds === 0) return "< 1s";
  const [days, hours] = [Math.floor(seconds / 86_400), Math.floor(seconds / 3_600) % 24];
  const [minutes, rest] = [Math.floor(seconds / 60) % 60, seconds % 60];
  const parts = [
    [days, "d"],
    [hours, "h"],
    [minutes, "m"],
    [days > 0 ? 0 : rest, "s"],
  ] as const;
  return parts
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count}${unit}`)
    .join(" ");
}

/** An idle time as `sky status` shows it: `5m`, `90s`. */
export function idleText(ms: number): string {
  const seconds = ms / 1_000;
  return seconds % 60 === 0 ? `${seconds / 60}m` : `${seconds}s`;
}
