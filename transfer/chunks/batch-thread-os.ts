// A thread that is asked many small things: they travel in letters, as many as have come together.
//
// To wake a thread costs more than what it is asked here. So while it has enough to do, requests
// gather, and the next letter brings all of them. It answers each request when that is done, in
// whatever order, and says of each letter when it is through with it.
//
// What must always hold: whatever was asked is answered; a thread that ends fails what it had, and
// the next request has a new one; after `close` no thread is left.

import { type Transferable, Worker } from "node:worker_threads";
import { assert, errorText, SkyError } from "../../model/errors.ts";

export interface Letter<Request> {
  readonly items: readonly { readonly id: number; readonly request: Request }[];
}

/** What a thread says: what became of some requests, or that it wants the next letter. */
export type Reply<Answer> =
  | {
      readonly done: readonly {
        readonly id: number;
        readonly answer?: Answer;
        readonly failure?: Failure;
      }[];
    }
  /** What was given with these is not needed any more; they are not done. */
  | { readonly began: readonly number[] }
  | { readonly next: true };

export interface Failure {
  /** Of the file system, or of ours. */
  readonly code: string;
  readonly params: Readonly<Record<string, string>>;
  readonly text: string;
}

export interface BatchThreadOptions<Request> {
  readonly program: URL;
  /** What it does, for errors. */
  readonly what: string;
  readonly movable: (request: Request) => readonly Transferable[];
}

/** Letters that it has and is not through with: one in work and one behind it. */
const lettersMax = 2;
/** Requests of one letter. */
const letterMax = 1_024;
/** Callers bound what they ask; more than so many is a mistake. */
export const batchWaitingMax = 16_384;
const idleMs = 10_000;

interface Waiting<Answer> {
  readonly settled: Promise<Answer>;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (failure: Failure) => void;
  readonly onBegun: (() => void) | undefined;
}

export class BatchThread<Request, Answer> {
  readonly #options: BatchThreadOptions<Request>;
  readonly #waiting = new Map<number, Waiting<Answer>>();
  #asked = 0;
  #fresh: Letter<Request>["items"][number][] = [];
  #letters = 0;
  #worker: Worker | undefined;
  readonly #ending = new Set<Promise<unknown>>();
  #idle: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: BatchThreadOptions<Request>) {
    this.#options = options;
  }

  /** Rejects with a `Failure`, which the caller makes an error of. */
  async ask(request: Request, onBegun?: () => void): Promise<Answer> {
    const { what } = this.#options;
    if (this.#closed) throw new SkyError("core/cancelled", { what });
    assert(this.#waiting.size < batchWaitingMax, `too much waits: ${what}`);
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    this.#asked += 1;
    this.#waiting.set(this.#asked, { settled: promise, resolve, reject, onBegun });
    this.#fresh.push({ id: this.#asked, request });
    // What comes in this turn goes together.
    if (this.#fresh.length === 1) setImmediate(() => this.#post());
    return await promise;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#idle);
    await Promise.allSettled([...this.#waiting.values()].map(({ settled }) => settled));
    this.#end("it was closed");
    await Promise.all(this.#ending);
  }

  #post(): void {
    while (this.#fresh.length > 0 && this.#letters < lettersMax) {
      clearTimeout(this.#idle);
      const items = this.#fresh.splice(0, letterMax);
      this.#worker ??= this.#start();
      this.#letters += 1;
      const movable = items.flatMap(({ request }) => this.#options.movable(request));
      this.#worker.postMessage({ items } satisfies Letter<Request>, movable);
      this.#worker.ref();
    }
  }

  #start(): Worker {
    const worker = new Worker(this.#options.program, {
      execArgv: ["--disable-warning=ExperimentalWarning"],
    });
    const over = (why: string): void => {
      if (this.#worker === worker) this.#end(why);
    };
    worker.on("message", (reply: Reply<Answer>) => this.#heard(reply));
    worker.on("error", (error) => over(`its thread crashed: ${errorText(error)}`));
    worker.on("messageerror", (error) => over(errorText(error)));
    worker.on("exit", () => over("its thread ended"));
    return worker;
  }

  #heard(reply: Reply<Answer>): void {
    if ("next" in reply) {
      this.#letters -= 1;
      this.#post();
      return;
    }
    if ("began" in reply) {
      for (const id of reply.began) this.#waiting.get(id)?.onBegun?.();
      return;
    }
    for (const { id, answer, failure } of reply.done) {
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (failure === undefined) waiting?.resolve(answer as Answer);
      else waiting?.reject(failure);
    }
    if (this.#waiting.size > 0) return;
    this.#worker?.unref();
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this.#end("nobody asks"), idleMs).unref();
  }

  #end(why: string): void {
    const worker = this.#worker;
    this.#worker = undefined;
    this.#letters = 0;
    this.#fresh = [];
    for (const { reject } of this.#waiting.values()) reject({ code: "", params: {}, text: why });
    this.#waiting.clear();
    if (worker === undefined) return;
    const ending = worker.terminate().finally(() => this.#ending.delete(ending));
    this.#ending.add(ending);
  }
}

/** Beside the module at `url`, whichever it is: the sources, or a bundle. */
export function workerBeside(url: string, name: string): URL {
  const extension = url.endsWith(".ts") ? "ts" : "js";
  return new URL(`./${name}.${extension}`, url);
}

/** In a buffer that may move: others may still need the rest of a much larger one. */
export function movableBytes(bytes: Uint8Array): Uint8Array {
  const isMost = bytes.length * 2 >= bytes.buffer.byteLength;
  return isMost && bytes.buffer instanceof ArrayBuffer ? bytes : new Uint8Array(bytes);
}

export function isFailure(error: unknown): error is Failure {
  return typeof error === "object" && error !== null && "text" in error && "code" in error;
}
