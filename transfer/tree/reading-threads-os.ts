// Reads trees on threads of their own, one for each tree that is being read.
//
// A thread reads ahead of whoever takes its chunks by a bounded number of bytes. It ends with its
// read if that fails or is called off, so a file system that hangs costs a thread and nobody's
// time; otherwise it stays for a while, for the next read.
//
// What must always hold: a read ends, with an answer or an error; after `close` no thread is left.

import { Worker } from "node:worker_threads";
import { assert, errorText, isSkyError, SkyError, skyErrorFrom } from "../../model/errors.ts";
import type { ReadRequest, RegionName, TreeRead, TreeReading, TreeSink } from "./reading.ts";

/** Reads at a time; further ones wait. */
const threadsMax = 8;
const idleUsualMs = 10_000;

export interface ThreadReadingOptions {
  /** How long a thread stays without work. */
  readonly idleMs?: number;
}

/** To a thread: what to read, and how many of the bytes that it handed on were taken. */
export type ReadLetter =
  | { readonly kind: "read"; readonly request: ReadRequest }
  | { readonly kind: "taken"; readonly bytes: number };

export type ReadNews =
  | { readonly kind: "chunk"; readonly region: RegionName; readonly bytes: Uint8Array }
  | { readonly kind: "reuse"; readonly file: string }
  | { readonly kind: "take-back"; readonly chunks: number }
  | { readonly kind: "done"; readonly outcome: TreeRead }
  | { readonly kind: "failed"; readonly failure: ReadFailure };

export interface ReadFailure {
  readonly text: string;
  /** Of a SkyError. */
  readonly code?: string;
  readonly params?: Readonly<Record<string, string>>;
  /** Of what the system refuses: its code, the call, the path. */
  readonly system?: Readonly<Record<string, unknown>>;
}

export function createThreadReading(options: ThreadReadingOptions = {}): TreeReading {
  return new ThreadReading(options);
}

class ThreadReading implements TreeReading {
  readonly #idleMs: number;
  readonly #idle = new Map<ReaderThread, NodeJS.Timeout>();
  readonly #ending = new Set<Promise<unknown>>();
  readonly #closing = new AbortController();
  readonly #waiting = new Set<() => void>();
  #busy = 0;

  constructor({ idleMs = idleUsualMs }: ThreadReadingOptions) {
    this.#idleMs = idleMs;
  }

  async read(request: ReadRequest, sink: TreeSink, signal: AbortSignal): Promise<TreeRead> {
    const ended = AbortSignal.any([signal, this.#closing.signal]);
    await this.#turn(ended);
    const thread = this.#thread();
    try {
      const outcome = await thread.read({ request, sink, signal: ended });
      this.#rest(thread);
      return outcome;
    } catch (error) {
      this.#end(thread);
      throw error;
    } finally {
      this.#busy -= 1;
      for (const wake of this.#waiting) wake();
    }
  }

  async close(): Promise<void> {
    this.#closing.abort(new SkyError("core/cancelled", { what: "reading a folder" }));
    for (const thread of this.#idle.keys()) this.#end(thread);
    await Promise.all(this.#ending);
  }

  async #turn(signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      if (this.#busy < threadsMax) break;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.add(resolve);
      signal.addEventListener("abort", () => resolve(), { once: true });
      await promise;
      this.#waiting.delete(resolve);
    }
    this.#busy += 1;
  }

  #thread(): ReaderThread {
    const [idle] = this.#idle.keys();
    if (idle === undefined) return new ReaderThread();
    clearTimeout(this.#idle.get(idle));
    this.#idle.delete(idle);
    return idle;
  }

  /** One is enough for who submits one after the other. */
  #rest(thread: ReaderThread): void {
    if (this.#idle.size > 0 || thread.isOver || this.#closing.signal.aborted) {
      this.#end(thread);
      return;
    }
    this.#idle.set(thread, setTimeout(() => this.#end(thread), this.#idleMs).unref());
  }

  #end(thread: ReaderThread): void {
    clearTimeout(this.#idle.get(thread));
    this.#idle.delete(thread);
    const ended = thread.end().finally(() => this.#ending.delete(ended));
    this.#ending.add(ended);
  }
}

interface Reading {
  readonly request: ReadRequest;
  readonly sink: TreeSink;
  readonly signal: AbortSignal;
}

/** Reads one tree at a time. */
class ReaderThread {
  readonly #worker: Worker;
  #sink: TreeSink | undefined;
  #over: string | undefined;
  #answer: PromiseWithResolvers<TreeRead> | undefined;
  /** What was read is taken in its order. */
  #turn: Promise<void> = Promise.resolve();

  constructor() {
    // Beside this module, whichever it is: the sources, or a bundle.
    const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
    const program = new URL(`./reading-threads-os-worker.${extension}`, import.meta.url);
    this.#worker = new Worker(program, { execArgv: ["--disable-warning=ExperimentalWarning"] });
    this.#worker.on("message", (news: ReadNews) => {
      this.#turn = this.#turn
        .then(() => this.#take(news))
        .catch((error: unknown) => this.#answer?.reject(error));
    });
    this.#worker.on("messageerror", (error) => this.#crashed(errorText(error)));
    this.#worker.on("error", (error) => this.#crashed(`its thread crashed: ${errorText(error)}`));
    this.#worker.on("exit", () => this.#crashed("its thread ended"));
    this.#worker.unref();
  }

  get isOver(): boolean {
    return this.#over !== undefined;
  }

  async read({ request, sink, signal }: Reading): Promise<TreeRead> {
    assert(this.#answer === undefined, "a thread reads one tree at a time");
    const answer = Promise.withResolvers<TreeRead>();
    const stop = (): void => answer.reject(signal.reason);
    this.#answer = answer;
    this.#sink = sink;
    signal.addEventListener("abort", stop, { once: true });
    if (this.#over !== undefined) this.#crashed(this.#over);
    // The process does not end while somebody waits.
    this.#worker.ref();
    this.#worker.postMessage({ kind: "read", request } satisfies ReadLetter);
    try {
      return await answer.promise;
    } finally {
      signal.removeEventListener("abort", stop);
      this.#worker.unref();
      this.#answer = undefined;
      this.#sink = undefined;
    }
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }

  #crashed(why: string): void {
    this.#over = why;
    this.#answer?.reject(new SkyError("process/failed", { what: "reading a folder", why }));
  }

  async #take(news: ReadNews): Promise<void> {
    switch (news.kind) {
      case "chunk": {
        const bytes = news.bytes.length;
        await this.#sink?.chunk(news.region, news.bytes);
        this.#worker.postMessage({ kind: "taken", bytes } satisfies ReadLetter);
        return;
      }
      case "reuse":
        this.#sink?.reuse(news.file);
        return;
      case "take-back":
        this.#sink?.takeBack(news.chunks);
        return;
      case "done":
        this.#answer?.resolve(news.outcome);
        return;
      case "failed":
        throw errorOf(news.failure);
    }
  }
}

export function failureOf(error: unknown): ReadFailure {
  const text = errorText(error);
  if (isSkyError(error)) {
    const params = Object.entries<unknown>(error.params).map(([name, value]) => {
      return [name, String(value)] as const;
    });
    return { text, code: error.code, params: Object.fromEntries(params) };
  }
  if (!(error instanceof Error && "code" in error && "syscall" in error)) return { text };
  const { code, syscall } = error;
  return { text, system: { code, syscall, ...("path" in error ? { path: error.path } : {}) } };
}

function errorOf({ text, code, params = {}, system }: ReadFailure): Error {
  if (code !== undefined) return skyErrorFrom(code, params, text);
  return Object.assign(new Error(text), system);
}
