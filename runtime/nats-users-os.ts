// Who may connect to our nats-server, and how it is told.
//
// The whole list is written into its configuration, then SIGHUP makes it read that; a change is
// done when its log says so. Changes that come while one is under way share the next. A start reads
// the whole list too.
//
// What must always hold: there is never a moment without users; a list that the server would refuse
// is never written.

import { assert, SkyError } from "../model/errors.ts";
import type { NatsLogEvent, NatsUser } from "./nats-config.ts";
import { isNatsUser } from "./nats-config.ts";
import type { NatsRun } from "./nats-files-os.ts";
import type { NatsLog } from "./nats-process-os.ts";
import { signalProcess } from "./process-identity-os.ts";

export interface NatsUsersPorts {
  readonly log: NatsLog;
  readonly run: () => NatsRun | undefined;
  readonly isClosing: () => boolean;
  /** Writes the configuration, with all users. */
  readonly write: () => void;
}

const reloadMs = 5_000;
const reloadTriesMax = 3;

export class NatsUsers {
  readonly #ports: NatsUsersPorts;
  /** By label. */
  readonly #users = new Map<string, NatsUser>();
  /** By public key. Labels stay known after their user is gone: the log is read later. */
  readonly #labels = new Map<string, string>();
  /** Rises with each change of users; `#applied` follows. */
  #wanted = 0;
  #applied = 0;
  #reloading: Promise<void> | undefined;

  constructor(ports: NatsUsersPorts) {
    this.#ports = ports;
  }

  all(): readonly NatsUser[] {
    return [...this.#users.values()];
  }

  labelOf(publicKey: string): string {
    return this.#labels.get(publicKey) ?? publicKey;
  }

  /** It takes the place of an earlier one with the same label. */
  remember(user: NatsUser): void {
    assert(isNatsUser(user), `${user.label} has a key and permissions`);
    this.#users.set(user.label, user);
    this.#labels.set(user.publicKey, user.label);
  }

  forget(label: string): boolean {
    return this.#users.delete(label);
  }

  /** Which state of the list is written now. */
  generation(): number {
    return this.#wanted;
  }

  /** A server has started, or has said that it has read this state. */
  applied(generation: number): void {
    this.#applied = Math.max(this.#applied, generation);
  }

  /** Resolves when the server knows the list as it is now. */
  async apply(): Promise<void> {
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
      if (this.#ports.isClosing()) {
        throw new SkyError("bus/closed", { why: "nats-server is being ended" });
      }
      this.#ports.write();
      const event = await this.#hangUp();
      if (event?.kind === "reloaded") this.applied(generation);
      else why = event?.kind === "reload-failed" ? event.why : `no answer in ${reloadMs} ms`;
    }
    if (this.#applied >= generation) return;
    throw new SkyError("process/failed", { what: "nats-server's reload", why });
  }

  /** Sends SIGHUP and waits for what the log says to it; a restart has the same effect. */
  async #hangUp(): Promise<NatsLogEvent | undefined> {
    const { log, run, isClosing } = this.#ports;
    const applied = this.#applied;
    const answer = log.next(
      (event) => event.kind === "reloaded" || event.kind === "reload-failed",
      { ms: reloadMs, over: () => this.#applied > applied || isClosing() },
    );
    const running = run();
    if (running !== undefined) signalProcess(running, "SIGHUP");
    return await answer;
  }
}
