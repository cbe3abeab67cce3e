// The store on disk: SQLite on a thread of its own, with group commit.
//
// While one transaction is being written, the batches that arrive wait, and are then written
// together in the next one: a burst costs few flushes, and a lone commit waits for nobody. A
// promise resolves after the COMMIT of its own transaction has returned.
//
// After a failure nothing is written any more: the batches that waited behind the failed one were
// made by a state that it was part of.

import { Worker } from "node:worker_threads";
import { assert, errorText, SkyError } from "../model/errors.ts";
import type { Batch, Store } from "./store.ts";
import type {
  Numbered,
  StoreReply,
  StoreRequest,
  StoreSetup,
  WriteStep,
} from "./store-requests.ts";

/** Bounds the size of one transaction. */
const groupStepsMax = 4_096;

export interface SqliteStoreOptions {
  readonly path: string;
  /** Delays the acknowledgement of each transaction, as a slower disk would. For benchmarks. */
  readonly extraFsyncMs?: number;
  /** The size of a file that is given up when the disk is full. 0 = none. */
  readonly ballastMib?: number;
}

interface WaitingWrite {
  readonly step: WriteStep;
  readonly resolve: () => void;
  readonly reject: (error: SkyError) => void;
}

/** @throws SkyError `store/locked`, `store/failed` if the file cannot be opened or is not ours. */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<Store> {
  const { path, extraFsyncMs = 0, ballastMib = 0 } = options;
  const thread = startThread({ path, extraFsyncMs, ballastMib });
  const opened = await thread.opened;
  assert(opened.kind === "opened", "the store's thread says first that it is open");
  return storeOver(thread);
}

function storeOver(thread: StoreThread): Store {
  let waiting: WaitingWrite[] = [];
  let writing: Promise<void> | undefined;
  let broken: SkyError | undefined;
  let commits = 0;
  let transactions = 0;

  const writeAll = async (): Promise<void> => {
    // A burst of commits in one turn of the loop shares the first transaction, too.
    await Promise.resolve();
    while (waiting.length > 0) {
      const group = waiting.slice(0, groupStepsMax);
      waiting = waiting.slice(groupStepsMax);
      const steps = group.map(({ step }) => step);
      const error = await thread.ask({ kind: "write", steps }).then(() => undefined, asFailure);
      broken ??= error;
      if (error === undefined) transactions += 1;
      for (const { resolve, reject } of group) error === undefined ? resolve() : reject(error);
      if (broken !== undefined) refuseWaiting(broken);
    }
    writing = undefined;
  };
  const refuseWaiting = (error: SkyError): void => {
    for (const { reject } of waiting) reject(again(error));
    waiting = [];
  };
  const write = (step: WriteStep): Promise<void> => {
    if (broken !== undefined) return Promise.reject(again(broken));
    const done = new Promise<void>((resolve, reject) => waiting.push({ step, resolve, reject }));
    writing ??= writeAll();
    return done;
  };

  return {
    commit: async (batch: Batch) => {
      await write({ kind: "batch", batch });
      commits += 1;
    },
    forget: (subject) => write({ kind: "forget", subject }),
    read: async (prefix) => {
      const reply = await thread.ask({ kind: "read", prefix });
      return reply.kind === "records" ? reply.records : [];
    },
    events: async (query) => {
      const reply = await thread.ask({ kind: "events", query });
      return reply.kind === "events" ? reply.events : [];
    },
    counts: () => ({ commits, transactions }),
    close: async () => {
      await writing;
      broken ??= new SkyError("store/failed", { why: "it was closed" });
      await thread.close();
    },
  };
}

interface StoreThread {
  readonly opened: Promise<StoreReply>;
  /** @throws SkyError when the thread says so, or has ended. */
  ask(request: StoreRequest): Promise<StoreReply>;
  close(): Promise<void>;
}

function startThread(setup: StoreSetup): StoreThread {
  // Beside this module, whichever it is: the sources, or a bundle.
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const worker = new Worker(new URL(`./store-sqlite-worker.${extension}`, import.meta.url), {
    workerData: setup,
    execArgv: ["--disable-warning=ExperimentalWarning"],
  });
  const asked = new Map<number, PromiseWithResolvers<StoreReply>>();
  let count = 0;
  let over: string | undefined;

  const expect = (id: number): Promise<StoreReply> => {
    const reply = Promise.withResolvers<StoreReply>();
    asked.set(id, reply);
    return reply.promise;
  };
  const end = (why: string): void => {
    over ??= why;
    for (const { reject } of asked.values()) reject(new SkyError("store/failed", { why: over }));
    asked.clear();
  };
  const exited = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
  worker.on("message", ({ id, body }: Numbered<StoreReply>) => {
    const reply = asked.get(id);
    asked.delete(id);
    if (body.kind === "failed") reply?.reject(failureOf(body, setup.path));
    else reply?.resolve(body);
  });
  worker.on("error", (error) => end(`its thread crashed: ${errorText(error)}`));
  worker.on("exit", () => end("it was closed"));

  const ask = async (request: StoreRequest): Promise<StoreReply> => {
    if (over !== undefined) throw new SkyError("store/failed", { why: over });
    count += 1;
    worker.postMessage({ id: count, body: request } satisfies Numbered<StoreRequest>);
    return expect(count);
  };
  let closed: Promise<StoreReply> | undefined;
  return {
    opened: expect(0),
    ask,
    close: async () => {
      if (over === undefined) closed ??= ask({ kind: "close" });
      await closed;
      await exited;
    },
  };
}

function failureOf(
  { code, why }: Extract<StoreReply, { readonly kind: "failed" }>,
  path: string,
): SkyError {
  return code === "store/locked"
    ? new SkyError("store/locked", { path })
    : new SkyError("store/failed", { why });
}

function asFailure(error: unknown): SkyError {
  return error instanceof SkyError
    ? error
    : new SkyError("store/failed", { why: errorText(error) }, { cause: error });
}

/** The same failure for a later commit, with a stack that leads to its caller. */
function again(first: SkyError): SkyError {
  return new SkyError("store/failed", { why: first.params["why"] ?? "" }, { cause: first });
}
