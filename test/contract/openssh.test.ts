// The SSH port by the system's `ssh`, against a server of its own on loopback.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLog } from "../../runtime/log.ts";
import { createOpenSsh } from "../../runtime/openssh-os.ts";
import { type Sshd, sshdMissing, startSshd } from "../support/sshd.ts";
import { type SshWorld, sshContract } from "./ssh.contract.ts";

interface OpenSshWorld extends SshWorld {
  readonly root: string;
  readonly sshd: Sshd;
  readonly dir: string;
}

/** `config` comes first in the user's own. */
async function openWorld(config: readonly string[] = []): Promise<OpenSshWorld> {
  const root = mkdtempSync(join(tmpdir(), "sky-ssh-"));
  const [first, second] = ["known", "stranger"].map((name) => join(root, name));
  for (const folder of [first, second]) mkdirSync(folder ?? root);
  const sshd = await startSshd(first ?? root);
  const other = await startSshd(second ?? root);
  const sshConfig = join(root, "user config");
  const known = join(root, "user_known_hosts");
  writeFileSync(known, `${sshd.knownHostsLine}\n`);
  const host = (name: string, { port, identityFile, user }: Sshd): readonly string[] => [
    `Host ${name}`,
    ...["HostName 127.0.0.1", `Port ${port}`, `User ${user}`, `IdentityFile ${identityFile}`],
    `UserKnownHostsFile ${known}`,
  ];
  writeFileSync(
    sshConfig,
    [...config, ...host("target", sshd), ...host("stranger", other), ""].join("\n"),
  );
  const dir = join(root, `home with a space ${"x".repeat(120)}`, "ssh");
  const ssh = createOpenSsh({ dir, log: silentLog, sshConfig });
  return {
    ...{ ssh, sshd, root, dir, local: join(root, "y".repeat(100), "api.sock") },
    target: { host: "target" },
    stranger: { host: "stranger" },
    absent: { host: "127.0.0.1", port: 1 },
    cut: () => sshd.cut(),
    done: async () => {
      await ssh.close();
      await sshd.stop();
      await other.stop();
      rmSync(root, { recursive: true });
    },
  };
}

sshContract("openssh", openWorld, { skip: sshdMissing });
