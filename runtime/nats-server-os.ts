// Our own nats-server: kept running, told of users, ended.
//
// When it dies it is started again after growing waits. Users change by writing the configuration
// anew and a SIGHUP; a change is done when the log says so. Changes that come while one is under
// way share the next. What an earlier head left running is ended first, by pid and start time.
//
// What must always hold: the port stays the same through restarts, because nodes remember it; a
// user that was added can connect when `add` resolves; there is never a moment without users, in
// which anybody could.

import { rmSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { errorText, SkyError } from "../model/errors.ts";
import type { KeyedCertificate } from "./certificates-os.ts";
import type { Log } from "./log.ts";
import type { BusUsers, NatsLogEvent, NatsUser } from "./nats-config.ts";
import {
  endProcess,
  findNatsServer,
  launchNats,
  type NatsFiles,
  NatsLog,
  type NatsRun,
  natsFilesIn,
  type StartOutcome,
  savedRun,
  savedUsers,
  saveRun,
  saveUsers,
  writeNatsConfig,
  writePrivate,
} from "./nats-process-os.ts";
import { createUserNkey } from "./nkeys-nats.ts";
import { signalProcess } from "./process-identity-os.ts";

export { findNatsServer, natsServerRemedy } from "./nats-process-os.ts";

export interface NatsServer extends BusUsers {
  /** `tls://host:port`. */
  readonly url: string;
  /** `undefined` while it is down. */
  pid(): number | undefined;
  denials(): NatsDenials;
  restarts(): number;
  /** The last lines of its log. */
  logTail(): readonly string[];
  close(): Promise<void>;
}

export interface NatsDenials {
  /** How often a user published or subscribed what it may not, by label. */
  readonly denied: ReadonlyMap<string, number>;
  /** How often somebody did not get in at all. */
  readonly refused: number;
}

export interface NatsServerOptions {
  /** For its configuration, keys and log. Made with mode 0700. */
  readonly dir: string;
  /** The program; absent = looked for on PATH, in /usr/sbin and in `binaryDirs`. */
  readonly binary?: string;
  readonly binaryDirs?: readonly string[];
  /** Where it listens. Loopback unless said otherwise. */
  readonly host?: string;
  /** Under which name or address it is dialled; `host` unless said otherwise. */
  readonly publicHost?: string;
  readonly server: KeyedCertificate;
  /** PEM of the authority whose certificates are let in. */
  readonly authority: string;
  /** Beside those that were added in earlier runs in the same directory: nodes stay welcome. */
  readonly users: readonly NatsUser[];
  readonly log: Log;
}

const reloadMs = 5_000;
const reloadTriesMax = 3;
const portTriesMax = 4;
const portWaitMs = 250;
const restartMsMin = 100;
const restartMsMax = 5_000;
/** A server that ran this long starts its waits anew. */
const steadyMs = 10_000;

/** Starts it. @throws SkyError `process/failed` when it does not get ready. */
export async function startNatsServer(options: NatsServerOptions): Promise<NatsServer> {
  const server = new Server(options, findNatsServer(options));
  await server.start();
  return server;
}

class Server implements NatsServer {
  readonly #options: NatsServerOptions;
  readonly #binary: string;
  readonly #files: NatsFiles;
  readonly #log: NatsLog;
  /** By label. */
  readonly #users = new Map<string, NatsUser>();
  /** By public key. Labels stay known after their user is gone: the log is read later. */
  readonly #labels = new Map<string, string>();
  readonly #denied = new Map<string, number>();
  #refused = 0;
  #port = -1;
  #run: NatsRun | undefined;
  #restarts = 0;
  #restartMs = restartMsMin;
  #startedAt = 0;
  #restartTimer: NodeJS.Timeout | undefined;
  #closing = false;
  /** Rises with each change of users; `#applied` follows. */
  #wanted = 0;
  #applied = 0;
  #reloading: Promise<void> | undefined;

  constructor(options: NatsServerOptions, binary: string) {
    this.#options = options;
    this.#binary = binary;
    this.#files = natsFilesIn(options.dir);
    this.#log = new NatsLog(this.#files.log, (event) => this.#count(event));
    // Without any user nats-server lets everybody in. Nobody has the seed of this one.
    const { publicKey } = createUserNkey();
    this.#remember({ publicKey, label: "nobody", permissions: { publish: [], subscribe: [] } });
    for (const user of [...savedUsers(this.#files), ...options.users]) this.#remember(user);
  }

  get url(): string {
    const { host, publicHost } = this.#options;
    return `tls://${publicHost ?? host ?? "127.0.0.1"}:${this.#port}`;
  }

  pid(): number | undefined {
    return this.#run?.pid;
  }

  denials(): NatsDenials {
    this.#log.read();
    return { denied: this.#denied, refused: this.#refused };
  }

  restarts(): number {
    return this.#restarts;
  }

  logTail(): readonly string[] {
    return this.#log.tail();
  }

  async close(): Promise<void> {
    this.#closing = true;
    clearTimeout(this.#restartTimer);
    if (this.#run !== undefined) await endProcess(this.#run);
    this.#log.close();
    rmSync(this.#files.state, { force: true });
  }

  // ---- starting

  async start(): Promise<void> {
    const { server, authority } = this.#options;
    const left = savedRun(this.#files);
    if (left !== undefined) {
      this.#port = left.port;
      await endProcess(left);
    }
    writePrivate(this.#files.certificate, server.certificate);
    writePrivate(this.#files.key, server.key);
    writePrivate(this.#files.authority, authority);
    try {
      await this.#launchOnSomePort();
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /** On the port of before if it can be had, else on one that the server chooses. */
  async #launchOnSomePort(): Promise<void> {
    for (let tried = 1; ; tried += 1) {
      const outcome = await this.#launch();
      if (outcome.kind === "ready") return;
      const taken = outcome.kind === "address-in-use" && this.#port !== -1;
      if (!taken || tried >= portTriesMax) throw this.#startFailed(outcome);
      if (tried === portTriesMax - 1) this.#port = -1;
      else await pause(portWaitMs);
    }
  }

  async #launch(): Promise<StartOutcome> {
    const generation = this.#wanted;
    this.#writeConfig();
    const outcome = await launchNats({
      binary: this.#binary,
      files: this.#files,
      log: this.#log,
      port: this.#port,
    });
    if (outcome.kind !== "ready") return outcome;
    const { run, child } = outcome;
    this.#run = run;
    this.#port = run.port;
    this.#startedAt = performance.now();
    this.#applied = Math.max(this.#applied, generation);
    saveRun(this.#files, run);
    if (this.#closing) await endProcess(run);
    if (child.exitCode !== null || child.signalCode !== null) this.#died("at once");
    else child.once("exit", (code, signal) => this.#died(`with ${code ?? signal}`));
    return outcome;
  }

  #startFailed(outcome: StartOutcome): SkyError {
    const why = outcome.kind === "failed" ? outcome.why : outcome.kind;
    const tail = this.logTail().slice(-3).join(" | ");
    return new SkyError("process/failed", { what: "nats-server", why: `${why}: ${tail}` });
  }

  // ---- when it dies

  #died(how: string): void {
    this.#run = undefined;
    if (this.#closing) return;
    const steady = performance.now() - this.#startedAt > steadyMs;
    this.#restartMs = steady ? restartMsMin : Math.min(restartMsMax, this.#restartMs * 2);
    this.#options.log.warn("nats-server ended and is started again", { how });
    this.#scheduleRestart();
  }

  #scheduleRestart(): void {
    this.#restartTimer = setTimeout(() => void this.#restart(), this.#restartMs);
  }

  async #restart(): Promise<void> {
    if (this.#closing) return;
    this.#restarts += 1;
    const outcome = await this.#launch().catch(
      (error: unknown): StartOutcome => ({ kind: "failed", why: errorText(error) }),
    );
    if (outcome.kind === "ready" || this.#closing) return;
    const { message } = this.#startFailed(outcome);
    this.#options.log.warn("nats-server does not start", { why: message });
    this.#restartMs = Math.min(restartMsMax, this.#restartMs * 2);
    this.#scheduleRestart();
  }

  // ---- users

  async add(user: NatsUser): Promise<void> {
    this.#remember(user);
    await this.#applyUsers();
  }

  async remove(label: string): Promise<void> {
    if (this.#users.delete(label)) await this.#applyUsers();
  }

  #remember(user: NatsUser): void {
    this.#users.set(user.label, user);
    this.#labels.set(user.publicKey, user.label);
  }

  async #applyUsers(): Promise<void> {
    this.#wanted += 1;
    const mine = this.#wanted;
    while (this.#applied < mine) {
      this.#reloading ??= this.#reload().finally(() => {
        this.#reloading = undefined;
      });
      await this.#reloading;
    }
  }

  async #reload(): Promise<void> {
    // What is asked for in the same turn goes along.
    await Promise.resolve();
    const generation = this.#wanted;
    let why = "";
    for (let tried = 0; tried < reloadTriesMax && this.#applied < generation; tried += 1) {
      if (this.#closing) throw new SkyError("bus/closed", { why: "nats-server is being ended" });
      this.#writeConfig();
      const event = await this.#hangUp();
      if (event?.kind === "reloaded") this.#applied = Math.max(this.#applied, generation);
      else why = event?.kind === "reload-failed" ? event.why : `no answer in ${reloadMs} ms`;
    }
    if (this.#applied >= generation) return;
    throw new SkyError("process/failed", { what: "nats-server's reload", why });
  }

  /** Sends SIGHUP and waits for what the log says to it; a restart has the same effect. */
  async #hangUp(): Promise<NatsLogEvent | undefined> {
    const applied = this.#applied;
    const answer = this.#log.next(
      (event) => event.kind === "reloaded" || event.kind === "reload-failed",
      { ms: reloadMs, over: () => this.#applied > applied || this.#closing },
    );
    if (this.#run !== undefined) signalProcess(this.#run, "SIGHUP");
    return await answer;
  }

  #writeConfig(): void {
    const host = this.#options.host ?? "127.0.0.1";
    const users = [...this.#users.values()];
    saveUsers(this.#files, users);
    writeNatsConfig(this.#files, { host, port: this.#port, users });
  }

  #count(event: NatsLogEvent): void {
    if (event.kind === "refused") this.#refused += 1;
    if (event.kind !== "denied") return;
    const label = this.#labels.get(event.publicKey) ?? event.publicKey;
    this.#denied.set(label, (this.#denied.get(label) ?? 0) + 1);
  }
}
