// How long a job, or a node, pauses after it did not get ready: doubling up to a maximum.

export function pauseAfter(failures: number, firstMs: number, maxMs: number): number {
  return Math.min(maxMs, firstMs * 2 ** Math.min(30, Math.max(0, failures - 1)));
}
