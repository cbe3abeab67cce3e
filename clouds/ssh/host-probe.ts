// What `host-probe.sh` printed on a host, as a report. Pure and total: whatever came back is a
// report, and what is not to be made out is a problem in it.
//
// Source: proc(5); cgroups(7) for limits; `nvidia-smi --query-gpu`; sshd(8) for SSH_CONNECTION.

import { acceleratorName } from "../../model/accelerator-name.ts";
import { given } from "../../proto/fields.ts";
import type { SshTarget } from "../../runtime/ssh.ts";
import { type Found, hostProblems } from "./host-problems.ts";
import type { HostDevice, HostReport } from "./host-report.ts";

/** Whom was asked, and when by our clock: milliseconds since the Unix epoch. */
export interface Asked {
  readonly host: string;
  readonly target: SshTarget;
  readonly beforeMs: number;
  readonly afterMs: number;
}

/** What the script said and how it ended. */
export interface Said {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export function reportOf(said: Said, asked: Asked): HostReport {
  const answers = answersOf(said.stdout);
  const facts = factsOf(answers, asked);
  return { ...facts, problems: hostProblems({ facts, found: foundOf(answers, said) }) };
}

export type Facts = Omit<HostReport, "problems">;

/** All that was said to a question, in its order. */
type Answers = ReadonlyMap<string, readonly string[]>;

const linesMax = 1_000;

/** What stands outside of our two marks is the login shell's. */
function answersOf(stdout: string): Answers {
  const answers = new Map<string, string[]>();
  const start = stdout.search(/^@skylet-probe 1\r?$/m);
  if (start < 0) return answers;
  for (const line of stdout.slice(start).split("\n", linesMax)) {
    const [, key, value] = /^@([a-z-]+) (.*?)\r?$/.exec(line) ?? [];
    if (key === undefined || value === undefined) continue;
    const values = answers.get(key) ?? [];
    answers.set(key, values);
    values.push(value.replace(/\p{C}+/gu, " ").trim());
  }
  return answers;
}

function factsOf(answers: Answers, asked: Asked): Facts {
  const first = (key: string) => answers.get(key)?.[0] ?? "";
  const all = (key: string) => answers.get(key) ?? [];
  const cpus = [countOf(first("cpus")), ...all("cpu-max").map(cpusOf)];
  const memory = [kilobytesOf(first("memory")), ...all("memory-max").map(countOf)];
  return {
    host: asked.host,
    os: osOf(first("os")) || [first("system"), first("kernel")].filter(Boolean).join(" "),
    arch: archOf(first("machine"), first("bits")),
    libc: libcOf(first("libc"), all("ldd"), first("musl")),
    cpus: least(cpus),
    memoryBytes: least(memory),
    diskFreeBytes: diskFreeOf(first("disk")) ?? 0,
    devices: all("gpu").flatMap(deviceOf),
    clockSkewMs: clockSkewOf(all("clock"), asked),
    ip: addressOf(first("address")) ?? asked.target.host,
    user: first("user") || (asked.target.user ?? ""),
    bootId: first("boot"),
    keeper: keeperOf(answers),
    ...given("natsServer", natsServerOf(first("nats-server"), first("nats-version"))),
    claims: claimsOf(all("claim")),
  };
}

/** The smallest of those that say something; 0 where none does. */
function least(counts: readonly (number | undefined)[]): number {
  const known = counts.filter((count) => count !== undefined && count > 0) as readonly number[];
  return known.length === 0 ? 0 : Math.min(...known);
}

function countOf(text: string): number | undefined {
  return /^\d{1,20}$/.test(text) ? Number(text) : undefined;
}

/** `150000 100000`; `max 100000` and `-1 100000` are no limit. */
function cpusOf(text: string): number | undefined {
  const [, quota, period] = /^(\d{1,15}) (\d{1,15})$/.exec(text) ?? [];
  const cpus = Number(quota) / Number(period);
  return Number.isFinite(cpus) && cpus > 0 ? cpus : undefined;
}

function kilobytesOf(text: string): number | undefined {
  const [, kilobytes] = /(\d{1,15}) kB$/.exec(text) ?? [];
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1_024;
}

function osOf(line: string): string {
  return line.replace(/^PRETTY_NAME=/, "").replace(/^(["'])(.*)\1$/, "$2");
}

/** As Node calls it. A kernel of 64 bits may have programs of 32. */
function archOf(machine: string, bits: string): string {
  const is64 = bits !== "32";
  if (/^(x86_64|amd64)$/.test(machine)) return is64 ? "x64" : "ia32";
  if (/^(aarch64|arm64)$/.test(machine)) return is64 ? "arm64" : "arm";
  return machine;
}

function libcOf(getconf: string, ldd: readonly string[], musl: string): string {
  if (/^glibc \d+\.\d+/.test(getconf)) return getconf;
  const said = ldd.join("\n");
  const [, glibc] = /(?:GLIBC|GNU libc|GNU C Library).*?(\d+\.\d+)\s*$/m.exec(said) ?? [];
  if (glibc !== undefined) return `glibc ${glibc}`;
  const [, version] = /Version (\d+\.\d+\.\d+)/.exec(said) ?? [];
  if (/musl/.test(said)) return version === undefined ? "musl" : `musl ${version}`;
  return musl === "" ? "" : "musl";
}

/** The last line of `df -Pk`; a name in it may have spaces. */
function diskFreeOf(line: string): number | undefined {
  const [, free] = /\s\d+\s+\d+\s+(\d+)\s+\d+%\s/.exec(line) ?? [];
  return free === undefined ? undefined : Number(free) * 1_024;
}

/** `0, NVIDIA A100-SXM4-80GB, 81920`, in MiB; a device may not say how much. */
function deviceOf(line: string): readonly HostDevice[] {
  const [, id, product = "", mebibytes] = /^(\d{1,4}), (.+), (.*)$/.exec(line) ?? [];
  if (id === undefined) return [];
  const memoryBytes = (countOf(mebibytes ?? "") ?? 0) * 1_048_576;
  return [{ id: Number(id), name: acceleratorName(product), memoryBytes }];
}

/**
 * The host read its clock after we asked and before we had the answer, so the truth lies within an
 * interval: this is the end of it that is nearest to no difference at all.
 */
function clockSkewOf(readings: readonly string[], { beforeMs, afterMs }: Asked): number {
  const [first, last] = [readings[0], readings.at(-1)].map(clockOf);
  if (first === undefined || last === undefined) return 0;
  const [least, most] = [last.least - afterMs, first.most - beforeMs];
  if (least <= 0 && most >= 0) return 0;
  return Math.round(least > 0 ? least : most);
}

/** Nanoseconds, or seconds where `date` knows no less. */
function clockOf(text = ""): { readonly least: number; readonly most: number } | undefined {
  if (/^\d{18,20}$/.test(text)) {
    const ms = Number(text.slice(0, -6));
    return { least: ms, most: ms + 1 };
  }
  if (!/^\d{1,12}$/.test(text)) return undefined;
  const ms = Number(text) * 1_000;
  return { least: ms, most: ms + 1_000 };
}

/** sshd says `UNKNOWN` where there is no network between us. */
function addressOf(text: string): string | undefined {
  const plain = text.replace(/^::ffff:(?=\d+\.)/i, "");
  return /^[0-9A-Fa-f.:]+(%[\w.-]+)?$/.test(plain) && /[.:]/.test(plain) ? plain : undefined;
}

function keeperOf(answers: Answers): HostReport["keeper"] {
  const manager = answers.get("systemd")?.[0] ?? "";
  const lingers = /^Linger=/.test(answers.get("linger")?.[0] ?? "");
  if (/^(running|degraded|starting)$/.test(manager) && lingers) return "systemd";
  const table = answers.get("crontab")?.[0] ?? "";
  const mayHaveOne = table === "ok" || /no crontab for|can't open/.test(table);
  return mayHaveOne && answers.has("crond") ? "cron" : "none";
}

/** `nats-server: v2.9.10`. */
function natsServerOf(path: string, version: string): string | undefined {
  const numbers = /v(\d+)\.(\d+)\.(\d+)/.exec(version)?.slice(1).map(Number) ?? [];
  const isEnough = isAtLeast(numbers, natsServerLeast);
  return path.startsWith("/") && isEnough ? path : undefined;
}

/** What its configuration is written for: `runtime/nats-config.ts`. */
const natsServerLeast = [2, 9, 10];

function isAtLeast(version: readonly number[], least: readonly number[]): boolean {
  if (version.length === 0) return false;
  const at = least.findIndex((part, index) => version[index] !== part);
  return at < 0 || (version[at] ?? 0) > (least[at] ?? 0);
}

/** `gpu-0 train-1a2b3c4d`: what, and the folder of the cluster that has it. */
function claimsOf(lines: readonly string[]): Readonly<Record<string, string>> {
  const claims = lines.flatMap((line) => {
    const [what, folder] = line.split(" ");
    if (what === undefined || folder === undefined || folder === "") return [];
    return [[what, folder.split("/").at(-1) ?? folder] as const];
  });
  return Object.fromEntries(claims);
}

/** What only problems are made of. */
function foundOf(answers: Answers, { code, stdout, stderr }: Said): Found {
  const first = (key: string) => answers.get(key)?.[0];
  const lastLine = (text: string) =>
    text
      .trim()
      .split("\n")
      .at(-1)
      ?.replace(/\p{C}+/gu, " ");
  return {
    isWhole: answers.has("end"),
    said: (lastLine(stderr) || lastLine(stdout) || `nothing, and code ${code}`).slice(0, 200),
    system: first("system") ?? "",
    kernel: first("kernel") ?? "",
    hasCppLibrary: answers.has("libstdcxx"),
    ...given("bash", first("bash")),
    ...given("home", first("home")),
    ...given("homePath", first("home-path")),
    homeRuns: !answers.has("home-runs"),
    homeType: first("home-type") ?? "",
    ...given("tmp", first("tmp")),
    tmpRuns: !answers.has("tmp-runs"),
    knowsDisk: diskFreeOf(first("disk") ?? "") !== undefined,
    missing: answers.get("missing") ?? [],
    ...given("gpuFault", first("gpu-fault")),
    uid: first("uid") ?? "",
  };
}
