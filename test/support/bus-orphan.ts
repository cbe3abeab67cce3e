// A head that will be killed: starts a nats-server in the directory of its first argument, writes
// its pid and url as a line of JSON, and waits.

import { createAuthority, issueCertificate } from "../../runtime/certificates-os.ts";
import { silentLog } from "../../runtime/log.ts";
import { startNatsServer } from "../../runtime/nats-server-os.ts";

const nowMs = Date.now();
const authority = await createAuthority("test head", nowMs);
const server = await startNatsServer({
  dir: process.argv[2] ?? "",
  authority: authority.certificate,
  server: await issueCertificate(authority, { commonName: "h", hosts: ["127.0.0.1"], nowMs }),
  users: [],
  log: silentLog,
});
process.stdout.write(`${JSON.stringify({ pid: server.pid(), url: server.url })}\n`);
setInterval(() => {}, 60_000);
