// The client's side of a lab: a key, an ssh configuration, known hosts, and a pools file.
//
// OpenSSH reads the configuration below the home that passwd names, whatever HOME says. So the
// client has an `ssh` of its own, first on its path, that hands the lab's configuration to the real
// one; with it nothing reads or writes the keys and known hosts of whoever runs the tests.

import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Host } from "./lab-host.ts";
import { run, toolPath } from "./lab-run.ts";

export interface LabClient {
  /** A home: `.ssh/config`, `.ssh/id_ed25519`, `.ssh/known_hosts`. */
  readonly home: string;
  readonly config: string;
  readonly identity: string;
  readonly knownHosts: string;
  /** HOME, a PATH on which `ssh` knows the lab, and the same for the programs under test. */
  readonly env: Readonly<Record<string, string>>;
}

export async function newClient(folder: string): Promise<LabClient> {
  const home = join(folder, "client");
  const ssh = join(home, ".ssh");
  mkdirSync(ssh, { recursive: true, mode: 0o700 });
  mkdirSync(join(home, "bin"));
  const identity = join(ssh, "id_ed25519");
  await run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", identity]);
  const config = join(ssh, "config");
  const knownHosts = join(ssh, "known_hosts");
  for (const path of [config, knownHosts]) writeFileSync(path, "", { mode: 0o600 });
  for (const name of ["ssh", "scp", "sftp"]) wrap(join(home, "bin", name), name, config);
  const path = `${join(home, "bin")}:${toolPath()}`;
  const env = { HOME: home, PATH: path, SKY_SSH_CONFIG: config };
  return { home, config, identity, knownHosts, env };
}

/** The public key as authorized_keys has it. */
export function publicKeyOf(client: LabClient): string {
  return readFileSync(`${client.identity}.pub`, "utf8").trim();
}

/** Every host by its name (one that is hidden over the first), and the client's own files. */
export function writeConfig(client: LabClient, hosts: readonly Host[]): void {
  const blocks = hosts.map((host) => [
    `Host ${host.name}`,
    `  HostName ${host.address}`,
    `  Port ${host.sshPort}`,
    `  User ${host.user}`,
    ...(host.options.hidden ? [`  ProxyJump ${hosts[0]?.name ?? ""}`] : []),
  ]);
  const all = [
    "Host *",
    `  IdentityFile ${client.identity}`,
    "  IdentitiesOnly yes",
    `  UserKnownHostsFile ${client.knownHosts}`,
    // Also for a client that keeps the keys it is told to trust in a file of its own.
    `  GlobalKnownHostsFile ${client.knownHosts}`,
  ];
  writeFileSync(client.config, `${[...blocks.flat(), ...all].join("\n")}\n`);
}

/** The keys of all hosts, as somebody has them who logged in to each before. */
export function trustHosts(client: LabClient, hosts: readonly Host[]): void {
  const lines = hosts.flatMap((host) => {
    const { address, sshPort } = host;
    const where = sshPort === 22 ? address : `[${address}]:${sshPort}`;
    return [`${where} ${host.publicKey()}`];
  });
  writeFileSync(client.knownHosts, `${lines.join("\n")}\n`);
}

/** `ssh_node_pools.yaml` with one pool of these hosts, as mappings. */
export function poolsText(pool: string, client: LabClient, hosts: readonly Host[]): string {
  const lines = hosts.flatMap((host) => [
    `    - ip: ${host.address}`,
    `      user: ${host.user}`,
    `      identity_file: ${client.identity}`,
    ...(host.sshPort === 22 ? [] : [`      port: ${host.sshPort}`]),
  ]);
  return `${pool}:\n  hosts:\n${lines.join("\n")}\n`;
}

/** The real program with the lab's configuration, unless the caller brings one of its own. */
function wrap(path: string, name: string, config: string): void {
  const lines = [
    "#!/bin/sh",
    'for word in "$@"; do',
    `  if [ "$word" = -F ]; then exec /usr/bin/${name} "$@"; fi`,
    "done",
    `exec /usr/bin/${name} -F ${config} "$@"`,
  ];
  writeFileSync(path, `${lines.join("\n")}\n`);
  chmodSync(path, 0o755);
}
