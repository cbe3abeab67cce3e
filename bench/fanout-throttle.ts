// A stream port whose dials go through a relay that lets so many bytes a second pass.

import { connect, createServer, type Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import type { StreamPort, StreamTarget } from "../runtime/stream.ts";

/** It may change while bytes pass. */
export interface Throttle {
  bytesPerSecond: number;
}

export function throttled(port: StreamPort, throttle: Throttle): StreamPort {
  return {
    ...port,
    dial: async (target, signal) => {
      const relayed = await relay(target, throttle);
      return await port.dial({ ...target, ...relayed }, signal);
    },
  };
}

async function relay(target: StreamTarget, throttle: Throttle): Promise<StreamTarget> {
  const server = createServer((near) => {
    server.close();
    const far = connect({ host: target.host, port: target.port });
    void pump(near, far, throttle);
    void pump(far, near, throttle);
  });
  await new Promise<void>((resolve) => server.listen({ host: "127.0.0.1", port: 0 }, resolve));
  const address = server.address();
  return { host: "127.0.0.1", port: typeof address === "object" && address ? address.port : 0 };
}

/** A broken connection breaks the other one too. */
async function pump(from: Socket, to: Socket, throttle: Throttle): Promise<void> {
  to.on("error", () => from.destroy());
  try {
    for await (const bytes of from as AsyncIterable<Buffer>) {
      to.write(bytes);
      await pause((bytes.length * 1_000) / throttle.bytesPerSecond);
    }
    to.end();
  } catch {
    // Broken on that side.
    to.destroy();
  }
}
