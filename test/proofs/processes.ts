// The parties of a proof as processes: started, heard, killed at a chosen moment, started again.
//
// A party says what it does in lines of JSON on its standard output. What it has said counts only
// once it is read here; whoever kills it at such a word kills it a moment later. What must always
// hold: only processes that were started here are signalled, by pid, and all are gone at the end.

import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { until } from "../support/until.ts";

export type Role = "source" | "relay" | "sink";

/** What a party says. */
export interface Word {
  readonly says: string;
  readonly [field: string]: unknown;
}

export interface PartyProcess {
  readonly role: Role;
  readonly pid: number;
  /** Everything that it has said in this life. */
  readonly words: readonly Word[];
  /** How it ended; `undefined` while it lives. */
  readonly end: string | undefined;
}

export interface PartiesOptions {
  /** Each party has a folder of its own in it. */
  readonly folder: string;
  readonly onWord: (role: Role, word: Word) => void;
}

const program = join(import.meta.dirname, "party.ts");
const snapshotSignal = "SIGUSR2";

export class Parties {
  /** How many lives each has had. */
  readonly lives = new Map<Role, number>();
  /** Ends that nobody asked for. */
  readonly problems: string[] = [];
  readonly #options: PartiesOptions;
  readonly #living = new Map<Role, Living>();

  constructor(options: PartiesOptions) {
    this.#options = options;
  }

  /** The party reads `config` from a file, so that no list of processes shows it. */
  start(role: Role, config: unknown): PartyProcess {
    if (this.#living.has(role)) throw new Error(`the ${role} lives already`);
    const { folder, onWord } = this.#options;
    const life = (this.lives.get(role) ?? 0) + 1;
    this.lives.set(role, life);
    const file = join(folder, `${role}.json`);
    writeFileSync(file, JSON.stringify(config), { mode: 0o600 });
    const log = openSync(join(folder, `${role}.log`), "a");
    const snapshots = `--heapsnapshot-signal=${snapshotSignal}`;
    const child = spawn(process.execPath, [snapshots, program, role, file], {
      stdio: ["ignore", "pipe", log],
      cwd: folder,
    });
    closeSync(log);
    const living = new Living(role, child, (word) => onWord(role, word));
    this.#living.set(role, living);
    child.once("exit", () => {
      this.#living.delete(role);
      if (!living.asked) this.problems.push(`the ${role}, life ${life}, ${living.end}`);
    });
    return living;
  }

  living(role: Role): PartyProcess | undefined {
    return this.#living.get(role);
  }

  /** Ends it without a word; resolves when it is gone. False if there was none. */
  async kill(role: Role): Promise<boolean> {
    return await this.#signal(role, "SIGKILL");
  }

  /** Asks it to end, and resolves when it has. */
  async stop(role: Role): Promise<boolean> {
    return await this.#signal(role, "SIGTERM");
  }

  async #signal(role: Role, signal: NodeJS.Signals): Promise<boolean> {
    const living = this.#living.get(role);
    if (living === undefined) return false;
    living.asked = true;
    living.child.kill(signal);
    await until(`the ${role} is gone`, () => living.end !== undefined);
    return true;
  }

  /** Whatever still lives is ended. */
  async close(): Promise<void> {
    for (const role of [...this.#living.keys()]) await this.kill(role);
  }
}

class Living implements PartyProcess {
  readonly role: Role;
  readonly child: ChildProcess;
  readonly words: Word[] = [];
  end: string | undefined;
  /** Whether somebody here wanted it to end. */
  asked = false;

  constructor(role: Role, child: ChildProcess, onWord: (word: Word) => void) {
    this.role = role;
    this.child = child;
    if (child.stdout === null) throw new Error("a party without output");
    createInterface({ input: child.stdout }).on("line", (line) => {
      const word: Word = JSON.parse(line);
      this.words.push(word);
      onWord(word);
    });
    // `exit` may come before the last line is read; `close` comes after.
    child.once("exit", (code, signal) => {
      this.end = signal === null ? `ended with ${code}` : `ended by ${signal}`;
    });
  }

  get pid(): number {
    if (this.child.pid === undefined) throw new Error(`the ${this.role} did not start`);
    return this.child.pid;
  }
}
