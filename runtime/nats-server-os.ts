// Our own nats-server: kept running, told of users, ended.
//
// It outlives a head that is killed. The next head adopts it, if it is provably the one that was
// left, answers, and takes a new configuration: whoever is connected stays so. When it dies it is
// started again after growing waits; when it is silent for too long it is ended first.
//
// What must always hold: no process is signalled that is not provably ours; the port stays the same
// through restarts, because nodes remember it, unless somebody else has taken it; a user that was
// added can connect when `add` resolves.

import { rmSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { errorText, SkyError } from "../model/errors.ts";
import type { KeyedCertificate } from "./certificates-os.ts";
import { endpointText } from "./endpoint.ts";
import type { Log } from "./log.ts";
import type { BusUsers, NatsLogEvent, NatsUser } from "./nats-config.ts";
import type { NatsFiles, NatsOwner, NatsRun } from "./nats-files-os.ts";
import {
  natsFilesIn,
  savedPort,
  savedUsers,
  saveUsers,
  writeNatsConfig,
  writeReadable,
} from "./nats-files-os.ts";
import { findOrphans } from "./nats-orphan-os.ts";
import type { ProbeTarget } from "./nats-probe-tcp.ts";
import type { StartOutcome } from "./nats-process-os.ts";
import { findNatsServer, launchNats, NatsLog } from "./nats-process-os.ts";
import { NatsUsers } from "./nats-users-os.ts";
import type { WatchLimits } from "./nats-watch.ts";
import { afterEnd, endsNow, noRestarts, restartWaitMs, watchDefaults } from "./nats-watch.ts";
import { answersInTime, type NatsWatch, watchNats } from "./nats-watch-os.ts";
import { createUserNkey } from "./nkeys-nats.ts";
import { endProcess, isAlive } from "./process-identity-os.ts";
import { createOsRandom } from "./random-os.ts";

export { findNatsServer, natsServerRemedy } from "./nats-process-os.ts";

export interface NatsServer extends BusUsers {
  /** `tls://host:port`. */
  readonly url: string;
  /** `undefined` while it is down. */
  pid(): number | undefined;
  denials(): NatsDenials;
  restarts(): number;
  status(): NatsStatus;
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

export interface NatsStatus {
  /** It was started by an earlier head. */
  readonly adopted: boolean;
  /** For how long it has given no answer. */
  readonly silentMs: number;
  /** Why the last one ended, or what keeps the next one from starting. */
  readonly trouble?: string;
}

export interface NatsServerOptions {
  /** For its configuration, keys and log. Made with mode 0700. */
  readonly dir: string;
  /** As whom it runs, if not as who we are. */
  readonly owner?: NatsOwner;
  /** Where it listened before, for when its files do not tell; 0 = wherever there is room. */
  readonly port?: number;
  /** The program; absent = looked for on PATH, in /usr/sbin and in `binaryDirs`. */
  readonly binary?: string;
  readonly binaryDirs?: readonly string[];
  /** Where it listens. Loopback unless said otherwise. */
  readonly host?: string;
  /** Under which name or address it is dialled; `host` unless said otherwise. */
  readonly publicHost?: string;
  /** Its own; also for the connections that watch it. */
  readonly server: KeyedCertificate;
  /** PEM of the authority whose certificates are let in. */
  readonly authority: string;
  /** Beside those that were added in earlier runs in the same directory: nodes stay welcome. */
  readonly users: readonly NatsUser[];
  readonly log: Log;
  readonly watch?: Partial<WatchLimits>;
  /** Somebody else has taken its port, so it has another `url`. Absent = it waits for the port. */
  readonly onMoved?: () => void;
}

const portTriesMax = 4;
const portWaitMs = 250;
/** How long one that an earlier head left may take to answer, at most: a head is waiting. */
const adoptMs = { still: 4_000, busy: 20_000 } as const;

/** Starts or adopts it. @throws SkyError `process/failed` when it does not get ready. */
export async function startNatsServer(options: NatsServerOptions): Promise<NatsServer> {
  const server = new Server(options, findNatsServer(options));
  await server.start();
  return server;
}

class Server implements NatsServer {
  readonly #options: NatsServerOptions;
  readonly #limits: WatchLimits;
  readonly #binary: string;
  readonly #files: NatsFiles;
  readonly #log: NatsLog;
  readonly #users: NatsUsers;
  /** Without any user nats-server lets everybody in; this one may do nothing but look. */
  readonly #watcher = createUserNkey();
  readonly #random = createOsRandom();
  readonly #denied = new Map<string, number>();
  #refused = 0;
  #port = -1;
  #run: NatsRun | undefined;
  #adopted = false;
  #adopting: NatsRun | undefined;
  #trouble: string | undefined;
  #restarts = 0;
  #waits = noRestarts;
  #startedAt = 0;
  #takenSince: number | undefined;
  #restartTimer: NodeJS.Timeout | undefined;
  #restarting: Promise<void> | undefined;
  #watch: NatsWatch | undefined;
  #closing = false;

  constructor(options: NatsServerOptions, binary: string) {
    this.#options = options;
    this.#limits = { ...watchDefaults, ...options.watch };
    this.#binary = binary;
    this.#files = natsFilesIn(options.dir, options.owner);
    this.#log = new NatsLog(this.#files.log, (event) => this.#count(event));
    this.#users = new NatsUsers({
      log: this.#log,
      run: () => this.#run,
      isClosing: () => this.#closing || this.#isAdoptedGone(),
      write: () => this.#writeConfig(),
    });
    const { publicKey } = this.#watcher;
    const watcher = { publicKey, label: "watch", permissions: { publish: [], subscribe: [] } };
    for (const user of [...savedUsers(this.#files), ...options.users, watcher]) {
      this.#users.remember(user);
    }
  }

  get #host(): string {
    return this.#options.host ?? "127.0.0.1";
  }

  get url(): string {
    return `tls://${endpointText(this.#options.publicHost ?? this.#host, this.#port)}`;
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

  status(): NatsStatus {
    return {
      adopted: this.#adopted,
      silentMs: this.#watch?.silentMs() ?? 0,
      ...(this.#trouble === undefined ? {} : { trouble: this.#trouble }),
    };
  }

  logTail(): readonly string[] {
    return this.#log.tail();
  }

  async add(user: NatsUser): Promise<void> {
    this.#users.remember(user);
    await this.#users.apply();
  }

  async remove(label: string): Promise<void> {
    if (this.#users.forget(label)) await this.#users.apply();
  }

  async close(): Promise<void> {
    this.#closing = true;
    clearTimeout(this.#restartTimer);
    await this.#watch?.close();
    await this.#restarting;
    if (this.#run !== undefined) await endProcess(this.#run);
    this.#log.close();
    rmSync(this.#files.state, { force: true });
  }

  // ---- starting

  async start(): Promise<void> {
    const { server, authority, port = 0 } = this.#options;
    const { recorded, strays } = findOrphans(this.#files);
    this.#port = savedPort(this.#files) ?? (port === 0 ? -1 : port);
    for (const stray of strays) await endProcess(stray);
    writeReadable(this.#files, this.#files.certificate, server.certificate);
    writeReadable(this.#files, this.#files.key, server.key);
    writeReadable(this.#files, this.#files.authority, authority);
    try {
      const adopted = recorded !== undefined && (await this.#adopt(recorded));
      if (!adopted) await this.#launchOnSomePort();
    } catch (error) {
      await this.close();
      throw error;
    }
    this.#watch = watchNats({
      limits: this.#limits,
      run: () => this.#run,
      target: () => this.#target(),
      seed: this.#watcher.seed,
      onGone: (run) => this.#died(run, "it is gone"),
      onSilent: (run, why) => this.#endSilent(run, why),
    });
  }

  #target(): ProbeTarget {
    const { server, authority } = this.#options;
    return { host: this.#host, port: this.#port, own: server, authority };
  }

  /** Takes over what an earlier head left, or ends it. */
  async #adopt(run: NatsRun): Promise<boolean> {
    const { log } = this.#options;
    const { pid, port } = run;
    const { stillMs, busyMs } = this.#limits;
    const limits = {
      ...this.#limits,
      stillMs: Math.min(stillMs, adoptMs.still),
      busyMs: Math.min(busyMs, adoptMs.busy),
    };
    const silent =
      port === 0
        ? "it had not told its port"
        : await answersInTime({ run, limits, target: () => this.#target() });
    const why = silent ?? (await this.#whyNotTaken(run));
    if (why === undefined) {
      this.#adopted = true;
      this.#startedAt = performance.now();
      log.info("the nats-server of an earlier head goes on", { server: pid, port });
      return true;
    }
    log.warn("the nats-server of an earlier head is replaced", { server: pid, port, why });
    if (!(await endProcess(run, silent !== undefined))) {
      log.error("a nats-server cannot be ended", { server: pid });
    }
    return false;
  }

  /** It must take today's configuration: users, limits, certificates. */
  async #whyNotTaken(run: NatsRun): Promise<string | undefined> {
    this.#run = run;
    this.#adopting = run;
    try {
      await this.#users.apply();
      return undefined;
    } catch (error) {
      this.#run = undefined;
      return errorText(error);
    } finally {
      this.#adopting = undefined;
    }
  }

  /** Nobody starts another in its place before it is given up. */
  #isAdoptedGone(): boolean {
    return this.#adopting !== undefined && !isAlive(this.#adopting);
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
    const generation = this.#users.generation();
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
    this.#adopted = false;
    this.#startedAt = performance.now();
    this.#users.applied(generation);
    if (child.exitCode !== null || child.signalCode !== null) this.#died(run, "it ended at once");
    else child.once("exit", (code, signal) => this.#died(run, `it ended with ${code ?? signal}`));
    return outcome;
  }

  #startFailed(outcome: StartOutcome): SkyError {
    const why = outcome.kind === "failed" ? outcome.why : outcome.kind;
    const tail = this.logTail().slice(-3).join(" | ");
    return new SkyError("process/failed", { what: "nats-server", why: `${why}: ${tail}` });
  }

  // ---- when it is silent, or dies

  async #endSilent(run: NatsRun, why: string): Promise<void> {
    const { log } = this.#options;
    const { pid } = run;
    const waits = endsNow(this.#waits, performance.now(), this.#limits);
    this.#trouble = waits === undefined ? `${why}; it was ended for that too often` : why;
    if (waits === undefined) {
      log.error("nats-server does not answer; another start would not help", { server: pid, why });
      return;
    }
    this.#waits = waits;
    log.warn("nats-server does not answer and is ended", { server: pid, why });
    if (!(await endProcess(run, true))) log.error("a nats-server cannot be ended", { server: pid });
    this.#died(run, why);
    this.#trouble = why;
  }

  #died(run: NatsRun, how: string): void {
    if (this.#run !== run) return;
    this.#run = undefined;
    if (this.#closing) return;
    this.#trouble = how;
    this.#waits = afterEnd(this.#waits, performance.now() - this.#startedAt);
    this.#options.log.warn("nats-server ended and is started again", { server: run.pid, how });
    this.#scheduleRestart();
  }

  #scheduleRestart(): void {
    const waitMs = restartWaitMs(this.#waits, this.#random);
    this.#restartTimer = setTimeout(() => {
      this.#restarting = this.#restart();
    }, waitMs);
  }

  async #restart(): Promise<void> {
    if (this.#closing) return;
    const { onMoved, log } = this.#options;
    const before = this.url;
    this.#restarts += 1;
    const outcome = await this.#launch().catch(
      (error: unknown): StartOutcome => ({ kind: "failed", why: errorText(error) }),
    );
    if (outcome.kind === "ready") {
      this.#takenSince = undefined;
      if (this.url !== before) log.warn("nats-server has moved", { before, url: this.url });
      if (this.url !== before) onMoved?.();
    }
    if (outcome.kind === "ready" || this.#closing) return;
    const { message } = this.#startFailed(outcome);
    this.#trouble = message;
    log.warn("nats-server does not start", { why: message });
    if (outcome.kind === "address-in-use" && onMoved !== undefined) this.#waitForPort();
    this.#waits = afterEnd(this.#waits, 0);
    this.#scheduleRestart();
  }

  /** For a while; then it takes another. */
  #waitForPort(): void {
    const nowMs = performance.now();
    this.#takenSince ??= nowMs;
    if (nowMs - this.#takenSince >= this.#limits.portMs) this.#port = -1;
  }

  #writeConfig(): void {
    const users = this.#users.all();
    saveUsers(this.#files, users);
    writeNatsConfig(this.#files, { host: this.#host, port: this.#port, users });
  }

  #count(event: NatsLogEvent): void {
    if (event.kind === "refused") this.#refused += 1;
    if (event.kind !== "denied") return;
    const label = this.#users.labelOf(event.publicKey);
    this.#denied.set(label, (this.#denied.get(label) ?? 0) + 1);
  }
}
