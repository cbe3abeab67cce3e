// The main thread's end of the index's thread: requests out, answers back by their numbers.
//
// Whatever was asked is answered: by a reply, or, if the thread crashed or was closed, by an error.

import { Worker } from "node:worker_threads";
import { errorText, SkyError, skyErrorFrom } from "../../model/errors.ts";
import type {
  IndexAnswers,
  IndexNotice,
  IndexReply,
  IndexSetup,
  IndexTotals,
  NumberedReply,
  RequestKind,
  RequestOf,
} from "./content-index-requests.ts";

export interface IndexThread {
  readonly opened: Promise<Extract<IndexReply, { readonly kind: "opened" }>>;
  /** What is in the store, as of the last reply. */
  readonly totals: IndexTotals;
  /** @throws SkyError when the thread says so, or has ended. */
  ask<K extends RequestKind>(request: RequestOf<K>): Promise<IndexAnswers[K]>;
  close(): Promise<void>;
}

export function startIndexThread(
  setup: IndexSetup,
  hear: (notice: IndexNotice) => void,
): IndexThread {
  const worker = startWorker(setup);
  const asked = new Map<number, PromiseWithResolvers<IndexReply>>();
  let totals: IndexTotals = { chunks: 0, bytes: 0, pinnedBytes: 0, pins: 0, evicted: 0 };
  let count = 0;
  let over: string | undefined;

  const failure = (why: string) => new SkyError("chunks/failed", { dir: setup.root, why });
  const expect = (id: number): Promise<IndexReply> => {
    const reply = Promise.withResolvers<IndexReply>();
    asked.set(id, reply);
    return reply.promise;
  };
  const end = (why: string): void => {
    over ??= why;
    for (const { reject } of asked.values()) reject(failure(over));
    asked.clear();
  };
  const exited = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
  worker.on("message", (reply: NumberedReply) => {
    totals = reply.totals;
    reply.notices.forEach(hear);
    const { body } = reply;
    const waiting = asked.get(reply.id);
    asked.delete(reply.id);
    if (body.kind !== "failed") waiting?.resolve(body);
    else waiting?.reject(skyErrorFrom(body.code, textParams(body.params), body.text));
  });
  worker.on("error", (error) => end(`its thread crashed: ${errorText(error)}`));
  worker.on("exit", () => end("it was closed"));

  const opened = expect(0).then((reply) => {
    if (reply.kind === "opened") return reply;
    throw failure("its thread did not say that it is open");
  });
  const ask: IndexThread["ask"] = async (body) => {
    if (over !== undefined) throw failure(over);
    count += 1;
    worker.postMessage({ id: count, body });
    const reply = await expect(count);
    // The thread answers each kind with its own.
    if (reply.kind === "answer") return reply.answer as IndexAnswers[(typeof body)["kind"]];
    throw failure("its thread answered out of order");
  };
  return {
    opened,
    get totals() {
      return totals;
    },
    ask,
    close: async () => {
      try {
        if (over === undefined) await ask({ kind: "close" });
      } finally {
        await worker.terminate();
        await exited;
      }
    },
  };
}

function startWorker(setup: IndexSetup): Worker {
  // Beside this module, whichever it is: the sources, or a bundle.
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const program = new URL(`./content-index-sqlite-worker.${extension}`, import.meta.url);
  return new Worker(program, {
    workerData: setup,
    execArgv: ["--disable-warning=ExperimentalWarning"],
  });
}

function textParams(
  params: Readonly<Record<string, string | number>>,
): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(params).map(([name, value]) => [name, String(value)]));
}
