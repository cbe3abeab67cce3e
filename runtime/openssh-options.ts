// What is said to the system's `ssh`: its options, its configuration file, and the one line that
// brings a script through whatever login shell the host has. Pure.
//
// The configuration file stands before the user's own, which it includes: of two values OpenSSH
// takes the first. `-F` is what OpenSSH hands on to the `ssh` that it starts for a jump host, and
// `-o` is not: so jump hosts are checked as strictly as the host behind them. All paths in it are
// relative, as OpenSSH hands `-F` on without quotes; every `ssh` runs in the folder of the file.
// What must always hold: no option of the user's can make a connection check less, ask somebody,
// forward something, or run something else than our script.
// Source: ssh_config(5), ssh(1); `ssh.c` of OpenSSH for what a ProxyJump becomes.

import { SkyError } from "../model/errors.ts";
import type { SshTarget } from "./ssh.ts";

/** How long a host may take to let us in; OpenSSH counts the jump hosts on the way anew. */
export const connectMsMax = 15_000;
/** A connection that is silent for this long gets a question; after `aliveCountMax` it is dead. */
const aliveSeconds = 5;
const aliveCountMax = 3;

/** Beside what is for the user: `config`. */
export const configName = "options";
export const knownHostsName = "known_hosts";

/**
 * `passwdHome`: where OpenSSH looks, but for an `Include` with `~`, which goes by the environment.
 * `user` is the user's own configuration if it is somewhere else than OpenSSH looks: then that of
 * the system does not count either, as with `ssh -F`.
 */
export function configText(
  user: string | undefined,
  options: { readonly passwdHome: string; readonly connectMs?: number },
): string {
  const { passwdHome, connectMs = connectMsMax } = options;
  const standard = [`${passwdHome}/.ssh/config`, "/etc/ssh/ssh_config"];
  const includes = user === undefined ? standard : [user];
  return [
    "# Written by skyhead. Changes are overwritten; yours belong into your own ~/.ssh/config.",
    "Host *",
    ...[...fixed, `ConnectTimeout ${Math.ceil(connectMs / 1000)}`].map((option) => `  ${option}`),
    `  UserKnownHostsFile ./${knownHostsName} ~/.ssh/known_hosts ~/.ssh/known_hosts2`,
    ...includes.map((path) => `Include ${quoted(globbed(path))}`),
    "",
  ].join("\n");
}

const fixed = [
  "BatchMode yes",
  "StrictHostKeyChecking yes",
  "NoHostAuthenticationForLocalhost no",
  "UpdateHostKeys no",
  "ConnectionAttempts 1",
  `ServerAliveInterval ${aliveSeconds}`,
  `ServerAliveCountMax ${aliveCountMax}`,
  // A master of the user's own for a jump host is used, and none is ever left behind.
  "ControlMaster no",
  "ControlPersist no",
  "ClearAllForwardings yes",
  "ExitOnForwardFailure no",
  "GatewayPorts no",
  "StreamLocalBindMask 0177",
  "StreamLocalBindUnlink yes",
  "Tunnel no",
  "ForwardAgent no",
  "ForwardX11 no",
  "PermitLocalCommand no",
  "RemoteCommand none",
  "RequestTTY no",
  "VisualHostKey no",
  // Below that, a jump host does not say why it cannot go on.
  "LogLevel INFO",
];

/** What the master says when it is in. Whatever else a shell prints does not matter. */
export const masterReady = "sky-connected";

export interface MasterOptions {
  readonly target: SshTarget;
  readonly home: string;
  /** The name of its socket; none takes no calls. */
  readonly socket?: string;
  /** Where keys are looked up. */
  readonly knownHosts: string;
  /** What the user's version knows, of what could take the master out of our hands. */
  readonly resolved: Resolved;
  readonly extra?: readonly string[];
}

/** A connection without a session of its own: a host that allows but one has that one for us. */
export function masterArgs(options: MasterOptions): readonly string[] {
  const { target, socket, resolved, extra = [] } = options;
  const master = socket === undefined ? ["-S", "none"] : ["-M", "-S", `./${socket}`];
  const forks = resolved.values.has("forkafterauthentication");
  return [
    ...["-F", `./${configName}`, "-N", "-T", "-x", "-a", ...master],
    ...option(`UserKnownHostsFile=${options.knownHosts}`),
    ...option("PermitLocalCommand=yes"),
    ...option(`LocalCommand=echo ${masterReady}`),
    ...(forks ? option("ForkAfterAuthentication=no") : []),
    ...extra,
    ...targetArgs(target, options.home),
  ];
}

/** Options of a look at the key: it is taken as it comes, into a file of its own. */
export function keyLookArgs(): readonly string[] {
  return [
    ...option("StrictHostKeyChecking=no"),
    ...option("GlobalKnownHostsFile=/dev/null"),
    ...option("HashKnownHosts=no"),
    ...option("CheckHostIP=no"),
    ...option("PubkeyAuthentication=no"),
    ...option("PasswordAuthentication=no"),
    ...option("KbdInteractiveAuthentication=no"),
    ...option("HostbasedAuthentication=no"),
    ...option("GSSAPIAuthentication=no"),
  ];
}

/** What a further `ssh` says to go through a master, and through nothing else. */
function throughMaster(socket: string): readonly string[] {
  return [
    ...["-F", "/dev/null", "-S", `./${socket}`, "-T", "-x", "-a"],
    ...option("BatchMode=yes"),
    ...option("LogLevel=ERROR"),
    ...option("StreamLocalBindUnlink=yes"),
    // Without a master it would dial the name by itself.
    ...option("ProxyCommand=false"),
  ];
}

export function sessionArgs(socket: string): readonly string[] {
  return [...throughMaster(socket), "--", "master", remoteCommand];
}

export interface Forward {
  /** Of a short path, relative to the folder. */
  readonly local: string;
  readonly remote: string | { readonly host: string; readonly port: number };
}

export function forwardArgs(
  socket: string,
  verb: "forward" | "cancel",
  { local, remote }: Forward,
): readonly string[] {
  const to =
    typeof remote === "string" ? forwardPath(remote) : `[${percent(remote.host)}]:${remote.port}`;
  const spec = `${forwardPath(local)}:${to}`;
  return [...throughMaster(socket), "-O", verb, "-L", spec, "--", "master"];
}

/** Its settings for a host, as `ssh -G` prints them. */
export function resolveArgs(
  target: SshTarget,
  options: { readonly home: string; readonly sshConfig: string | undefined },
): readonly string[] {
  const { home, sshConfig } = options;
  const file = sshConfig === undefined ? [] : ["-F", sshConfig];
  return ["-G", ...file, ...targetArgs(target, home)];
}

/** @throws SkyError `ssh/failed` for what OpenSSH would take for something else. */
function targetArgs(target: SshTarget, home: string): readonly string[] {
  const { host, user, port, identityFile } = target;
  const bad = [host, user ?? "", identityFile ?? ""].some(hasControl) || host.startsWith("-");
  if (bad || host === "") {
    throw new SkyError("ssh/failed", { host: JSON.stringify(host), why: "that is no name" });
  }
  return [
    ...(user === undefined ? [] : ["-l", user]),
    ...(port === undefined ? [] : ["-p", String(port)]),
    // An agent with many keys would use up the tries that a host allows.
    ...(identityFile === undefined
      ? []
      : ["-i", percent(atHome(identityFile, home)), ...option("IdentitiesOnly=yes")]),
    ...["--", host],
  ];
}

function hasControl(text: string): boolean {
  return [...text].some((char) => char < " ");
}

function option(text: string): readonly string[] {
  return ["-o", text];
}

/** `~/x` below the home that is given. */
export function atHome(path: string, home: string): string {
  return path === "~" || path.startsWith("~/") ? `${home}${path.slice(1)}` : path;
}

/** A path in a forward: what separates its parts is escaped, and what stands for something else. */
function forwardPath(path: string): string {
  return percent(path).replace(/[\\:]/g, "\\$&");
}

function percent(text: string): string {
  return text.replaceAll("%", "%%");
}

function quoted(path: string): string {
  return `"${path}"`;
}

function globbed(path: string): string {
  return path.replace(/[\\*?[\]]/g, "\\$&");
}

// ---- what `ssh -G` prints

export interface Resolved {
  readonly hostname: string;
  readonly port: number;
  readonly user: string;
  /** The name that `known_hosts` has it by. */
  readonly knownName: string;
  /** As it stands there, to hand on. */
  readonly knownHosts: string;
  readonly identityFiles: readonly string[];
  /** Hosts on the way, the first first. */
  readonly jumps: readonly string[];
  /** Everything, by the lower-case name. */
  readonly lines: readonly (readonly [name: string, value: string])[];
  /** The last of what may stand there more than once. */
  readonly values: ReadonlyMap<string, string>;
}

export function parseResolved(text: string): Resolved {
  const lines = text.split("\n").flatMap((line): (readonly [string, string])[] => {
    const at = line.indexOf(" ");
    return at < 1 ? [] : [[line.slice(0, at).toLowerCase(), line.slice(at + 1).trim()]];
  });
  const values = new Map(lines);
  const hostname = values.get("hostname") ?? "";
  const port = Number(values.get("port") ?? 22);
  const alias = values.get("hostkeyalias");
  const jump = values.get("proxyjump") ?? "none";
  return {
    ...{ hostname, port, values, lines },
    user: values.get("user") ?? "",
    knownName: alias ?? knownHostsNameOf(hostname, port),
    knownHosts: values.get("userknownhostsfile") ?? "",
    identityFiles: lines.flatMap(([key, value]) => (key === "identityfile" ? [value] : [])),
    jumps: jump === "none" || jump === "" ? [] : jump.split(","),
  };
}

export function knownHostsNameOf(host: string, port: number): string {
  return port === 22 ? host.toLowerCase() : `[${host.toLowerCase()}]:${port}`;
}

/** The host that a name in `known_hosts` is of. */
export function parseHostName(name: string): string {
  return /^\[([^\]]+)\](?::\d+)?$/.exec(name)?.[1] ?? name;
}

/** `[user@]host[:port]`, also as an address. */
export function parseJump(text: string): SshTarget {
  const bare = text.replace(/^ssh:\/\//, "");
  const at = bare.lastIndexOf("@");
  const user = at < 0 ? undefined : bare.slice(0, at);
  const rest = bare.slice(at + 1);
  const named = /^\[([^\]]+)\](?::(\d+))?$|^([^:]+):(\d+)$/.exec(rest);
  const host = named?.[1] ?? named?.[3] ?? rest;
  const port = named?.[2] ?? named?.[4];
  return {
    host,
    ...(user === undefined ? {} : { user }),
    ...(port === undefined ? {} : { port: Number(port) }),
  };
}

// ---- a script on its way

/**
 * Before the script, on each of its outputs: what a login shell prints at its start ends there.
 * A shell that shows the commands that it runs shows another text.
 */
export const begunMark = "\u0001sky\n";

/**
 * For any login shell: no newline, no quote, nothing that fish or csh would read otherwise. The
 * script comes as one line of the standard input, which a shell reads byte by byte, so what follows
 * is the script's own input. Half a line is not run.
 */
export const remoteCommand = `exec sh -c '${[
  'printf "\\001sky\\n"',
  'printf "\\001sky\\n" >&2',
  "IFS= read -r _sky || exit 255",
  'eval "$(printf %b "$_sky")"',
].join("; ")}'`;

/** The line that it reads. @throws SkyError `ssh/failed` for a byte that no shell can have. */
export function scriptLine(script: string, args: readonly string[] = []): string {
  const words = args.map((arg) => ` '${arg.replaceAll("'", "'\\''")}'`).join("");
  const text = `unset _sky; set --${words}\n${script}`;
  if (text.includes("\0")) {
    throw new SkyError("ssh/failed", { host: "any", why: "a script or its argument holds NUL" });
  }
  return `${text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")}\n`;
}
