// One party of a proof, as a process: `node party.ts source|relay|sink CONFIG`.
//
// It composes what production is made of and nothing else, says what it does in lines of JSON, and
// ends in order when it is asked to (SIGTERM).

import { readFileSync, writeSync } from "node:fs";
import { argv } from "node:process";
import { createOsClock } from "../../runtime/clock-os.ts";
import { createTcpStreams } from "../../runtime/stream-tcp.ts";
import { runRelay } from "./relay.ts";
import { runSink } from "./sink.ts";
import { runSource } from "./source.ts";

const [, , role = "", file = ""] = argv;
const config = JSON.parse(readFileSync(file, "utf8"));
const standardOutput = 1;

/** At once: what was said before a kill has been said. */
function say(says: string, about: object = {}): void {
  writeSync(standardOutput, `${JSON.stringify({ says, ...about })}\n`);
}

const streams = createTcpStreams({
  security: config.security,
  clock: createOsClock(),
  onRefused: (why) => say("refused", { why }),
});

// A session that waits for a connection to come back keeps no process alive.
const alive = setInterval(() => {}, 60_000);
const run = await begin();
process.once("SIGTERM", async () => {
  await run.close();
  clearInterval(alive);
});
say("ready");

async function begin(): Promise<{ close(): Promise<void> }> {
  if (role === "source") {
    const source = await runSource(config, { streams, say });
    say("listens", { port: source.port });
    return source;
  }
  if (role === "relay") {
    const relay = await runRelay(config, { streams, say });
    say("listens", { port: relay.port });
    return relay;
  }
  if (role === "sink") return await runSink(config, { streams, say });
  throw new Error(`there is no party ${role}`);
}
