// A real OpenSSH server on loopback, for one test: its own host key, its own keys for logins, no
// root needed. It takes the login of whoever runs the test.
//
// Every connection is an `sshd -i` of its own that gets the socket: so there is no port to guess,
// each connection can be ended by pid, and one can be left without an answer.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { userInfo } from "node:os";
import { join } from "node:path";

const sshd = ["/usr/sbin/sshd", "/usr/local/sbin/sshd", "/usr/bin/sshd"].find((path) =>
  existsSync(path),
);

/** Why there can be none here; false if there can. */
export const sshdMissing: string | false =
  sshd === undefined ? "there is no sshd: apt-get install openssh-server" : false;

export interface Sshd {
  readonly port: number;
  readonly user: string;
  /** A private key that it takes. */
  readonly identityFile: string;
  /** As in a file of known hosts. */
  readonly knownHostsLine: string;
  /** Connections that live. */
  readonly connections: number;
  /** From now on new connections get no answer at all. */
  silent: boolean;
  /** Ends every connection at once. */
  cut(): Promise<void>;
  /** Stops every process of it where it is, with SIGSTOP, or lets it go on. */
  freeze(signal: "SIGSTOP" | "SIGCONT"): void;
  /** Another key from the next connection on. */
  renewHostKey(): void;
  stop(): Promise<void>;
}

/** `dir` is empty and there. `lines` come first in its configuration. */
export async function startSshd(dir: string, lines: readonly string[] = []): Promise<Sshd> {
  // Root's sshd wants that folder of the system's.
  if (process.getuid?.() === 0) mkdirSync("/run/sshd", { recursive: true, mode: 0o755 });
  const hostKey = join(dir, "host-key");
  const identityFile = makeKey(join(dir, "login-key"));
  const config = join(dir, "sshd_config");
  const publicKey = () => execFileSync("ssh-keygen", ["-y", "-f", hostKey], { encoding: "utf8" });
  makeKey(hostKey);
  writeFileSync(config, [...lines, ...fixedLines(dir), ""].join("\n"));
  const children = new Map<ChildProcess, Socket>();
  const held = new Set<Socket>();
  let silent = false;
  const server = createServer({ pauseOnConnect: true }, (socket) => {
    socket.on("error", () => socket.destroy());
    if (silent) return void held.add(socket);
    const child = serve(config, socket);
    children.set(child, socket);
    child.once("exit", () => children.delete(child));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const cut = async (): Promise<void> => {
    for (const socket of held) socket.destroy();
    held.clear();
    await Promise.all([...children.keys()].map(endTree));
  };
  return {
    ...{ port, identityFile, cut, user: userInfo().username },
    get knownHostsLine() {
      return `[127.0.0.1]:${port} ${publicKey().trim()}`;
    },
    get connections() {
      return children.size;
    },
    get silent() {
      return silent;
    },
    set silent(value: boolean) {
      silent = value;
    },
    freeze: (signal) => {
      const pids = [...children.keys()].flatMap(({ pid }) => pid ?? []);
      for (const one of pids.flatMap(treeOf)) process.kill(one, signal);
    },
    renewHostKey: () => void makeKey(hostKey),
    stop: async () => {
      await cut();
      server.close();
      await once(server, "close");
    },
  };
}

function fixedLines(dir: string): readonly string[] {
  return [
    `HostKey ${join(dir, "host-key")}`,
    `AuthorizedKeysFile ${join(dir, "login-key.pub")}`,
    ...["StrictModes no", "UsePAM no", "PidFile none", "PasswordAuthentication no"],
    ...["KbdInteractiveAuthentication no", "PermitRootLogin yes", "UseDNS no"],
  ];
}

/** A key, in place of the one that is there. */
export function makeKey(path: string, passphrase = ""): string {
  for (const file of [path, `${path}.pub`]) rmSync(file, { force: true });
  execFileSync("ssh-keygen", [
    ...["-q", "-t", "ed25519", "-N", passphrase, "-C", "test", "-f", path],
  ]);
  return path;
}

function serve(config: string, socket: Socket): ChildProcess {
  const child = spawn(sshd ?? "sshd", ["-i", "-e", "-f", config], {
    stdio: [socket, socket, "ignore"],
  });
  // It has the connection; ours would keep it open.
  socket.destroy();
  return child;
}

/** The process and those that it started. */
function treeOf(pid: number): readonly number[] {
  const path = `/proc/${pid}/task/${pid}/children`;
  const children = existsSync(path) ? readChildren(path) : [];
  return [pid, ...children.flatMap(treeOf)];
}

function readChildren(path: string): readonly number[] {
  const text = execFileSync("cat", [path], { encoding: "utf8" });
  return text.trim().split(" ").filter(Boolean).map(Number);
}

async function endTree(child: ChildProcess): Promise<void> {
  const { pid } = child;
  if (pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  for (const one of treeOf(pid)) {
    try {
      process.kill(one, "SIGKILL");
    } catch {
      // It ended with its parent.
    }
  }
  await exited;
}
