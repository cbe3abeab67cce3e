// One connection to one host: an `ssh` that holds it and takes calls at a socket in our folder.
//
// It begins when somebody first needs it and ends when nobody has for a while, when the host or the
// network ends it, or when we are gone. Whoever needs it holds it meanwhile.
// What must always hold: `ready` resolves when calls are taken, or rejects with why not; `over` is
// true from the moment on in which it is known to take none any more; `ended` comes after that.

import { rm } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { errorText, isSkyError, type SkyError } from "../model/errors.ts";
import { type Leashed, startLeashed } from "./leash-os.ts";
import { type SshAttempt, sshErrorOf, unreachableSince } from "./openssh-errors.ts";
import { masterReady } from "./openssh-options.ts";
import { Slots } from "./slots.ts";
import { socketAddress } from "./socket-os.ts";

/** An OpenSSH server takes 10 sessions at a time, unless it is told otherwise. */
export const sessionsMax = 8;
/** How long a connection stays that nobody uses. */
export const idleMsMax = 60_000;

export interface MasterPlan {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly attempt: SshAttempt;
  /** Until it is in. */
  readonly connectMs: number;
  /** What more can be found out about an error. */
  readonly explain: (error: SkyError) => Promise<SkyError>;
  /** Called when it is in, or not going to be. */
  readonly admitted: () => void;
}

export interface MasterOptions {
  readonly dir: string;
  readonly socket: string;
  readonly idleMs: number;
  /** What needs to be known first. */
  readonly plan: (signal: AbortSignal) => Promise<MasterPlan>;
}

export class Master {
  readonly sessions = new Slots(sessionsMax);
  readonly socket: string;
  readonly ready: Promise<void>;
  readonly ended: Promise<string>;
  /** A command has run over it. */
  tookCall = false;
  readonly #options: MasterOptions;
  readonly #giveUp = new AbortController();
  #leashed: Leashed | undefined;
  #over = false;
  #up = false;
  #holders = 0;
  /** Nobody wants it any more but those who hold it. */
  #left = false;
  #idle: NodeJS.Timeout | undefined;

  constructor(options: MasterOptions) {
    this.#options = options;
    this.socket = options.socket;
    const ready = Promise.withResolvers<void>();
    this.ready = ready.promise;
    // Whoever waits hears of it; there may be nobody.
    this.ready.catch(() => {});
    this.ended = this.#live(ready);
  }

  /** It takes calls, or did. */
  get up(): boolean {
    return this.#up;
  }

  get over(): boolean {
    return this.#over;
  }

  /** Keeps it until what is returned is called. */
  hold(): () => void {
    clearTimeout(this.#idle);
    this.#left = false;
    this.#holders += 1;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#holders -= 1;
      if (this.#holders > 0 || this.#over) return;
      if (!this.#up || this.#left) this.end();
      else this.#idle = setTimeout(() => this.end(), this.#options.idleMs).unref();
    };
  }

  /** Ends it as soon as nobody holds it, unless somebody does anew before. */
  async leave(): Promise<void> {
    this.#left = true;
    if (this.#holders > 0) return;
    this.end();
    await this.ended;
  }

  /** Ends it, and every call that goes over it. Twice is harmless. */
  end(): void {
    this.#over = true;
    clearTimeout(this.#idle);
    this.#giveUp.abort();
    this.#leashed?.pull();
  }

  /** Whether it takes calls at this moment: what ends its calls while it does, did so by itself. */
  async answers(): Promise<boolean> {
    if (this.#over) return false;
    const address = socketAddress(join(this.#options.dir, this.socket));
    try {
      return await new Promise((resolve) => {
        const dialled = connect(address.path);
        dialled.once("connect", () => resolve(true)).once("error", () => resolve(false));
        dialled.once("connect", () => dialled.destroy());
      });
    } finally {
      address.release();
    }
  }

  /** One life, from the first look to the last word. */
  async #live(ready: PromiseWithResolvers<void>): Promise<string> {
    let plan: MasterPlan;
    try {
      plan = await this.#options.plan(this.#giveUp.signal);
    } catch (error) {
      this.#over = true;
      ready.reject(error);
      return errorText(error);
    }
    const error = await this.#run(plan, ready);
    this.#over = true;
    clearTimeout(this.#idle);
    ready.reject(error);
    await rm(join(this.#options.dir, this.socket), { force: true });
    const why = isSkyError(error) ? error.params["why"] : undefined;
    return String(why ?? errorText(error));
  }

  async #run(plan: MasterPlan, ready: PromiseWithResolvers<void>): Promise<SkyError> {
    const { attempt, connectMs, admitted } = plan;
    let late = false;
    const leashed = startLeashed({
      ...{ program: plan.program, args: plan.args, env: plan.env, cwd: this.#options.dir },
      hear: (line) => {
        if (line !== masterReady) return;
        clearTimeout(due);
        this.#up = true;
        admitted();
        ready.resolve();
      },
    });
    const due = setTimeout(() => {
      late = true;
      leashed.pull();
    }, connectMs);
    this.#leashed = leashed;
    if (this.#over) leashed.pull();
    const { stderr } = await leashed.ended;
    clearTimeout(due);
    admitted();
    const { target } = attempt;
    if (late) return unreachableSince(target, `it did not let us in within ${connectMs / 1000} s`);
    if (this.#over) return unreachableSince(target, "the connection was closed");
    if (this.#up && stderr.trim() === "") return unreachableSince(target, "the connection ended");
    if (this.#up) return unreachableSince(target, brokenBy(stderr, attempt));
    return await plan.explain(sshErrorOf(stderr, attempt));
  }
}

/** What ends a connection that was there is no fault of keys or settings. */
function brokenBy(stderr: string, attempt: SshAttempt): string {
  const error = sshErrorOf(stderr, attempt);
  return `the connection broke (${error.params["why"] ?? error.message})`;
}
