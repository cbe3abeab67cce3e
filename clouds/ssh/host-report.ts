// What a look at a host tells: what it has, who uses it, and what stands against using it.
//
// Made by `host-probe.ts` from what one script prints. A host that cannot even be logged in to has
// no report, only an error.

export interface HostReport {
  /** As in its pool. */
  readonly host: string;
  /** `Debian GNU/Linux 12 (bookworm)`. */
  readonly os: string;
  /** As Node says it: `x64`, `arm64`; else what `uname -m` says. */
  readonly arch: string;
  /** `glibc 2.36`, `musl 1.2.4`; empty if nothing says. */
  readonly libc: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  /** Where the home is. */
  readonly diskFreeBytes: number;
  readonly devices: readonly HostDevice[];
  /** Its clock less ours; rounds by how long the question took. */
  readonly clockSkewMs: number;
  /** Its address on the network by which we came: where other hosts reach it. */
  readonly ip: string;
  readonly user: string;
  readonly bootId: string;
  /** Its address on the network that we came by: where other hosts reach it. */
  readonly keeper: "systemd" | "cron" | "none";
  /** A nats-server of the host's own, if it has one that will do. */
  readonly natsServer?: string;
  /** What is in use there, and by which cluster folder: `gpu-0`, `workdir`. */
  readonly claims: Readonly<Record<string, string>>;
  readonly problems: readonly HostProblem[];
}

export interface HostDevice {
  readonly id: number;
  /** As tasks ask for it: `A100-80GB`. */
  readonly name: string;
  readonly memoryBytes: number;
}

export interface HostProblem {
  /** A sentence without its end: `there is no bash`. */
  readonly why: string;
  /** What to do: `apt-get install bash`. */
  readonly fix: string;
  /** Nodes cannot run there; otherwise it is only worth knowing. */
  readonly fatal: boolean;
}
