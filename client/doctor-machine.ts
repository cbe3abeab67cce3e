// The checks of the machine: what Skylet needs of it, whatever runs on it now.
//
// What only some users need (nats-server, GPUs, cgroups) is a warning where it is missing.

import type { Isolation } from "../model/cluster.ts";
import {
  bytesText,
  type Checks,
  counted,
  isAtLeast,
  ok,
  problem,
  type Verdict,
  warning,
} from "./doctor.ts";
import type { CgroupPlace } from "./mounts.ts";

export interface MachineReading {
  readonly nodeVersion: string;
  readonly platform: string;
  /** Where a program was found; absent = nowhere on PATH. */
  readonly programs: Readonly<Record<"bash" | "setsid" | "mkfifo" | "cat", Program>>;
  readonly natsServer: Program;
  /** How local nodes run unless a launch says otherwise. */
  readonly isolation: Isolation;
  readonly cgroups: readonly (CgroupPlace & { readonly isWritable: boolean })[];
  /** Infinity where there is no limit; absent where nobody can tell. */
  readonly limits: { readonly files?: number; readonly processes?: number };
  readonly inotify: { readonly watches?: number; readonly instances?: number };
  /** Of binding an address in 127.0.0.0/8 that nobody set up; empty = it works. */
  readonly loopbackError: string;
  readonly nowMs: number;
  /** The newest time of a file that a head of this home wrote. */
  readonly newestFileMs?: number;
  readonly memoryFreeBytes: number;
  readonly gpus:
    | { readonly kind: "no-tool" }
    | { readonly kind: "failed"; readonly why: string }
    | { readonly kind: "found"; readonly names: readonly string[] };
}

export interface Program {
  readonly path?: string;
  /** As it says of itself, where it was asked. */
  readonly version?: string;
}

const nodeLeast = "22.18.0";
const bashLeast = "4.4";
export const natsLeast = "2.9.10";
const clockSlackMs = 60_000;
/** Nothing of ours was built before. */
const epochMs = Date.UTC(2025, 0, 1);

export const machineChecks: Checks<MachineReading> = {
  node: ({ nodeVersion }) =>
    isAtLeast(nodeVersion, nodeLeast)
      ? ok(`Node ${nodeVersion}`)
      : problem(
          `Node ${nodeVersion} is older than ${nodeLeast}`,
          `install Node ${nodeLeast} or newer`,
        ),

  system: ({ platform }) =>
    platform === "linux"
      ? ok("Linux")
      : problem(`nodes run on Linux, this is ${platform}`, "use a Linux machine or container"),

  bash: ({ programs: { bash } }) => {
    const install = "install bash, for example: apt-get install bash";
    if (bash.path === undefined) return problem("bash is not on PATH", install);
    if (bash.version === undefined)
      return problem(`${bash.path} does not say its version`, install);
    return isAtLeast(bash.version, bashLeast)
      ? ok(`bash ${bash.version} (${bash.path})`)
      : problem(`bash ${bash.version} is older than ${bashLeast}, which has mapfile -d`, install);
  },

  programs: ({ programs }) => {
    const names = ["setsid", "mkfifo", "cat"] as const;
    const missing = names.filter((name) => programs[name].path === undefined);
    if (missing.length === 0) return ok(names.join(", "));
    return problem(
      `not on PATH: ${missing.join(", ")}`,
      "install them: apt-get install util-linux coreutils",
    );
  },

  "nats-server": natsVerdict,
  cgroup: cgroupVerdict,

  "open files": ({ limits: { files } }) => {
    if (files === undefined) return ok("no limit is known");
    const text = files === Number.POSITIVE_INFINITY ? "no limit" : `at most ${files}`;
    if (files < 1_024)
      return problem(text, "ulimit -n 65536, or nofile in /etc/security/limits.conf");
    return files < 4_096
      ? warning(`${text}: enough for small clusters`, "ulimit -n 65536")
      : ok(text);
  },

  processes: ({ limits: { processes } }) => {
    if (processes === undefined) return ok("no limit is known");
    const text = processes === Number.POSITIVE_INFINITY ? "no limit" : `at most ${processes}`;
    const remedy = "ulimit -u 16384, or nproc in /etc/security/limits.conf";
    if (processes < 256) return problem(text, remedy);
    return processes < 1_024 ? warning(`${text}, those of this user together`, remedy) : ok(text);
  },

  inotify: ({ inotify: { watches, instances } }) => {
    if (watches === undefined || instances === undefined) return ok("no limit is known");
    const text = `${watches} watches, ${instances} instances`;
    if (watches >= 8_192 && instances >= 64) return ok(text);
    return warning(
      `${text}: followers of many logs may be told late`,
      "sysctl fs.inotify.max_user_watches=65536 fs.inotify.max_user_instances=512",
    );
  },

  loopback: ({ loopbackError: why }) =>
    why === ""
      ? ok("every address of 127.0.0.0/8 can be bound")
      : problem(
          `an address of 127.0.0.0/8 cannot be bound: ${why}`,
          "local nodes have one each: ip link set lo up; ip addr add 127.0.0.1/8 dev lo",
        ),

  clock: ({ nowMs, newestFileMs }) => {
    const now = new Date(nowMs).toISOString();
    if (nowMs < epochMs)
      return problem(`the clock says ${now}`, "set the clock: timedatectl set-ntp true");
    if (newestFileMs === undefined || newestFileMs <= nowMs + clockSlackMs) return ok(now);
    const written = new Date(newestFileMs).toISOString();
    return problem(
      `the clock says ${now}, and a head of this home wrote at ${written}`,
      "the clock went back: timedatectl set-ntp true; times of jobs are wrong until it is right",
    );
  },

  memory: ({ memoryFreeBytes: free }) => {
    const text = `${bytesText(free)} available`;
    const remedy =
      "end something, or take fewer nodes: a skylet in a process of its own needs 64 MiB";
    return free < 256 * 1_024 ** 2 ? warning(text, remedy) : ok(text);
  },

  gpus: ({ gpus }) => {
    switch (gpus.kind) {
      case "no-tool":
        return ok("none: there is no nvidia-smi");
      case "failed":
        return warning(
          `nvidia-smi does not answer: ${gpus.why}`,
          "no GPU is offered until it does: see dmesg, or reinstall the driver",
        );
      case "found":
        return ok(`${counted(gpus.names.length, "GPU")}: ${[...new Set(gpus.names)].join(", ")}`);
    }
  },
};

function natsVerdict({ natsServer: { path, version }, isolation }: MachineReading): Verdict {
  const install = `install it: apt-get install nats-server (${natsLeast} or later)`;
  const bad = (text: string): Verdict => {
    if (isolation === "process") return problem(text, install);
    return warning(`${text}; only nodes in processes of their own need it`, install);
  };
  if (path === undefined) return bad("not found on PATH or in /usr/sbin");
  if (version === undefined) return bad(`${path} does not say its version`);
  if (!isAtLeast(version, natsLeast)) return bad(`${version} is older than ${natsLeast}`);
  return ok(`${version} (${path})`);
}

function cgroupVerdict({ cgroups }: MachineReading): Verdict {
  const usable = cgroups.find(({ isWritable }) => isWritable);
  if (usable?.kind === "v2") return ok(`v2, writable at ${usable.point}`);
  if (usable !== undefined) return ok(`v1 freezer, writable at ${usable.point}`);
  const [mounted] = cgroups;
  const where = mounted === undefined ? "none is mounted" : `${mounted.point} is not writable`;
  return warning(
    `${where}: a cancel proves only what /proc shows; it cannot see a process that gave up its ` +
      "session, environment, directory and files",
    "run as root, or in a delegated cgroup: systemd-run --user --scope -p Delegate=yes bash",
  );
}
