// Hosts for tests of what is done to them: folders (`local-hosts.ts`), and a client of them whose
// bundle is small.

import { createHash } from "node:crypto";
import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { HostPlace, HostSteps, RoleFile } from "../../clouds/ssh/host-steps.ts";
import { createHostSteps } from "../../clouds/ssh/host-steps-ssh.ts";
import { type HostFile, hostFolderName } from "../../model/host-file.ts";
import { createMemoryLog } from "../../runtime/log-memory.ts";
import type { LocalHosts, LocalOptions, SmallBundle } from "./local-hosts.ts";
import { localHosts, smallBundle } from "./local-hosts.ts";
import { until } from "./until.ts";

export interface Ground extends LocalHosts {
  readonly steps: HostSteps;
  readonly sent: () => number;
  readonly bundle: ReturnType<typeof smallBundle>;
  /** Another client of the same hosts, with another bundle maybe. */
  readonly client: (wish?: SmallBundle) => HostSteps;
}

export function ground(t: TestContext, options: LocalOptions & SmallBundle = {}): Ground {
  const hosts = localHosts(options);
  t.after(() => hosts.close());
  let sent = 0;
  const nats = program(join(hosts.folder, "nats-of-ours"), "echo nats-server: v2.10.1");
  const hash = createHash("sha256").update(readFileSync(nats)).digest("hex");
  const client = (wish: SmallBundle = options): HostSteps =>
    createHostSteps({
      ...{ ssh: hosts.ssh, log: createMemoryLog() },
      bundleFor: async () => smallBundle(hosts.folder, wish),
      nats: { of: async () => ({ path: nats, hash }) },
      onSent: (bytes) => {
        sent += bytes;
      },
    });
  const bundle = smallBundle(hosts.folder, options);
  return { ...hosts, steps: client(), client, bundle, sent: () => sent };
}

export function program(path: string, text: string): string {
  writeFileSync(path, `#!/bin/sh\n${text}\n`);
  chmodSync(path, 0o755);
  return path;
}

export function folderOf({ folder }: LocalHosts, place: HostPlace): string {
  const name = hostFolderName(place.cluster, place.token);
  return join(folder, place.host, ".skylet/clusters", name);
}

export function nodeFile(more: Partial<HostFile> = {}): RoleFile {
  const file = { cluster: "train", node: "n1", index: 0, incarnation: 1, ...more } as HostFile;
  return { role: "node", file };
}

export const headFile: RoleFile = {
  role: "head",
  file: { cluster: "train", token: "t", ip: "127.0.0.1", natsServer: "/usr/sbin/nats-server" },
};

/** What the test's program told when it started last. */
export function seen(folder: string, name = "node"): { pid: number; umask: number; env: object } {
  return JSON.parse(readFileSync(join(folder, `seen.${name}.json`), "utf8"));
}

export function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return !/^\s*[ZX]/.test(stat.slice(stat.lastIndexOf(")") + 1));
  } catch {
    return false; // There is none.
  }
}

export async function running(hosts: Ground, place: HostPlace, not = -1): Promise<number> {
  const path = join(folderOf(hosts, place), "seen.node.json");
  return await until("the program runs", () => {
    if (!existsSync(path) || readFileSync(path, "utf8") === "") return undefined;
    const { pid } = seen(folderOf(hosts, place));
    return pid !== not && isAlive(pid) ? pid : undefined;
  });
}

/** All below a host's home. */
export function left({ home }: LocalHosts, host: string): readonly string[] {
  return readdirSync(home(host), { recursive: true }).map(String).sort();
}
