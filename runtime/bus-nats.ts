// The NATS version of the bus: one connection to a nats-server, with one identity.
//
// The identity is an nkey; TLS authenticates the server (and us, where we have a certificate).
// The connection is kept for ever: after a loss it dials again with growing, jittered waits, and
// subscriptions are made anew before `onChange` hears of it. What is published while the
// connection is down is dropped, not saved up: a late message is worse than none, since whoever
// needs it repeats it. Requests and inboxes of NATS are not used: replies have addresses of ours.

import { checkServerIdentity, type PeerCertificate } from "node:tls";
import { connect, credsAuthenticator, errors, type NatsConnection } from "@nats-io/transport-node";
import { assert, errorText, isSkyError, SkyError } from "../model/errors.ts";
import type { Bus, BusMessage } from "./bus.ts";
import { busPayloadBytesMax } from "./bus.ts";
import type { Clock } from "./clock.ts";
import { nkeySigner } from "./nkeys-nats.ts";
import type { Random } from "./random.ts";
import { isPattern, isSubject } from "./subject.ts";

export interface NatsOptions {
  /** `tls://host:port`; several for a cluster of servers. */
  readonly servers: readonly string[];
  /** Shown in the server's log: `<cluster>/<node>`. */
  readonly name: string;
  readonly identity: NatsIdentity;
  /** PEM of the authority that signed the server's certificate; absent = the system's. */
  readonly authority?: string;
  /** Our own certificate and key, PEM, where the server asks for them. */
  readonly certificate?: string;
  readonly key?: string;
  readonly clock: Clock;
  readonly random: Random;
  /** How long the first connection may take, trying again and again. */
  readonly connectMs: number;
  /** How long one try may take. A server that dislikes our certificate lets us wait that long. */
  readonly attemptMs?: number;
  readonly signal?: AbortSignal;
}

export type NatsIdentity =
  | { readonly kind: "nkey"; readonly seed: string }
  /** A credentials file's content, for a NATS of somebody else. */
  | { readonly kind: "creds"; readonly content: string }
  | { readonly kind: "none" };

const waitMsMin = 50;
const waitMsMax = 3_000;
const attemptMsDefault = 5_000;
/** A half-open connection is noticed after two of these. */
const pingMs = 10_000;

/**
 * Connects, and stays connected.
 * @throws SkyError `bus/closed` if no connection came about within `connectMs`; `core/cancelled`.
 */
export async function connectNats(options: NatsOptions): Promise<Bus> {
  const { clock, signal } = options;
  const deadline = clock.now().monoMs + options.connectMs;
  const wait = new Waits(options.random);
  for (;;) {
    if (signal?.aborted) throw new SkyError("core/cancelled", { what: "connecting to the bus" });
    try {
      const connection = await connect(connectionOptions(options, wait));
      wait.reset();
      return busOver(connection, clock, wait);
    } catch (cause) {
      const { ms } = wait;
      wait.grow();
      if (clock.now().monoMs + ms > deadline) {
        const why = `${options.servers.join(", ")}: ${errorText(cause)}`;
        throw new SkyError("bus/closed", { why }, { cause });
      }
      await pause(clock, ms, signal);
    }
  }
}

function connectionOptions(options: NatsOptions, wait: Waits) {
  const secure = options.servers.some((url) => url.startsWith("tls:"));
  return {
    servers: [...options.servers],
    name: options.name,
    ...authenticatorOf(options.identity),
    ...(secure ? { tls: tlsOptions(options) } : {}),
    reconnect: true,
    maxReconnectAttempts: -1,
    // A user may be registered, or a server restarted with its users, at any moment.
    ignoreAuthErrorAbort: true,
    ignoreClusterUpdates: true,
    reconnectDelayHandler: () => wait.ms,
    timeout: options.attemptMs ?? attemptMsDefault,
    pingInterval: pingMs,
    maxPingOut: 2,
    noAsyncTraces: true,
  };
}

/**
 * The library upgrades a plain socket and forgets the host while it does so when that is an IP
 * address; what the certificate must name is therefore checked against our own list of servers.
 */
function tlsOptions({ servers, authority, certificate, key }: NatsOptions) {
  const hosts = servers.map((url) => new URL(url).hostname.replace(/^\[|\]$/g, ""));
  return {
    ...(authority === undefined ? {} : { ca: authority }),
    ...(certificate === undefined || key === undefined ? {} : { cert: certificate, key }),
    checkServerIdentity: (_host: string, presented: PeerCertificate): Error | undefined => {
      const mismatches = hosts.map((host) => checkServerIdentity(host, presented));
      return mismatches.includes(undefined) ? undefined : mismatches[0];
    },
  };
}

function authenticatorOf(identity: NatsIdentity) {
  switch (identity.kind) {
    case "nkey":
      return { authenticator: nkeySigner(identity.seed) };
    case "creds":
      return { authenticator: credsAuthenticator(Buffer.from(identity.content)) };
    case "none":
      return {};
  }
}

/** Growing waits, each between half and all of its length, so that many do not come at once. */
class Waits {
  readonly #random: Random;
  #whole = waitMsMin;
  #jittered = waitMsMin;

  constructor(random: Random) {
    this.#random = random;
    this.reset();
  }

  /** The present wait; asking does not change it. The library asks as often as it likes. */
  get ms(): number {
    return this.#jittered;
  }

  grow(): void {
    this.#set(Math.min(waitMsMax, this.#whole * 1.5));
  }

  reset(): void {
    this.#set(waitMsMin);
  }

  #set(whole: number): void {
    this.#whole = whole;
    this.#jittered = whole * (0.5 + this.#random.unit() / 2);
  }
}

/** Ends early when aborted. */
function pause(clock: Clock, ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const finish = (): void => {
      cancel();
      signal?.removeEventListener("abort", finish);
      resolve();
    };
    const cancel = clock.after(ms, finish);
    signal?.addEventListener("abort", finish, { once: true });
  });
}

// ---- the port

interface Hearing {
  readonly changes: Set<(connected: boolean) => void>;
  readonly denials: Set<(subject: string) => void>;
  connected: boolean;
}

function busOver(connection: NatsConnection, clock: Clock, wait: Waits): Bus {
  const hearing: Hearing = { changes: new Set(), denials: new Set(), connected: true };
  void hearStatus(connection, hearing, wait);
  return {
    publish: (subject, payload) => publish(connection, hearing, { subject, payload }),
    subscribe: (pattern, onMessage) => subscribe(connection, pattern, onMessage),
    flush: (timeoutMs) => flush(connection, { hearing, clock, timeoutMs }),
    connected: () => hearing.connected,
    onChange: (hear) => listen(hearing.changes, hear),
    onDenied: (hear) => listen(hearing.denials, hear),
    close: async () => {
      turn(hearing, false);
      await connection.close();
    },
  };
}

async function hearStatus(
  connection: NatsConnection,
  hearing: Hearing,
  wait: Waits,
): Promise<void> {
  for await (const status of connection.status()) {
    if (status.type === "disconnect" || status.type === "close") turn(hearing, false);
    if (status.type === "reconnect") {
      wait.reset();
      turn(hearing, true);
    }
    if (status.type === "reconnecting") wait.grow();
    if (status.type === "error" && status.error instanceof errors.PermissionViolationError) {
      for (const hear of hearing.denials) hear(status.error.subject);
    }
  }
}

function turn(hearing: Hearing, connected: boolean): void {
  if (hearing.connected === connected) return;
  hearing.connected = connected;
  for (const hear of hearing.changes) hear(connected);
}

function publish(connection: NatsConnection, hearing: Hearing, message: BusMessage): void {
  const { subject, payload } = message;
  assertOpen(connection);
  if (payload.length > busPayloadBytesMax) {
    throw new SkyError("bus/too-large", { bytes: payload.length, to: subject });
  }
  // The library checks only for white space; a line break would be a command of its own.
  assert(isSubject(subject), `${subject} is not a subject`);
  if (hearing.connected) connection.publish(subject, payload);
}

function subscribe(
  connection: NatsConnection,
  pattern: string,
  onMessage: (message: BusMessage) => void,
): () => void {
  assertOpen(connection);
  assert(isPattern(pattern), `${pattern} is not a pattern`);
  const subscription = connection.subscribe(pattern, {
    callback: (error, message) => {
      // A refused subscription is heard of through `onDenied`.
      if (error !== null) return;
      try {
        onMessage({ subject: message.subject, payload: message.data });
      } catch (thrown) {
        // A throw would end the library's reading of the socket. It is the subscriber's bug.
        queueMicrotask(() => {
          throw thrown;
        });
      }
    },
  });
  return () => {
    if (!connection.isClosed()) subscription.unsubscribe();
  };
}

async function flush(
  connection: NatsConnection,
  options: { readonly hearing: Hearing; readonly clock: Clock; readonly timeoutMs: number },
): Promise<void> {
  const { hearing, clock, timeoutMs } = options;
  assertOpen(connection);
  if (!hearing.connected) throw new SkyError("bus/closed", { why: "not connected" });
  let cancel: () => void = () => {};
  const late = new Promise<never>((_resolve, reject) => {
    const error = new SkyError("bus/timeout", { ms: timeoutMs, to: "the bus" });
    cancel = clock.after(timeoutMs, () => reject(error));
  });
  try {
    await Promise.race([connection.flush(), late]);
  } catch (cause) {
    if (isSkyError(cause)) throw cause;
    throw new SkyError("bus/closed", { why: errorText(cause) }, { cause });
  } finally {
    cancel();
  }
}

function assertOpen(connection: NatsConnection): void {
  if (connection.isClosed()) throw new SkyError("bus/closed", { why: "closed by its owner" });
}

function listen<T>(hearers: Set<T>, hear: T): () => void {
  hearers.add(hear);
  return () => hearers.delete(hear);
}
