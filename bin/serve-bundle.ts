// Gives the bundle of this host to other hosts, which have nothing of ours yet.
//
//     serve-bundle FILE      reads what it is to do from standard input, as one line of JSON
//
// Whoever asks has to come from a listed address with that address's token, which is good for one
// copy. It speaks as much HTTP as curl and wget need; a request without a version gets the bare
// bytes. It ends when everybody has been served, when nobody comes, or when its input closes, as it
// does when the session that started it is gone.

import { createReadStream, statSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { pipeline } from "node:stream/promises";
import type { ServeOrders } from "../clouds/ssh/bundle-serve.ts";
import { answerTo } from "../clouds/ssh/bundle-serve.ts";

/** Nobody comes, or somebody takes nothing any more. */
const idleMs = 20_000;
const requestBytesMax = 4_096;

const path = process.argv[2] ?? "";
const lines = createInterface({ input: process.stdin });
lines.once("line", (line) => serve(JSON.parse(line)));
lines.once("close", () => process.exit(0));

function serve({ address, peers }: ServeOrders): void {
  const bytes = statSync(path).size;
  const waiting = new Map(peers.map(({ ip, token }) => [ip, token]));
  let busy = 0;
  const idle = setTimeout(() => end("nobody came"), idleMs);
  // Some clients close their half as soon as they have asked.
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const from = socket.remoteAddress?.replace(/^::ffff:/, "") ?? "";
    socket.setTimeout(idleMs, () => socket.destroy());
    // Its receiver finds out by the hash, and says so to who asked for it.
    socket.on("error", () => socket.destroy());
    firstLine(socket, (request) => {
      const answer = answerTo(request, { token: waiting.get(from), bytes });
      if (!answer.granted) {
        socket.end(answer.head);
        return;
      }
      waiting.delete(from);
      busy += 1;
      idle.refresh();
      socket.write(answer.head);
      const done = (): void => {
        busy -= 1;
        process.stdout.write("sent\n");
        if (waiting.size === 0 && busy === 0) server.close(() => end("all are served"));
      };
      pipeline(createReadStream(path), socket).then(done, done);
    });
  });
  server.on("error", (error) => {
    process.stderr.write(`!failed\t${error.message}\n`);
    process.exit(1);
  });
  server.listen(0, address, () => {
    const bound = server.address();
    if (bound === null || typeof bound === "string") throw new Error("no port");
    process.stdout.write(`port ${bound.port}\n`);
  });
  function end(why: string): void {
    if (busy > 0) return;
    process.stdout.write(`end ${why}\n`, () => process.exit(0));
  }
}

/** All that comes is read, or closing would take back what is on its way. */
function firstLine(socket: Socket, hear: (line: string) => void): void {
  let text = "";
  let isHeard = false;
  socket.on("data", (data) => {
    if (isHeard) return;
    text += data.toString("latin1");
    const end = text.indexOf("\n");
    if (end < 0 && text.length > requestBytesMax) socket.destroy();
    if (end < 0) return;
    isHeard = true;
    hear(text.slice(0, end).trim());
  });
}
