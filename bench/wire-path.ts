// A long path: a process that stands between two parties, delays every byte and limits the rate.
//
// Each direction is a queue: a chunk leaves when the line is free and arrives half a round trip
// later. When more than a twentieth of a second waits for the line, nothing more is read, as a
// router's queue would be full. It reads what it is to do from its command line.

import { connect, createServer, type Socket } from "node:net";

const queueMs = 50;

interface Passing {
  readonly bytes: Buffer;
  readonly arrivesMs: number;
}

const [targetPort = "0", roundTripMs = "100", bytesPerSecond = "125000000"] = process.argv.slice(2);
const bytesPerMs = Number(bytesPerSecond) / 1_000;

function pass(from: Socket, to: Socket): void {
  const line: Passing[] = [];
  let freeMs = 0;
  let timer: NodeJS.Timeout | undefined;
  const deliver = (): void => {
    timer = undefined;
    const nowMs = performance.now();
    let due = 0;
    while ((line[due]?.arrivesMs ?? Number.POSITIVE_INFINITY) <= nowMs) due += 1;
    to.cork();
    for (const { bytes } of line.splice(0, due)) to.write(bytes);
    to.uncork();
    arm();
  };
  const arm = (): void => {
    const nowMs = performance.now();
    if (freeMs - nowMs > queueMs) from.pause();
    else from.resume();
    const next = line[0]?.arrivesMs;
    const wakeMs = Math.min(
      next ?? Number.POSITIVE_INFINITY,
      Math.max(freeMs - queueMs, nowMs + 1),
    );
    if (timer === undefined && (next !== undefined || from.isPaused())) {
      timer = setTimeout(deliver, Math.max(1, wakeMs - nowMs));
    }
  };
  from.on("data", (bytes: Buffer) => {
    freeMs = Math.max(freeMs, performance.now()) + bytes.length / bytesPerMs;
    line.push({ bytes, arrivesMs: freeMs + Number(roundTripMs) / 2 });
    arm();
  });
  from.on("close", () => to.destroy());
  from.on("error", () => to.destroy());
}

const server = createServer((near) => {
  const far = connect({ host: "127.0.0.1", port: Number(targetPort), noDelay: true });
  near.setNoDelay(true);
  pass(near, far);
  pass(far, near);
});

server.listen({ host: "127.0.0.1", port: 0 }, () => {
  const address = server.address();
  const port = address !== null && typeof address === "object" ? address.port : 0;
  process.stdout.write(`${JSON.stringify({ port })}\n`);
});
process.stdin.on("end", () => process.exit(0)).resume();
