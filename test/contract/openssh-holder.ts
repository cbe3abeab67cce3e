// A process that holds a connection, a script and a tunnel, for a test that kills it.
//
// Its argument is what it needs as JSON; it says `held` when all is there.

import { silentLog } from "../../runtime/log.ts";
import { createOpenSsh } from "../../runtime/openssh-os.ts";

const { dir, sshConfig, host, local, script } = JSON.parse(process.argv[2] ?? "{}");
const ssh = createOpenSsh({ dir, sshConfig, log: silentLog });
const { signal } = new AbortController();
const stream = await ssh.open({ host }, { script, timeoutMs: 30_000 }, signal);
for await (const chunk of stream.stdout) {
  if (!String(chunk).includes("begun")) continue;
  await ssh.tunnel({ host }, { local, remote: { host: "127.0.0.1", port: 1 } }, signal);
  process.stdout.write("held\n");
}
