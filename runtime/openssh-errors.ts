// What `ssh` prints when it fails, as one of our errors with a sentence for people. Pure.
//
// OpenSSH ends with 255 for everything; only its words tell what happened, and to which host: what
// a jump host's `ssh` prints stands before what the outer one makes of it. Texts are those of
// OpenSSH 7.6 to 10. What must always hold: a text that nobody knows is shown as it is; only what
// may pass by itself is `ssh/unreachable`, which is tried again.
// Source: `sshconnect.c`, `sshconnect2.c`, `ssh.c`, `mux.c`, `packet.c` of OpenSSH.

import { SkyError } from "../model/errors.ts";
import type { SshTarget } from "./ssh.ts";

/** Whom we wanted, as far as it is known. */
export interface SshAttempt {
  readonly target: SshTarget;
  /** As OpenSSH names it: the address after `HostName`. */
  readonly hostname?: string;
  /** Its name in `known_hosts`. */
  readonly knownName?: string;
  readonly user?: string;
  /** A path without `./` in front. */
  readonly folder: string;
}

type Finder = (text: string, attempt: SshAttempt) => SkyError | undefined;

/** The order matters: what says why comes before what says that. */
const finders: readonly Finder[] = [
  keyChanged,
  keyUnknown,
  denied,
  stranger,
  unreachable,
  unusable,
];

export function sshErrorOf(stderr: string, attempt: SshAttempt): SkyError {
  const text = stderr.replaceAll("\r", "");
  for (const find of finders) {
    const found = find(text, attempt);
    if (found !== undefined) return found;
  }
  const said = lastLine(text);
  const why = said === "" ? "it ended without a word" : said;
  return new SkyError("ssh/failed", { host: attempt.target.host, why });
}

/** The name in `known_hosts` of the host whose key is not on record, if that is what is wrong. */
export function unknownKeyName(stderr: string): string | undefined {
  return unknownKey.exec(stderr.replaceAll("\r", ""))?.[2];
}

export function programMissing(target: SshTarget, program: string): SkyError {
  const why = `${program} was not found: install OpenSSH's client (apt-get install openssh-client)`;
  return new SkyError("ssh/failed", { host: target.host, why });
}

export function unreachableSince(target: SshTarget, why: string): SkyError {
  return new SkyError("ssh/unreachable", { host: target.host, why });
}

/** `said` is what came instead of our script's beginning. */
export function noShell(target: SshTarget, said: string): SkyError {
  const words = lastLine(said.replaceAll("\r", ""));
  const heard = words === "" ? "it says nothing" : `it says: ${words}`;
  const why = `the login does not lead to a shell that runs commands; ${heard}`;
  return new SkyError("ssh/failed", { host: target.host, why });
}

/** The host has a limit for commands at a time, and it is reached. */
export function isSessionRefused(stderr: string): boolean {
  return /session request failed: Session open refused by peer/.test(stderr);
}

// ---- keys of hosts

function keyChanged(text: string, attempt: SshAttempt): SkyError | undefined {
  const name = /(?:Host key for|key for) (\S+) has changed/.exec(text)?.[1];
  const revoked = /REVOKED HOST KEY DETECTED|Host key \S+ .*\brevoked\b/i.test(text);
  const warned = /REMOTE HOST IDENTIFICATION HAS CHANGED/.test(text);
  if (name === undefined && !warned && !revoked) return undefined;
  const offending = [
    ...text.matchAll(/(?:Offending|Matching) (\S+) key(?: found)? in (.+):(\d+)/g),
  ];
  const [, type = "", path = "", line = ""] = offending.at(-1) ?? [];
  const file = path === "" ? "known_hosts" : absolute(path, attempt.folder);
  const host = whoIs(name ?? attempt.knownName, attempt);
  if (revoked) {
    const why = "it is marked as revoked there";
    return new SkyError("ssh/host-key-changed", { host, file, why });
  }
  const where = line === "" ? "another key is there" : `line ${line} has another ${type} key`;
  const known = name ?? attempt.knownName ?? attempt.target.host;
  const remove = `ssh-keygen -R ${shellWord(known)} -f ${shellWord(file)}`;
  const why = `${where}. If you know why, remove it: ${remove}`;
  return new SkyError("ssh/host-key-changed", { host, file, why });
}

const unknownKey = /No (\S+) host key is known for (\S+) and you have requested strict checking/;

function keyUnknown(text: string, attempt: SshAttempt): SkyError | undefined {
  const [, type, name] = unknownKey.exec(text) ?? [];
  if (type !== undefined && name !== undefined) {
    const what = `its ${type} key is not on record (as ${name})`;
    const problems = `host ${whoIs(name, attempt)}: ${what}`;
    return new SkyError("ssh/host-key-unknown", { problems });
  }
  if (!/Host key verification failed\./.test(text)) return undefined;
  // An `ssh` of the user's own ProxyCommand: it neither knows our record nor can it ask.
  const { host } = attempt.target;
  const met = "the ProxyCommand on the way meets a host whose key is not known";
  const why = `${met}: log in once by hand (ssh ${shellWord(host)})`;
  return new SkyError("ssh/failed", { host, why });
}

// ---- whom the host lets in

const methodNames: Readonly<Record<string, string>> = {
  publickey: "keys",
  password: "a password",
  "keyboard-interactive": "a password or a code",
  hostbased: "host-based authentication",
  "gssapi-with-mic": "Kerberos",
  "gssapi-keyex": "Kerberos",
};

function denied(text: string, attempt: SshAttempt): SkyError | undefined {
  if (/Too many authentication failures/.test(text)) {
    const why =
      "it took none of the first keys that the agent has, and allows no more tries: name the right one (identity_file, or IdentityFile and IdentitiesOnly)";
    return new SkyError("ssh/denied", { host: attempt.target.host, why });
  }
  const [, user, name, list] =
    /^(?:(?:ssh: )?(?:(\S+)@)?(\S+): )?Permission denied \(([^)]*)\)/m.exec(text) ?? [];
  if (list === undefined) return undefined;
  const who = user ?? attempt.user ?? "you";
  const offered = [...new Set(list.split(",").map((one) => methodNames[one] ?? one))];
  const host = whoIs(name, attempt);
  const login = `${who}@${name ?? attempt.target.host}`;
  const put = `ssh-copy-id ${login}`;
  const keyless = [
    `${login} takes no keys, only ${offered.join(" or ")}, and nobody is there to type one`,
    `Allow keys in its sshd_config (PubkeyAuthentication yes), then: ${put}`,
  ];
  const keyed = [
    `none of our keys opens ${login}`,
    `Put one there (${put}), or name the right one (identity_file)`,
  ];
  const why = (list.split(",").includes("publickey") ? keyed : keyless).join(". ");
  return new SkyError("ssh/denied", { host, why: `${unusableKey(text)}${why}` });
}

/** What OpenSSH says of a key file that it could not use; it goes on with the others. */
function unusableKey(text: string): string {
  const [, missing] =
    /(?:Identity file (.+) not accessible|no such identity: (.+?)):/.exec(text) ?? [];
  if (missing !== undefined) return `the key ${missing} is not there; `;
  const [, open] = /Permissions \d+ for '(.+)' are too open/.exec(text) ?? [];
  if (open !== undefined) return `others can read the key ${open} (chmod 600); `;
  const [, bad, how] = /Load key "(.+)": (.+)/.exec(text) ?? [];
  return bad === undefined ? "" : `the key ${bad} cannot be read (${how}); `;
}

/** The same with what was found out about the keys. */
export function deniedWith(error: SkyError, found: string | undefined): SkyError {
  if (found === undefined || error.code !== "ssh/denied") return error;
  const { host = "", why } = error.params;
  return new SkyError("ssh/denied", { host, why: `${why}. By the way: ${found}` });
}

// ---- what is in the way

/** Something else answers there. */
function stranger(text: string, { target }: SshAttempt): SkyError | undefined {
  const [, place] =
    /^banner exchange: Connection to (\S+ port \d+): invalid format/m.exec(text) ?? [];
  const closed = /(?:[Bb]ad remote protocol version|banner line contains invalid characters)/;
  if (place === undefined && !closed.test(text)) return undefined;
  const why = `what answers${place === undefined ? "" : ` at ${place}`} is no SSH server`;
  return new SkyError("ssh/failed", { host: target.host, why });
}

function unreachable(text: string, attempt: SshAttempt): SkyError | undefined {
  const sentence = dialled(text, attempt) ?? behindJump(text) ?? broken(text, attempt);
  if (sentence === undefined) return undefined;
  return new SkyError("ssh/unreachable", { host: attempt.target.host, why: sentence });
}

function dialled(text: string, attempt: SshAttempt): string | undefined {
  const [, name, port, said] = /connect to host (\S+) port (\d+): (.+)/.exec(text) ?? [];
  if (name !== undefined && said !== undefined) {
    return `${said.toLowerCase()} (${jumpHost(name, attempt)}${name} port ${port})`;
  }
  const [, unknown, how] = /Could not resolve hostname (.+?): (.+)/.exec(text) ?? [];
  if (unknown === undefined) return undefined;
  return `the name ${jumpHost(unknown, attempt)}${unknown} is not known (${how})`;
}

function behindJump(text: string): string | undefined {
  const [, kind, said] = /channel \d+: open failed: ([^:\n]+)(?:: (.*))?/.exec(text) ?? [];
  const forward = /stdio forwarding failed|mux_client_request_stdio_fwd: /.test(text);
  if (kind === undefined && !forward) return undefined;
  if (kind?.includes("prohibited")) {
    return "the jump host on the way does not pass connections on (AllowTcpForwarding)";
  }
  const why = (said ?? kind ?? "it does not say why").toLowerCase();
  return `the jump host on the way cannot reach it (${why})`;
}

const breaks: readonly RegExp[] = [
  /^Connection timed out during banner exchange/m,
  /^Connection to \S+(?: port \S+)? timed out/m,
  /^Timeout, server \S+ not responding/m,
  /^(?:ssh_dispatch_run_fatal: |(?:kex|ssh)_exchange_identification: )?Connection .*/m,
  /^(?:(?:kex|ssh)_exchange_identification: )?(?:[Rr]ead|[Ww]rite).*/m,
  /^client_loop: .*/m,
  /^Received disconnect from .*/m,
  /^Disconnected from .*/m,
  /^ssh_dispatch_run_fatal: .*/m,
  /^(?:kex|ssh)_exchange_identification: .*/m,
  /^banner exchange: .*/m,
];

function broken(text: string, { target }: SshAttempt): string | undefined {
  const said = breaks.map((pattern) => pattern.exec(text)?.[0]).find((one) => one !== undefined);
  if (said === undefined) return undefined;
  if (!/UNKNOWN(?: port 65535)?/.test(text)) {
    return said.replace(/^[\w ]+: (?=\S)/, "").replace(/\.$/, "");
  }
  // It went through a command; what that printed before it gave up says more.
  const lines = text.split("\n").map((line) => line.trim());
  const told = lines.find((line) => line !== "" && !breaks.some((pattern) => pattern.test(line)));
  return told === undefined
    ? `the ProxyCommand for ${target.host} ended without a connection`
    : `the way there ended: ${told}`;
}

// ---- what is wrong with ssh itself

function unusable(text: string, { target }: SshAttempt): SkyError | undefined {
  const line = text
    .split("\n")
    .find((one) => /line \d+|[Bb]ad |Unable to negotiate|Can't open|not found|no such/i.test(one));
  if (line === undefined) return undefined;
  return new SkyError("ssh/failed", { host: target.host, why: line.trim() });
}

// ---- words

/** The target as the user named it, or the jump host that it is about. */
function whoIs(name: string | undefined, attempt: SshAttempt): string {
  const { target } = attempt;
  return name === undefined || isTarget(name, attempt)
    ? target.host
    : `${name} (a jump host of ${target.host})`;
}

function jumpHost(name: string, attempt: SshAttempt): string {
  return isTarget(name, attempt) ? "" : "jump host ";
}

function isTarget(name: string, { target, hostname, knownName }: SshAttempt): boolean {
  const ours = [target.host, hostname, knownName].map((one) => one?.toLowerCase());
  return hostname === undefined || ours.includes(name.toLowerCase());
}

function absolute(path: string, folder: string): string {
  if (path.startsWith("/")) return path;
  return `${folder}/${path.replace(/^\.\//, "")}`;
}

function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1)?.trim() ?? "";
}
