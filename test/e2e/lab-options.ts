// What a host of a lab may be like. Without options it is a bare Linux with one user, `ada`, a key
// that lets her in, sh and bash, coreutils, and none of what this project brings along.

export interface HostOptions {
  readonly name: string;
  /** The first is the one whom pools and the ssh configuration name. */
  readonly users: readonly string[];
  readonly login: "key" | "password";
  readonly loginShell: string;
  readonly sshPort: number;
  /** What starts a user's programs again after a reboot: real systemd, or a small cron. */
  readonly keeper: "none" | "cron" | "systemd";
  /** The client does not reach it but over another host. */
  readonly hidden: boolean;
  readonly diskMib: number;
  /** 0: the home has no limit of its own. */
  readonly homeMib: number;
  readonly readOnlyHome: boolean;
  /** How far off what `date` says is. */
  readonly clockOffsetS: number;
  /** What `ldd --version` and `getconf` say instead of the truth; "" for the truth. */
  readonly glibc: string;
  /** How many CPUs it says to have; 0 for the truth. */
  readonly cpus: number;
  /** How many devices its `nvidia-smi` tells of. There is nothing behind it. */
  readonly gpus: number;
  readonly gpuName: string;
  /** A folder of the client's that is at the same path on the host, as on a disk of the network. */
  readonly shared: string;
  /** What of it is not: it is an empty folder that nobody may enter. */
  readonly unshared: string;
  /** Paths below /usr that are not there. */
  readonly without: readonly string[];
}

/** What this machine has and a bare one has not. */
const notOnBareHosts = [
  ...["node", "npm", "npx", "corepack", "curl", "wget", "git", "busybox"].map((p) => `bin/${p}`),
  ...["python3", "python3.11", "python3.12", "python3.13", "perl"].map((p) => `bin/${p}`),
  ...["lib/node_modules", "sbin/nats-server", "bin/nats-server", "include"],
];

/** How a host is asked for: what differs from a usual one. */
export type HostWish = Partial<HostOptions> & {
  /** Paths below /usr that are there although bare hosts have them not: `bin/node`. */
  readonly given?: readonly string[];
  readonly noBash?: boolean;
};

export function hostOptions(index: number, wish: HostWish): HostOptions {
  const { given = [], noBash = false, ...rest } = wish;
  const without = [...notOnBareHosts, ...(noBash ? ["bin/bash", "bin/rbash"] : [])];
  return {
    name: `lab${index}`,
    users: ["ada"],
    login: "key",
    loginShell: noBash ? "/bin/sh" : "/bin/bash",
    sshPort: 22,
    keeper: "none",
    hidden: false,
    diskMib: 2_048,
    homeMib: 0,
    readOnlyHome: false,
    clockOffsetS: 0,
    glibc: "",
    cpus: 0,
    gpus: 0,
    gpuName: "NVIDIA A100-SXM4-80GB",
    shared: "",
    unshared: "",
    ...rest,
    without: [...without.filter((path) => !given.includes(path)), ...(rest.without ?? [])],
  };
}
