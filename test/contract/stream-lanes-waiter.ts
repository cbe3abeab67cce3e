// A process that does nothing but read one channel of a session with lanes, whose connections
// break meanwhile. It says when it has the first part, and what it got in the end.
//
//     node stream-lanes-waiter.ts PORT

import { argv } from "node:process";
import { createOsClock } from "../../runtime/clock-os.ts";
import { createTcpStreams } from "../../runtime/stream-tcp.ts";

const port = Number(argv[2]);
const streams = createTcpStreams({
  ...{ security: { kind: "plain", peer: "demo/b" }, clock: createOsClock() },
});
const session = await streams.dial({ host: "127.0.0.1", port }, AbortSignal.timeout(10_000), {
  resumeMs: 20_000,
});
const channel = session.open(Buffer.from("waiting"));
let got = "";
for await (const part of channel) {
  got += Buffer.from(part).toString();
  process.stdout.write(`${got}\n`);
}
session.close();
