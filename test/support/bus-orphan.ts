// A head that will be killed: starts a nats-server as the file of its first argument says, writes
// its pid and url as a line of JSON, and waits.

import { readFileSync } from "node:fs";
import { silentLog } from "../../runtime/log.ts";
import { type NatsServerOptions, startNatsServer } from "../../runtime/nats-server-os.ts";

const options = JSON.parse(readFileSync(process.argv[2] ?? "", "utf8")) as NatsServerOptions;
const server = await startNatsServer({ ...options, log: silentLog });
process.stdout.write(`${JSON.stringify({ pid: server.pid(), url: server.url })}\n`);
setInterval(() => {}, 60_000);
