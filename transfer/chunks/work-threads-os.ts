// The work port over a few threads, so that hashing, zstd and AES hold up neither wire nor timers.
//
// Buffers move to a thread and back and are not copied on the way, unless they are a part of a
// larger one. A thread has a chunk in work and one that waits with it, so that it never idles
// between two; all further calls wait here, and begin in their order. Threads start when there is
// work and end when there was none for a while: an idle process pays nothing.
//
// What must always hold: whatever was asked is answered; a thread that crashed fails the calls that
// it had and no other, and the next call has a new one; after `close` no thread is left.

import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { assert, errorText, SkyError, skyErrorFrom } from "../../model/errors.ts";
import { ownsBuffer } from "./buffers.ts";
import { plainContentBytes } from "./plain.ts";
import {
  type ChunkWork,
  type WorkAnswers,
  type WorkKind,
  type WorkRequest,
  workOn,
  workOver,
} from "./work.ts";

/** More of them than cores only take turns, and hashing is never the only work of a machine. */
const threadsMax = 4;
/** One in work and one behind it. */
const threadCallsMax = 2;
/** Callers hold the bytes of their calls and bound them; more than so many is a mistake. */
export const workCallsMax = 16_384;
/** So little is done sooner than sent to a thread, which takes about 25 µs there and back. */
const inlineBytesMax = 32 * 1024;
/** Plain chunks are only hashed: so many times more of them is little. */
const plainBytesFactor = 4;
const idleUsualMs = 10_000;

export interface ThreadWorkOptions {
  readonly threads?: number;
  /** How long threads stay without work. */
  readonly idleMs?: number;
  /** What runs on each thread, in place of ours. */
  readonly program?: URL;
}

export interface ThreadWork extends ChunkWork {
  counts(): { readonly threads: number; readonly working: number; readonly waiting: number };
}

export function createThreadWork(options: ThreadWorkOptions = {}): ThreadWork {
  const crew = new Crew(options);
  const work = workOver(
    (request) => crew.ask(request),
    () => crew.close(),
  );
  return { ...work, counts: () => crew.counts() };
}

/** What a thread is sent, and what it answers. */
export interface WorkLetter {
  readonly id: number;
  readonly request: WorkRequest;
}

export type WorkReply =
  | { readonly id: number; readonly answer: WorkAnswers[WorkKind] }
  | { readonly id: number; readonly failure: WorkFailure };

export interface WorkFailure {
  readonly code: string;
  readonly params: Readonly<Record<string, string>>;
  readonly text: string;
}

interface Call extends WorkLetter {
  readonly resolve: (answer: WorkAnswers[WorkKind]) => void;
  readonly reject: (error: SkyError) => void;
}

interface Thread {
  readonly worker: Worker;
  readonly calls: Map<number, Call>;
}

class Crew {
  readonly #threads = new Set<Thread>();
  readonly #ending = new Set<Promise<void>>();
  readonly #max: number;
  readonly #idleMs: number;
  readonly #program: URL;
  #waiting: Call[] = [];
  #asked = 0;
  #idle: NodeJS.Timeout | undefined;
  #closed = false;

  constructor({ threads, idleMs, program }: ThreadWorkOptions) {
    this.#max = threads ?? Math.min(availableParallelism(), threadsMax);
    this.#idleMs = idleMs ?? idleUsualMs;
    this.#program = program ?? workerProgram();
    assert(this.#max >= 1, "work needs a thread");
  }

  async ask(request: WorkRequest): Promise<WorkAnswers[WorkKind]> {
    if (this.#closed) throw cancelled();
    if (bytesWorked(request) <= inlineBytesMax) return workOn(request);
    assert(this.#waiting.length < workCallsMax, "too many chunks wait to be worked on");
    const { promise, resolve, reject } = Promise.withResolvers<WorkAnswers[WorkKind]>();
    this.#asked += 1;
    this.#waiting.push({ id: this.#asked, request, resolve, reject });
    this.#handOut();
    return promise;
  }

  counts(): ReturnType<ThreadWork["counts"]> {
    const working = [...this.#threads].reduce((sum, { calls }) => sum + calls.size, 0);
    return { threads: this.#threads.size, working, waiting: this.#waiting.length };
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#idle);
    for (const call of this.#waiting) call.reject(cancelled());
    this.#waiting = [];
    for (const thread of this.#threads) this.#end(thread, cancelled());
    await Promise.all(this.#ending);
  }

  #handOut(): void {
    clearTimeout(this.#idle);
    while (this.#waiting.length > 0) {
      const thread = this.#free();
      const call = thread === undefined ? undefined : this.#waiting.shift();
      if (thread === undefined || call === undefined) break;
      post(thread, call);
    }
    if (this.counts().working > 0 || this.#closed) return;
    this.#idle = setTimeout(() => this.#rest(), this.#idleMs).unref();
  }

  /** One without a call, else a new one, else one that has a single call. */
  #free(): Thread | undefined {
    const threads = [...this.#threads].toSorted((a, b) => a.calls.size - b.calls.size);
    const [least] = threads;
    if (least === undefined || (least.calls.size > 0 && threads.length < this.#max)) {
      return this.#start();
    }
    return least.calls.size < threadCallsMax ? least : undefined;
  }

  #start(): Thread {
    const worker = new Worker(this.#program, {
      execArgv: ["--disable-warning=ExperimentalWarning"],
    });
    const thread: Thread = { worker, calls: new Map() };
    this.#threads.add(thread);
    const over = (why: string): void => {
      this.#end(thread, new SkyError("process/failed", { what: "work on a chunk", why }));
      if (!this.#closed) this.#handOut();
    };
    worker.on("message", (reply: WorkReply) => {
      settle(thread, reply);
      if (!this.#closed) this.#handOut();
    });
    worker.on("messageerror", (error) => over(errorText(error)));
    worker.on("error", (error) => over(`its thread crashed: ${errorText(error)}`));
    worker.on("exit", () => over("its thread ended"));
    worker.unref();
    return thread;
  }

  /** Nobody has had work for a while. */
  #rest(): void {
    for (const thread of this.#threads) this.#end(thread, cancelled());
  }

  #end(thread: Thread, error: SkyError): void {
    this.#threads.delete(thread);
    for (const { reject } of thread.calls.values()) reject(error);
    thread.calls.clear();
    const ended = thread.worker.terminate().then(() => void this.#ending.delete(ended));
    this.#ending.add(ended);
  }
}

/** Beside this module, whichever it is: the sources, or a bundle. */
function workerProgram(): URL {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  return new URL(`./work-threads-os-worker.${extension}`, import.meta.url);
}

function post({ worker, calls }: Thread, call: Call): void {
  const bytes = movable(call.request.bytes);
  const letter: WorkLetter = { id: call.id, request: { ...call.request, bytes } };
  worker.postMessage(letter, [bytes.buffer]);
  calls.set(call.id, call);
  // The process does not end while somebody waits.
  worker.ref();
}

function settle({ worker, calls }: Thread, reply: WorkReply): void {
  const call = calls.get(reply.id);
  assert(call !== undefined, "a thread answered what nobody asked");
  calls.delete(reply.id);
  if (calls.size === 0) worker.unref();
  if ("answer" in reply) call.resolve(reply.answer);
  else call.reject(errorOf(reply.failure));
}

function errorOf({ code, params, text }: WorkFailure): SkyError {
  return skyErrorFrom(code, params, text);
}

/** How much is gone through. What a seal unfolds to is not known before it is opened. */
function bytesWorked(request: WorkRequest): number {
  if (request.kind === "open") return Number.POSITIVE_INFINITY;
  if (request.kind === "unpack") return plainContentBytes(request.bytes) / plainBytesFactor;
  if (request.kind === "pack") return request.bytes.length / plainBytesFactor;
  return Math.max(request.bytes.length, "ref" in request ? request.ref.bytes : 0);
}

/** With a buffer of its own, which may move: others may still need the rest of a larger one. */
function movable(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer } = bytes;
  const moves = ownsBuffer(bytes) && buffer instanceof ArrayBuffer;
  return moves ? new Uint8Array(buffer) : new Uint8Array(bytes);
}

function cancelled(): SkyError {
  return new SkyError("core/cancelled", { what: "work on a chunk" });
}
