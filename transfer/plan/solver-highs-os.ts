// HiGHS as the solver, on a thread of its own: a program may take a second, and the head's thread
// has none to give away.
//
// The thread starts with the first program and ends when there was none for a while; programs are
// solved one by one, in order. What must always hold: every call is answered, also when the thread
// dies or does not keep its time; after `close` no thread is left, and an idle one holds no
// process.

import { Worker } from "node:worker_threads";
import { errorText } from "../../model/errors.ts";
import type { MilpAnswer, MilpSolver, SolveOptions } from "./solver.ts";

export interface HighsSolver extends MilpSolver {
  close(): Promise<void>;
}

/** What the thread is sent. */
export interface Problem {
  readonly id: number;
  readonly program: string;
  readonly options: SolveOptions;
}

/** What it answers; `values` are those that are not 0. */
export type Solution = { readonly id: number; readonly answer: MilpAnswer };

export interface HighsOptions {
  readonly idleMs?: number;
  /** What runs on the thread, in place of ours. */
  readonly program?: URL;
}

const idleUsualMs = 30_000;
/** A plan waits for each of its programs: so many transfers are being planned. */
const programsMax = 256;
/** Loading, and what HiGHS does between two looks at its clock. */
const graceMs = 10_000;

export function createHighsSolver(options: HighsOptions = {}): HighsSolver {
  const solver = new ThreadedSolver(options);
  return {
    solve: (program, asked) => solver.solve(program, asked),
    close: () => solver.close(),
  };
}

interface Call extends Problem {
  readonly resolve: (answer: MilpAnswer) => void;
}

class ThreadedSolver {
  readonly #idleMs: number;
  readonly #program: URL;
  #thread: Worker | undefined;
  #current: Call | undefined;
  #waiting: Call[] = [];
  #deadline: NodeJS.Timeout | undefined;
  #idle: NodeJS.Timeout | undefined;
  #asked = 0;
  #closed = false;

  constructor({ idleMs = idleUsualMs, program = threadProgram() }: HighsOptions) {
    this.#idleMs = idleMs;
    this.#program = program;
  }

  solve(program: string, options: SolveOptions): Promise<MilpAnswer> {
    if (this.#closed) return Promise.resolve({ kind: "failed", why: "the solver is closed" });
    if (this.#waiting.length >= programsMax) {
      return Promise.resolve({ kind: "failed", why: `${programsMax} programs wait already` });
    }
    const { promise, resolve } = Promise.withResolvers<MilpAnswer>();
    this.#asked += 1;
    this.#waiting.push({ id: this.#asked, program, options, resolve });
    this.#next();
    return promise;
  }

  async close(): Promise<void> {
    this.#closed = true;
    const left = [this.#current, ...this.#waiting];
    this.#current = undefined;
    this.#waiting = [];
    for (const call of left) call?.resolve({ kind: "failed", why: "the solver was closed" });
    await this.#end();
  }

  #next(): void {
    if (this.#current !== undefined) return;
    const call = this.#waiting.shift();
    if (call === undefined) {
      this.#thread?.unref();
      this.#idle = setTimeout(() => void this.#end(), this.#idleMs).unref();
      return;
    }
    clearTimeout(this.#idle);
    this.#current = call;
    this.#thread ??= this.#start();
    this.#thread.ref();
    const { id, program, options } = call;
    this.#thread.postMessage({ id, program, options } satisfies Problem);
    const limitMs = options.secondsMax * 1000 + graceMs;
    this.#deadline = setTimeout(() => this.#lose("it did not keep its time"), limitMs);
  }

  #start(): Worker {
    const thread = new Worker(this.#program);
    thread.on("message", ({ id, answer }: Solution) => {
      if (this.#current?.id === id) this.#settle(answer);
    });
    const isOurs = () => this.#thread === thread;
    thread.on("error", (error) => isOurs() && this.#lose(errorText(error)));
    thread.on("exit", (code) => isOurs() && this.#lose(`its thread ended (${code})`));
    return thread;
  }

  #settle(answer: MilpAnswer): void {
    clearTimeout(this.#deadline);
    const call = this.#current;
    this.#current = undefined;
    call?.resolve(answer);
    this.#next();
  }

  /** Whatever state the thread is in, no further program may meet it. */
  #lose(why: string): void {
    void this.#end();
    this.#settle({ kind: "failed", why });
  }

  async #end(): Promise<void> {
    clearTimeout(this.#deadline);
    clearTimeout(this.#idle);
    const thread = this.#thread;
    this.#thread = undefined;
    await thread?.terminate();
  }
}

function threadProgram(): URL {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  return new URL(`./solver-highs-os-worker.${extension}`, import.meta.url);
}
