// The configuration that we generate for nats-server, and the lines of its log that we read.
//
// The file names one nkey user per node, each with its own permissions; there is no user without
// permissions and no way in without an nkey. It holds no secret: public keys and paths only.
// Written for nats-server 2.9.10 and later.
// Source: docs.nats.io, "NATS Server Configuration"; the lines were taken from 2.9.10's own log.

import { assert } from "../model/errors.ts";
import type { BusPermissions } from "./bus.ts";
import { busPayloadBytesMax } from "./bus.ts";
import { unconfirmedBytesMax } from "./bus-window.ts";
import { isUserNkey } from "./nkey-text.ts";

export interface NatsUser {
  /** "U…" */
  readonly publicKey: string;
  /** Who it is, for people: `demo/worker1`. */
  readonly label: string;
  readonly permissions: BusPermissions;
}

/** Whether something that was read from a file is a user. */
export function isNatsUser(found: unknown): found is NatsUser {
  if (typeof found !== "object" || found === null) return false;
  const { publicKey, label, permissions } = found as Partial<NatsUser>;
  const { publish, subscribe } = permissions ?? {};
  const isList = (list: unknown): boolean =>
    Array.isArray(list) && list.every((one) => typeof one === "string");
  return isUserNkey(publicKey) && typeof label === "string" && isList(publish) && isList(subscribe);
}

/** Adds and removes users of the bus. What a join needs of the server. */
export interface BusUsers {
  /**
   * Resolves when the user can connect. It takes the place of an earlier one with the same label,
   * who is cut off.
   */
  add(user: NatsUser): Promise<void>;
  /** Resolves when the user is cut off. An unknown label is not an error. */
  remove(label: string): Promise<void>;
}

export interface NatsConfig {
  readonly host: string;
  /** -1 lets the server choose. */
  readonly port: number;
  /** Where the server writes the port that it chose. */
  readonly portsDir: string;
  readonly certificateFile: string;
  readonly keyFile: string;
  readonly authorityFile: string;
  readonly users: readonly NatsUser[];
}

/**
 * What one client may take of the server, each with its reason:
 * - a message: a little above our own cap, which is the one that users hear of;
 * - connections: 10,000 nodes, each with one that is dead and not yet noticed, and the heads;
 * - subscriptions: a node needs two, the head two for each cluster, on a connection of its own;
 * - a line of the protocol: the longest subject, or a sign-in of some 700 bytes;
 * - what waits for a client that does not read: a second of everything that 10,000 nodes say when
 *   they come back. Then, or when a write has stood for 10 s, it is cut off and dials again.
 */
const payloadBytesMax = busPayloadBytesMax + 64 * 1024;
const connectionsMax = 32_768;
const subscriptionsMax = 256;
const lineBytesMax = 4_096;
const writeSeconds = 10;
/** A client that says nothing, not even a beat, is asked; after 10 to 15 s it is cut off. */
const pingSeconds = 5;
const pingsMax = 2;
/** A little more than ours give a try: whoever has not shown who he is by then will not. */
const tlsSeconds = 18;
const signInSeconds = 20;

export function natsConfigText(config: NatsConfig): string {
  assert(config.users.length > 0, "nats-server without users would let everybody in");
  return `# Generated. What is changed here is overwritten.
host: ${quote(config.host)}
port: ${config.port}
ports_file_dir: ${quote(config.portsDir)}
max_payload: ${payloadBytesMax}
max_connections: ${connectionsMax}
max_subscriptions: ${subscriptionsMax}
max_control_line: ${lineBytesMax}
max_pending: ${unconfirmedBytesMax}
write_deadline: "${writeSeconds}s"
ping_interval: "${pingSeconds}s"
ping_max: ${pingsMax}

tls {
  cert_file: ${quote(config.certificateFile)}
  key_file: ${quote(config.keyFile)}
  ca_file: ${quote(config.authorityFile)}
  verify: true
  timeout: ${tlsSeconds}
}

authorization {
  timeout: ${signInSeconds}
  users: [
${config.users.map(userText).join("\n")}
  ]
}
`;
}

/** An empty list would allow everything, so it is written as a denial. */
function allowText(patterns: readonly string[]): string {
  if (patterns.length === 0) return `{ deny: [">"] }`;
  return `{ allow: [${patterns.map(quote).join(", ")}] }`;
}

function userText(user: NatsUser): string {
  const { publish, subscribe } = user.permissions;
  return `    # ${user.label.replace(/\s/g, " ")}
    { nkey: ${quote(user.publicKey)}, permissions: {
      publish: ${allowText(publish)},
      subscribe: ${allowText(subscribe)} } }`;
}

/** A string of nats-server's format: double quotes, with `"` and `\` escaped. */
function quote(text: string): string {
  return `"${text.replace(/[\\"]/g, (c) => `\\${c}`).replace(/\n/g, "\\n")}"`;
}

/** What a line of the server's log means to us. */
export type NatsLogEvent =
  | { readonly kind: "ready" }
  | { readonly kind: "reloaded" }
  | { readonly kind: "reload-failed"; readonly why: string }
  | { readonly kind: "address-in-use" }
  /** A user published or subscribed what it may not. */
  | { readonly kind: "denied"; readonly publicKey: string; readonly subject: string }
  /** Somebody did not get in: no credentials, wrong ones, or no valid certificate. */
  | { readonly kind: "refused"; readonly why: string };

/** `[pid] date time [level] text` */
const linePattern = /^\[\d+\] [\d/]+ [\d:.]+ \[([A-Z]+)\] (.*)$/;
/** A client's name comes before it and is its own choice: the last place is the one that counts. */
const deniedPattern = /^.* (?:Publish|Subscription) Violation - Nkey "(\w+)", Subject "(\S*)"/;
const refusedPattern = /(authentication error|TLS handshake error|Authorization Violation)(.*)$/;
const reloadFailedPattern = /^Failed to reload server configuration: (.*)$/;

export function parseNatsLogLine(line: string): NatsLogEvent | undefined {
  const [, level, text = ""] = linePattern.exec(line) ?? [];
  if (level === undefined) return undefined;
  if (text === "Server is ready") return { kind: "ready" };
  if (text === "Reloaded server configuration") return { kind: "reloaded" };
  if (level === "FTL" && text.includes("address already in use")) return { kind: "address-in-use" };
  const failed = reloadFailedPattern.exec(text);
  if (failed) return { kind: "reload-failed", why: failed[1] ?? "" };
  const denied = deniedPattern.exec(text);
  if (denied) return { kind: "denied", publicKey: denied[1] ?? "", subject: denied[2] ?? "" };
  const refused = refusedPattern.exec(text);
  return refused ? { kind: "refused", why: refused[0] } : undefined;
}

/** The port in the file that the server writes: `{"nats":["tls://127.0.0.1:4222"]}`. */
export function parsePortsFile(text: string): number | undefined {
  const match = /"(?:nats|tls):\/\/[^"]*:(\d+)"/.exec(text);
  return match ? Number(match[1]) : undefined;
}
