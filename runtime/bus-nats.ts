// The NATS version of the bus: one connection to a nats-server, with one identity.
//
// The identity is an nkey; TLS authenticates the server (and us, where we have a certificate).
// The connection is kept for ever: after a loss it dials again with growing, jittered waits, and
// subscriptions are made anew before `onChange` hears of it. What is published while the
// connection is down is dropped, not saved up: a late message is worse than none, since whoever
// needs it repeats it. So is what would make more than a bound wait for a server that does not
// read. Requests and inboxes of NATS are not used: replies have addresses of ours.

import type { Socket } from "node:net";
import { checkServerIdentity, type PeerCertificate } from "node:tls";
import {
  connect,
  credsAuthenticator,
  errors,
  type NatsConnection,
  type Server,
} from "@nats-io/transport-node";
import { assert, errorText, isSkyError, SkyError } from "../model/errors.ts";
import type { Bus, BusMessage } from "./bus.ts";
import { busPayloadBytesMax } from "./bus.ts";
import { Pulse, pulseMs } from "./bus-pulse.ts";
import { SendWindow } from "./bus-window.ts";
import type { Clock } from "./clock.ts";
import { nkeySigner } from "./nkeys-nats.ts";
import type { Random } from "./random.ts";
import { isPattern, isSubject } from "./subject.ts";

export interface NatsOptions {
  /** `tls://host:port`; several for a cluster of servers. A function is asked before each try. */
  readonly servers: readonly string[] | (() => readonly string[]);
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

export function nkeyIdentity(seed: string): NatsIdentity {
  return { kind: "nkey", seed };
}

/** What a file holds that NATS's tools write: the seed of a user, or credentials with one. */
export function identityIn(text: string): NatsIdentity {
  const seed = text.trim();
  return /^SU[A-Z2-7]+$/.test(seed) ? nkeyIdentity(seed) : { kind: "creds", content: text };
}

const waitMsMin = 50;
const waitMsMax = 3_000;
/**
 * As long as a server may need to let everybody in that comes back at once: with less, all of them
 * would give up shortly before their turn, again and again.
 */
const attemptMsDefault = 15_000;
/** The library's own pings are not needed; see `bus-pulse.ts`. */
const pingMs = 3_600_000;

/**
 * Connects, and stays connected.
 * @throws SkyError `bus/closed` if no connection came about within `connectMs`; `core/cancelled`.
 */
export async function connectNats(options: NatsOptions): Promise<Bus> {
  const { clock, signal } = options;
  const deadline = clock.now().monoMs + options.connectMs;
  const way = new Way(options);
  for (;;) {
    if (signal?.aborted) throw new SkyError("core/cancelled", { what: "connecting to the bus" });
    try {
      const connection = await connect(connectionOptions(options, way));
      await assertTakesOurs(connection);
      way.found(connection);
      return busOver(connection, clock, way);
    } catch (cause) {
      if (isSkyError(cause)) throw cause;
      const ms = way.nextWaitMs();
      if (clock.now().monoMs + ms > deadline) {
        const why = `${way.servers().join(", ")}: ${errorText(cause)}`;
        throw new SkyError("bus/closed", { why }, { cause });
      }
      await pause(clock, ms, signal);
    }
  }
}

/** One that takes only smaller messages than ours would fail later, and for the largest alone. */
async function assertTakesOurs(connection: NatsConnection): Promise<void> {
  const bytes = connection.info?.max_payload ?? 0;
  if (bytes >= busPayloadBytesMax) return;
  await connection.close();
  const why = `its max_payload is ${bytes} bytes; we need ${busPayloadBytesMax}`;
  throw new SkyError("bus/closed", { why });
}

function connectionOptions(options: NatsOptions, way: Way) {
  const servers = way.servers();
  const secure = servers.some((url) => url.startsWith("tls:"));
  return {
    servers: [...servers],
    name: options.name,
    ...authenticatorOf(options.identity),
    ...(secure ? { tls: tlsOptions(options, way) } : {}),
    reconnect: true,
    maxReconnectAttempts: -1,
    // A user may be registered, or a server restarted with its users, at any moment.
    ignoreAuthErrorAbort: true,
    ignoreClusterUpdates: true,
    reconnectDelayHandler: () => way.look(),
    reconnectToServer: (pool: readonly Server[]) => way.next(pool),
    timeout: options.attemptMs ?? attemptMsDefault,
    pingInterval: pingMs,
    noAsyncTraces: true,
  };
}

/**
 * The library upgrades a plain socket and forgets the host while it does so when that is an IP
 * address; what the certificate must name is therefore checked against our own list of servers.
 */
function tlsOptions({ authority, certificate, key }: NatsOptions, way: Way) {
  return {
    ...(authority === undefined ? {} : { ca: authority }),
    ...(certificate === undefined || key === undefined ? {} : { cert: certificate, key }),
    checkServerIdentity: (_host: string, presented: PeerCertificate): Error | undefined => {
      const hosts = way.servers().map((url) => new URL(url).hostname.replace(/^\[|\]$/g, ""));
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

/**
 * Where to dial, and how long to wait before. Waits grow, each between half and all of its length,
 * so that many do not come at once.
 *
 * The library paces its tries by the wall clock: should that go back by an hour, it would wait for
 * one. It is therefore told that it may try at once, and then to wait so long before it does.
 */
class Way {
  readonly #options: NatsOptions;
  #whole = waitMsMin;
  #servers: readonly string[];
  #connection: NatsConnection | undefined;

  constructor(options: NatsOptions) {
    this.#options = options;
    this.#servers = this.servers();
  }

  servers(): readonly string[] {
    const { servers } = this.#options;
    return typeof servers === "function" ? servers() : servers;
  }

  /** The first connection stands: from now on it is the library that dials. */
  found(connection: NatsConnection): void {
    this.#connection = connection;
    this.reset();
  }

  /** Before each try: they may have moved. */
  look(): number {
    const servers = this.servers();
    if (servers.join() !== this.#servers.join()) this.#connection?.setServers([...servers]);
    this.#servers = servers;
    return Number.NEGATIVE_INFINITY;
  }

  next([server]: readonly Server[]) {
    if (server === undefined || this.#connection === undefined) return null;
    return { server, delay: this.nextWaitMs() };
  }

  nextWaitMs(): number {
    const whole = this.#whole;
    this.#whole = Math.min(waitMsMax, whole * 1.5);
    return whole * (0.5 + this.#options.random.unit() / 2);
  }

  reset(): void {
    this.#whole = waitMsMin;
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
  readonly window: SendWindow;
  readonly pulse: Pulse;
  connected: boolean;
  dropped: number;
  reconnects: number;
}

function busOver(connection: NatsConnection, clock: Clock, way: Way): Bus {
  const hearing: Hearing = {
    ...{ changes: new Set(), denials: new Set(), window: new SendWindow() },
    pulse: new Pulse(),
    ...{ connected: true, dropped: 0, reconnects: 0 },
  };
  void hearStatus(connection, hearing, way);
  feelPulse(connection, hearing, clock);
  return {
    publish: (subject, payload) => publish(connection, hearing, { subject, payload }),
    subscribe: (pattern, onMessage) => subscribe(connection, hearing, { pattern, onMessage }),
    flush: (timeoutMs) => flush(connection, { hearing, clock, timeoutMs }),
    connected: () => hearing.connected,
    onChange: (hear) => listen(hearing.changes, hear),
    onDenied: (hear) => listen(hearing.denials, hear),
    counts: () => ({ dropped: hearing.dropped, reconnects: hearing.reconnects }),
    close: async () => {
      turn(hearing, false);
      await connection.close();
    },
  };
}

async function hearStatus(connection: NatsConnection, hearing: Hearing, way: Way): Promise<void> {
  for await (const status of connection.status()) {
    if (status.type === "disconnect" || status.type === "close") turn(hearing, false);
    if (status.type === "reconnect") {
      way.reset();
      hearing.reconnects += 1;
      turn(hearing, true);
    }
    if (status.type === "error" && status.error instanceof errors.PermissionViolationError) {
      for (const hear of hearing.denials) hear(status.error.subject);
    }
  }
}

/** Looks again and again until the bus is closed, and breaks a connection that is dead. */
function feelPulse(connection: NatsConnection, hearing: Hearing, clock: Clock): void {
  if (connection.isClosed()) return;
  clock.after(pulseMs, () => feelPulse(connection, hearing, clock));
  if (!hearing.connected) return;
  const { pulse } = hearing;
  const found = pulse.look();
  // A ping that is never answered is rejected with its connection.
  if (found === "ask") {
    connection.flush().then(
      () => pulse.heard(),
      () => {},
    );
  }
  if (found === "dead") breakSocket(connection);
}

/**
 * The library's own way to give up a connection waits until all that was written has gone out: for
 * ever, if the peer reads nothing. It offers no other.
 */
function breakSocket(connection: NatsConnection): void {
  const { protocol } = connection as unknown as {
    readonly protocol?: { readonly transport?: { readonly socket?: Socket } };
  };
  protocol?.transport?.socket?.destroy();
}

function turn(hearing: Hearing, connected: boolean): void {
  if (hearing.connected === connected) return;
  hearing.connected = connected;
  hearing.window.reset();
  hearing.pulse.reset();
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
  const step = hearing.connected ? hearing.window.take(payload.length) : "drop";
  if (step === "drop") {
    hearing.dropped += 1;
    return;
  }
  connection.publish(subject, payload);
  if (step === "send") return;
  // What the server says to this shows how far it has read. A broken connection starts anew.
  connection.flush().then(hearing.window.confirming(), () => {});
}

function subscribe(
  connection: NatsConnection,
  { pulse }: Hearing,
  wanted: { readonly pattern: string; readonly onMessage: (message: BusMessage) => void },
): () => void {
  const { pattern, onMessage } = wanted;
  assertOpen(connection);
  assert(isPattern(pattern), `${pattern} is not a pattern`);
  const subscription = connection.subscribe(pattern, {
    callback: (error, message) => {
      // A refused subscription is heard of through `onDenied`.
      if (error !== null) return;
      pulse.heard();
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
