// Tells a peer that works from one that only makes us work.
//
// Frames that move no bytes (opens, ends, credits, pings, what is late) are paid for by frames
// that do, and by time: a session that moves data may talk about it as much as it needs, and a
// quiet one may open a thousand channels at once, but nobody may talk without end.
//
// Pure: time comes in.

/** What may be talked at once, in frames… */
const burstFrames = 100_000;
/** …and for how long without moving anything. */
const framesPerSecond = 20_000;
/** So many bytes that move, either way, pay for one frame. */
const bytesPerFrame = 4 * 1024;
/** An open is handed to somebody, and a ping is answered. */
const costs = { open: 8, ping: 4 } as const;

export class FloodMeter {
  #left = burstFrames;
  #atMs: number | undefined;

  /** So many bytes moved. */
  moved(bytes: number): void {
    this.#left = Math.min(burstFrames, this.#left + bytes / bytesPerFrame);
  }

  /** A frame that moved nothing came. Gives whether that is still in order. */
  talked(kind: string, nowMs: number): boolean {
    const elapsedMs = nowMs - (this.#atMs ?? nowMs);
    this.#atMs = nowMs;
    this.#left = Math.min(burstFrames, this.#left + (elapsedMs * framesPerSecond) / 1000);
    this.#left -= kind === "open" ? costs.open : kind === "ping" ? costs.ping : 1;
    return this.#left >= 0;
  }
}
