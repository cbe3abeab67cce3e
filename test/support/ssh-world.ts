// A user with an SSH configuration and two hosts to log in to, both real servers on loopback.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLog } from "../../runtime/log.ts";
import { createOpenSsh, type OpenSshOptions } from "../../runtime/openssh-os.ts";
import type { Ssh, SshTarget } from "../../runtime/ssh.ts";
import { isAlive, processesOf } from "./processes.ts";
import { type Sshd, startSshd } from "./sshd.ts";
import { until } from "./until.ts";

export interface UserWorld {
  readonly root: string;
  readonly ssh: Ssh;
  readonly sshd: Sshd;
  readonly other: Sshd;
  /** Of our SSH; its path is long and has spaces in it. */
  readonly dir: string;
  readonly options: OpenSshOptions;
  readonly sshConfig: string;
  /** Its key is on record. */
  readonly target: SshTarget;
  /** Its key is not on record. */
  readonly stranger: SshTarget;
  readonly absent: SshTarget;
  readonly local: string;
  cut(): Promise<void>;
  done(): Promise<void>;
}

export interface WorldWishes {
  /** First in the user's configuration. */
  readonly config?: readonly string[];
  /** Last in it. */
  readonly more?: (world: { readonly root: string; readonly sshd: Sshd; other: Sshd }) => string;
  /** Of the server that is known. */
  readonly server?: readonly string[];
  readonly options?: Partial<OpenSshOptions>;
}

export async function openUserWorld(wishes: WorldWishes = {}): Promise<UserWorld> {
  const root = mkdtempSync(join(tmpdir(), "sky-ssh-"));
  const [first, second] = [join(root, "known"), join(root, "stranger")];
  for (const folder of [first, second]) mkdirSync(folder);
  const sshd = await startSshd(first, wishes.server);
  const other = await startSshd(second);
  const sshConfig = join(root, "user config");
  const known = join(root, "user_known_hosts");
  writeFileSync(known, `${sshd.knownHostsLine}\n`);
  const host = (name: string, { port, identityFile, user }: Sshd): readonly string[] => [
    `Host ${name}`,
    ...["HostName 127.0.0.1", `Port ${port}`, `User ${user}`, `IdentityFile ${identityFile}`],
    ...["IdentitiesOnly yes", `UserKnownHostsFile ${known}`],
  ];
  const { config = [], more = () => "" } = wishes;
  const blocks = [...config, ...host("target", sshd), ...host("stranger", other)];
  writeFileSync(sshConfig, `${blocks.join("\n")}\n${more({ root, sshd, other })}\n`);
  const dir = join(root, `home with a space ${"x".repeat(120)}`, "ssh");
  const options = { dir, log: silentLog, sshConfig, ...wishes.options };
  const ssh = createOpenSsh(options);
  return {
    ...{ root, ssh, sshd, other, dir, options, sshConfig },
    target: { host: "target" },
    stranger: { host: "stranger" },
    absent: { host: "127.0.0.1", port: 1 },
    local: join(root, "y".repeat(100), "api.sock"),
    cut: () => sshd.cut(),
    done: async () => {
      await ssh.close();
      const left = await until("nothing of it runs here", () => {
        const living = processesOf(dir).filter(({ pid }) => isAlive(pid));
        return living.length === 0 ? [] : undefined;
      }).catch((error: unknown) => [error]);
      await sshd.stop();
      await other.stop();
      rmSync(root, { recursive: true });
      if (left.length > 0) throw left[0];
    },
  };
}
