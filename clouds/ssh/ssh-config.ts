// What makes `ssh CLUSTER` work: the texts of our own SSH configuration and of the lines that make
// the user's include it. Pure.
//
// A host's block repeats everything of the user's settings that decides how the host is reached, as
// `ssh -G` tells it: under the cluster's name the user's own blocks for the host do not apply.
// What must always hold: the user's file without our lines is what it was, to the byte; a name for
// which the user has settings of his own is never taken.
// Source: ssh_config(5).

import type { Resolved } from "../../runtime/openssh-options.ts";
import type { SshTarget } from "../../runtime/ssh.ts";

export interface SshEntry {
  /** As in `ssh NAME`. */
  readonly name: string;
  readonly target: SshTarget;
}

/** The names of a cluster's nodes, by their order: the first is the cluster's own. */
export function sshName(cluster: string, index: number): string {
  return index === 0 ? cluster : `${cluster}-worker${index}`;
}

// ---- the user's file

/** `lines`: what stands between ours. `isNew`: there was no file, or no folder either. */
function blockOf(config: string, made: Made): string {
  const first = `# Skylet: hosts of its clusters${madeText[made]}`;
  return `${first}\n${includeOf(config)}\n${blockEnd}\n`;
}

const blockEnd = "# Skylet: end; these lines go with its last cluster";

/** What was made for the block. */
export type Made = "nothing" | "file" | "folder";

const madeText: Readonly<Record<Made, string>> = {
  nothing: "",
  file: ", in a file of its own",
  folder: ", in a folder of its own",
};

const madeAll = ["nothing", "file", "folder"] as const;

/** `text` with the block in front; as it is, if it includes that file already. */
export function withInclude(text: string, config: string, made: Made): string {
  return includes(text, config) ? text : `${blockOf(config, made)}${text}`;
}

export function includes(text: string, config: string): boolean {
  return text.split("\n").some((line) => line.trim() === includeOf(config));
}

/** OpenSSH takes the path for a pattern. */
export function includeOf(config: string): string {
  return `Include ${quoted(config.replace(/[\\*?[\]]/g, "\\$&"))}`;
}

/** `made`: what may go too if nothing else is there. */
export function withoutInclude(
  text: string,
  config: string,
): { readonly text: string; readonly made: Made } {
  for (const made of madeAll) {
    const block = blockOf(config, made);
    const at = text.indexOf(block);
    if (at < 0 || (at > 0 && text[at - 1] !== "\n")) continue;
    return { text: text.slice(0, at) + text.slice(at + block.length), made };
  }
  return { text, made: "nothing" };
}

/** Whether a line names a host as it is, without a pattern. */
export function namesHost(text: string, name: string): boolean {
  return text.split("\n").some((line) => {
    const [, words] = /^\s*Host(?:\s*=\s*|\s+)(.*)$/i.exec(line.trimEnd()) ?? [];
    const named = (words ?? "").split(/\s+/).map((word) => word.replace(/^"(.*)"$/, "$1"));
    return named.some((word) => word.toLowerCase() === name.toLowerCase());
  });
}

// ---- our own file

const ownHead = [
  "# Written by skyhead: what `ssh CLUSTER` and `ssh CLUSTER-worker1` need. Changes are lost.",
  "",
].join("\n");

export interface Section {
  readonly cluster: string;
  /** The blocks of its hosts, and what was left out. */
  readonly lines: readonly string[];
}

export function parseSections(text: string): readonly Section[] {
  const sections: { cluster: string; lines: string[] }[] = [];
  for (const line of text.split("\n")) {
    const [, cluster] = /^# Cluster (\S+)$/.exec(line) ?? [];
    if (cluster !== undefined) sections.push({ cluster, lines: [] });
    else if (line !== "") sections.at(-1)?.lines.push(line);
  }
  return sections;
}

export function sectionsText(sections: readonly Section[]): string {
  const blocks = sections.map(({ cluster, lines }) => [`# Cluster ${cluster}`, ...lines, ""]);
  return [ownHead, ...blocks.map((lines) => lines.join("\n"))].join("\n");
}

/** With that one in the place of an earlier of its cluster; without any if it has no lines. */
export function withSection(all: readonly Section[], section: Section): readonly Section[] {
  const others = all.filter(({ cluster }) => cluster !== section.cluster);
  if (section.lines.length === 0) return others;
  return [...others, section].toSorted((a, b) => (a.cluster < b.cluster ? -1 : 1));
}

export interface Left {
  readonly name: string;
  readonly why: string;
}

/** What `ssh` knows of a cluster. */
export interface SshNames {
  readonly names: readonly string[];
  readonly left: readonly Left[];
}

export function leftLine({ name, why }: Left): string {
  return `# ${name} is left out: ${why}`;
}

/** Of a file of ours. */
export function namesOf(text: string, cluster: string): SshNames {
  const section = parseSections(text).find((one) => one.cluster === cluster);
  const lines = section?.lines ?? [];
  const names = lines.flatMap((line) => /^Host (\S+)$/.exec(line)?.[1] ?? []);
  const left = lines.flatMap((line): readonly Left[] => {
    const [, name, why] = /^# (\S+) is left out: (.+)$/.exec(line) ?? [];
    return name === undefined || why === undefined ? [] : [{ name, why }];
  });
  return { names, left };
}

/** What decides how a host is reached, beside its address. */
const reachKeys = [
  ...["identityfile", "identitiesonly", "identityagent", "certificatefile", "proxyjump"],
  ...["proxycommand", "proxyusefdpass", "hostkeyalias", "hostkeyalgorithms", "kexalgorithms"],
  ...["ciphers", "macs", "pubkeyacceptedalgorithms", "pubkeyacceptedkeytypes"],
  ...["preferredauthentications", "gssapiauthentication", "pkcs11provider", "requiredrsasize"],
  ...["addressfamily", "bindaddress", "bindinterface", "checkhostip", "connecttimeout"],
] as const;

/** Of these there may be more than one line. */
const manyKeys: ReadonlySet<string> = new Set(["identityfile", "certificatefile"]);
/** Of these the whole rest of the line is one value. */
const wholeKeys: ReadonlySet<string> = new Set(["proxycommand"]);

export interface HostBlock {
  readonly name: string;
  readonly target: SshTarget;
  /** What the user's settings make of the target. */
  readonly resolved: Resolved;
  /** What they make of a name that nobody has. */
  readonly plain: Resolved;
  /** Our record of keys. */
  readonly knownHosts: string;
}

export function hostBlock(block: HostBlock): readonly string[] {
  const { name, target, resolved, plain, knownHosts } = block;
  const user = target.user ?? (resolved.user === plain.user ? undefined : resolved.user);
  const reach = reachKeys.flatMap((key) => {
    const values = valuesOf(resolved, key);
    return values.join("\n") === valuesOf(plain, key).join("\n")
      ? []
      : values.map((value) => `${key} ${argument(key, value)}`);
  });
  const known = [quoted(knownHosts.replaceAll("%", "%%")), resolved.knownHosts].filter(Boolean);
  return [
    `Host ${name}`,
    ...[
      `hostname ${resolved.hostname}`,
      `port ${resolved.port}`,
      ...(user === undefined ? [] : [`user ${user}`]),
      ...reach,
      `userknownhostsfile ${known.join(" ")}`,
    ].map((line) => `  ${line}`),
  ];
}

function valuesOf(resolved: Resolved, key: string): readonly string[] {
  // A key that the pool names may be the one that the user's settings name.
  if (key === "identityfile") return [...new Set(resolved.identityFiles)];
  return resolved.lines.flatMap(([name, value]) => (name === key ? [value] : []));
}

function argument(key: string, value: string): string {
  const isPlain = wholeKeys.has(key) || !manyKeys.has(key) || !/[\s"]/.test(value);
  return isPlain ? value : quoted(value);
}

/** Whether the user's settings make something of a name that they make of no other. */
export function isOwnName(name: string, resolved: Resolved, plain: Resolved): boolean {
  const { hostname, port, user, jumps } = resolved;
  const other = plain.hostname.replaceAll(plainName, name);
  const isOther = hostname !== other.toLowerCase() || port !== plain.port || user !== plain.user;
  const reach = (of: Resolved, key: string): string => of.values.get(key) ?? "";
  const keys = ["proxycommand", "hostkeyalias"] as const;
  const goesOther = keys.some((key) => {
    return reach(resolved, key) !== reach(plain, key).replaceAll(plainName, name);
  });
  return isOther || goesOther || jumps.join() !== plain.jumps.join();
}

/** A name that nobody has: what the user's settings are for everybody. */
export const plainName = "skylet-any.invalid";

function quoted(path: string): string {
  return `"${path}"`;
}
