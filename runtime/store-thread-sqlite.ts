// The main thread's end of the store's thread: requests out, replies back by their numbers.
//
// Whatever was asked is answered: by a reply, or, if the thread crashed or was closed, by an error.
// A shortage of room is told unasked, before the reply that it goes with.

import { Worker } from "node:worker_threads";
import { errorText, SkyError } from "../model/errors.ts";
import type { Shortage } from "./store.ts";
import type {
  Numbered,
  RoomNotice,
  StoreReply,
  StoreRequest,
  StoreSetup,
} from "./store-requests.ts";
import { shortageError } from "./store-room.ts";

export interface StoreThread {
  readonly opened: Promise<StoreReply>;
  /** @throws SkyError when the thread says so, or has ended. */
  ask(request: StoreRequest): Promise<StoreReply>;
  close(): Promise<void>;
}

export function startThread(
  setup: StoreSetup,
  hearRoom: (shortage: Shortage | undefined) => void,
): StoreThread {
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
  worker.on("message", ({ id, body }: Numbered<StoreReply | RoomNotice>) => {
    if (body.kind === "room") {
      hearRoom(body.shortage);
      return;
    }
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
  { code, why, freeBytes = 0 }: Extract<StoreReply, { readonly kind: "failed" }>,
  path: string,
): SkyError {
  if (code === "store/locked") return new SkyError("store/locked", { path });
  if (code === "store/corrupt") return new SkyError("store/corrupt", { path, why });
  if (code === "disk/full") return shortageError({ level: "full", path, freeBytes });
  return new SkyError("store/failed", { why });
}
