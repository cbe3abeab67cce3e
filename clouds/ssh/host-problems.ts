// What stands against using a host, each with what to do about it. Pure.
//
// A problem is fatal where nodes would not run, or not rightly; the others are told by `sky check`
// and stop nothing. docs/ssh.md explains each sentence; a test compares.
//
// Source: Node.js, BUILDING.md: kernel 4.18, glibc 2.28 and libstdc++ of its Linux binaries.

import { isRemoteFileSystem } from "../../model/file-systems.ts";
import { clockSkewMs as certificateMarginMs } from "../../runtime/certificates.ts";
import type { HostProblem, HostReport } from "./host-report.ts";

/** What was found that is in no report. */
export interface Found {
  /** The script came to its end. */
  readonly isWhole: boolean;
  /** The last that was heard of it. */
  readonly said: string;
  readonly system: string;
  readonly kernel: string;
  readonly hasCppLibrary: boolean;
  /** Its version, or what it said instead. */
  readonly bash?: string;
  /** Why the home takes no files. */
  readonly home?: string;
  readonly homePath?: string;
  /** Programs can be started from it. */
  readonly homeRuns: boolean;
  /** Of its file system: `ext4`; empty if nothing says. */
  readonly homeType: string;
  readonly tmp?: string;
  readonly tmpRuns: boolean;
  readonly knowsDisk: boolean;
  /** Tools that every step needs. */
  readonly missing: readonly string[];
  readonly gpuFault?: string;
  readonly uid: string;
}

export interface Seen {
  readonly facts: Omit<HostReport, "problems">;
  readonly found: Found;
}

/** The bundle unpacked, one more beside it while it is replaced, and room to work. */
export const diskFreeBytesLeast = 500 * 1_048_576;

/** Beyond this clocks are worth a word: the times in logs of two hosts do not compare. */
export const clockSkewMsWorthTelling = 5_000;

/** Two hosts that are off by this much in two directions still take each other's certificates. */
export const clockSkewMsMax = certificateMarginMs / 2;

/** Those that bundles are made for. */
export const architectures: readonly string[] = ["x64", "arm64"];

/** The fatal ones first. */
export function hostProblems(seen: Seen): readonly HostProblem[] {
  const { found } = seen;
  if (!found.isWhole) return [noAnswer(found)];
  if (found.system !== "Linux") return [notLinux(found)];
  const problems = [
    ...ofPrograms(seen),
    ...ofPlaces(seen),
    ...ofClock(seen.facts.clockSkewMs),
    ...ofLogin(seen),
    ...ofDevices(found),
  ];
  return problems.toSorted((a, b) => Number(b.fatal) - Number(a.fatal));
}

function noAnswer({ said }: Found): HostProblem {
  const why = `our look at it was cut off; the last word was: ${said}`;
  return fatal(why, "log in and see what its shell says before the first command");
}

function notLinux({ system }: Found): HostProblem {
  return fatal(`it runs ${system || "an unknown system"}, not Linux`, "take it out of the pool");
}

function ofPrograms({ facts, found }: Seen): readonly HostProblem[] {
  const { arch, libc } = facts;
  const { bash, missing, kernel } = found;
  const problems: HostProblem[] = [];
  if (!architectures.includes(arch)) {
    const fix = `Skylet runs on ${architectures.join(" and ")}: take it out of the pool`;
    problems.push(fatal(`its architecture is ${arch || "unknown"}`, fix));
  }
  if (bash === undefined) {
    problems.push(fatal("there is no bash, which runs the jobs", "apt-get install bash"));
  } else if (!/^\d+\.\d+/.test(bash)) {
    problems.push(fatal(`bash does not run: ${bash}`, "apt-get install --reinstall bash"));
  } else if (isOlder(bash, [4, 4])) {
    problems.push(fatal(`its bash is ${bash}; 4.4 or later is needed`, "a newer bash"));
  }
  if (missing.length > 0) {
    const fix = "install coreutils, findutils, gzip, sed, tar and util-linux, or busybox";
    problems.push(fatal(`there is no ${missing.join(", no ")}`, fix));
  }
  problems.push(...ofLibraries(libc, found));
  if (isOlder(kernel, [4, 18])) {
    const fix = "a newer kernel, if nodes do not start";
    problems.push(worth(`its kernel ${kernel} is older than 4.18, which Node 24 asks for`, fix));
  }
  return problems;
}

function ofLibraries(libc: string, { hasCppLibrary }: Found): readonly HostProblem[] {
  const glibc = /^glibc (.*)$/.exec(libc)?.[1];
  const newer = "a newer release of its system: Debian 10, Ubuntu 20.04, RHEL 8 or later";
  if (libc.startsWith("musl")) {
    return [fatal(`its C library is ${libc}; Node's binaries need glibc 2.28 or later`, newer)];
  }
  if (glibc === undefined) {
    return [worth("nothing says which C library it has; glibc 2.28 or later is needed", newer)];
  }
  if (isOlder(glibc, [2, 28])) {
    return [fatal(`its glibc is ${glibc}; Node's binaries need 2.28 or later`, newer)];
  }
  if (hasCppLibrary) return [];
  return [fatal("there is no libstdc++.so.6, which Node needs", "apt-get install libstdc++6")];
}

function ofPlaces({ facts, found }: Seen): readonly HostProblem[] {
  const { home, homePath = "", homeRuns, homeType, tmp, tmpRuns, knowsDisk } = found;
  const where = homePath === "" ? "the home" : `the home ${homePath}`;
  const problems: HostProblem[] = [];
  const isFull = knowsDisk && facts.diskFreeBytes < diskFreeBytesLeast;
  if (isFull) {
    const least = `at least ${mebibytes(diskFreeBytesLeast)} are needed`;
    const why = `the disk of ${where} has ${mebibytes(facts.diskFreeBytes)} free; ${least}`;
    problems.push(fatal(why, `make room there: du -xh ~ | sort -h | tail`));
  }
  // A full disk takes no files, and has been told.
  if (home !== undefined && !(isFull && /space|quota/i.test(home))) {
    const fix = /read-only/i.test(home)
      ? "mount it writable (mount -o remount,rw), or see in dmesg why it is not"
      : `make it writable for ${facts.user || "the login"}: ls -ld ~`;
    problems.push(fatal(`${where} is not writable: ${reason(home)}`, fix));
  }
  if (isRemoteFileSystem(homeType)) {
    const why = `${where} is on ${homeType}: hosts that share it would take each other's files`;
    problems.push(fatal(why, "log in as a user whose home is on a disk of the host's own"));
  }
  if (!homeRuns) {
    const fix = "mount it without noexec";
    problems.push(fatal(`programs in ${where} cannot be started (mounted noexec)`, fix));
  }
  if (tmp !== undefined) {
    problems.push(worth(`/tmp is not writable: ${reason(tmp)}`, "chmod 1777 /tmp"));
  } else if (!tmpRuns) {
    const fix = "nothing, unless jobs of yours start programs from there";
    problems.push(worth("programs in /tmp cannot be started (mounted noexec)", fix));
  }
  return problems;
}

function ofClock(skewMs: number): readonly HostProblem[] {
  const offMs = Math.abs(skewMs);
  if (offMs <= clockSkewMsWorthTelling) return [];
  const why = `its clock is ${duration(offMs)} ${skewMs > 0 ? "ahead of" : "behind"} ours`;
  const fix = "set it: timedatectl set-ntp true, or install chrony";
  return offMs > clockSkewMsMax
    ? [fatal(`${why}, so that TLS certificates would not be valid there`, fix)]
    : [worth(`${why}: times in its logs do not compare with others`, fix)];
}

function ofLogin({ facts, found }: Seen): readonly HostProblem[] {
  const problems: HostProblem[] = [];
  if (facts.keeper === "none") {
    const why = "nothing starts a node again after a reboot: no systemd user manager and no cron";
    problems.push(worth(why, "run cron there, or sky start after a reboot"));
  }
  if (found.uid === "0") {
    const why = "the login is root: jobs may do anything, and nats-server runs as another user";
    problems.push(worth(why, "give the pool or the host a user of its own: user: NAME"));
  }
  if (/^(127\.|::1$)/.test(facts.ip)) {
    const why = `we reached it at ${facts.ip}, where other hosts do not reach it`;
    problems.push(worth(why, "name it in the pools file by an address of its network"));
  }
  return problems;
}

function ofDevices({ gpuFault }: Found): readonly HostProblem[] {
  if (gpuFault === undefined) return [];
  const fix = "make nvidia-smi work there, or remove it if there are no devices";
  return [worth(`nvidia-smi fails, so no device is used: ${gpuFault}`, fix)];
}

function fatal(why: string, fix: string): HostProblem {
  return { why, fix, fatal: true };
}

function worth(why: string, fix: string): HostProblem {
  return { why, fix, fatal: false };
}

/** What a tool said, without its own name and the path before it. */
function reason(said: string): string {
  return said.split(": ").at(-1) ?? said;
}

function isOlder(version: string, [major, minor]: readonly [number, number]): boolean {
  const [, a, b] = /^(\d+)\.(\d+)/.exec(version) ?? [];
  if (a === undefined || b === undefined) return false;
  return Number(a) < major || (Number(a) === major && Number(b) < minor);
}

function mebibytes(bytes: number): string {
  return `${Math.floor(bytes / 1_048_576)} MiB`;
}

/** `12 s`, `3 min`, `2.5 h`, `4 days`. */
function duration(ms: number): string {
  const seconds = ms / 1_000;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 360) / 10} h`;
  return `${Math.round(seconds / 86_400)} days`;
}
