// The store's thread: takes requests one by one and answers each, in order.
//
// Nothing of the journal blocks the main thread but the copy of a message. Which commits share a
// transaction is decided on the other side (`store-sqlite.ts`); here a transaction is written,
// flushed, and only then answered.

import { parentPort, workerData } from "node:worker_threads";
import { assert, errorText, isSkyError } from "../model/errors.ts";
import { dropBallast, layBallast } from "./ballast-os.ts";
import { freeBytes } from "./room-os.ts";
import type { Shortage } from "./store.ts";
import type { JournalDatabase } from "./store-database-sqlite.ts";
import { isCorrupt, isDiskFull, openJournalDatabase } from "./store-database-sqlite.ts";
import type {
  Numbered,
  RoomNotice,
  StoreReply,
  StoreRequest,
  StoreSetup,
  WriteStep,
} from "./store-requests.ts";
import { noticeId } from "./store-requests.ts";

assert(parentPort !== null, "the store's worker runs on a thread of its own");
const port = parentPort;
const setup: StoreSetup = workerData;
const ballast = `${setup.path}.ballast`;
const clock = new Int32Array(new SharedArrayBuffer(4));
/** Beside the ballast, before room counts as ample again: what is free must not be gone at once. */
const spareBytes = 4_194_304;
const mib = 1_048_576;
let level: Shortage["level"] | undefined;

/** How long nobody may have asked for anything, and how many pages go at once, how often. */
const quietMs = 250;
const shrinkPagesMax = 1_024;
const shrinkPauseMs = 10;
let shrinking: NodeJS.Timeout | undefined;

serve();

function serve(): void {
  const database = open();
  // Without a listener on the port the thread ends.
  if (database === undefined) return;
  port.on("message", ({ id, body }: Numbered<StoreRequest>) => {
    reply(id, answer(database, body));
    if (body.kind === "write") shrinkSoon(database);
    if (body.kind !== "close") return;
    clearTimeout(shrinking);
    port.close();
  });
}

function open(): JournalDatabase | undefined {
  try {
    const database = withRoom(() => openJournalDatabase(setup.path));
    if (setup.ballastMib > 0 && !layBallast(ballast, setup.ballastMib)) notice("tight");
    reply(0, { kind: "opened" });
    return database;
  } catch (error) {
    reply(0, failed(error));
    return undefined;
  }
}

function answer(database: JournalDatabase, request: StoreRequest): StoreReply {
  try {
    switch (request.kind) {
      case "write":
        return { kind: "written", removed: write(database, request.steps) };
      case "look":
        look();
        return { kind: "done" };
      case "read":
        return { kind: "records", records: database.read(request.prefix) };
      case "range":
        return { kind: "records", records: database.range(request.range) };
      case "events":
        return { kind: "events", events: database.events(request.query) };
      case "close":
        database.close();
        return { kind: "done" };
    }
  } catch (error) {
    if (request.kind !== "write" || !isDiskFull(error)) return failed(error);
    notice("full");
    return { kind: "full" };
  }
}

function write(database: JournalDatabase, steps: readonly WriteStep[]): readonly number[] {
  const removed = withRoom(() => database.write(steps));
  if (level === "full") notice(setup.ballastMib > 0 ? "tight" : undefined);
  if (setup.extraFsyncMs > 0) Atomics.wait(clock, 0, 0, setup.extraFsyncMs);
  return removed;
}

/** Gives free pages of the file back, a few at a time, while nobody asks for anything. */
function shrinkSoon(database: JournalDatabase, ms = quietMs): void {
  clearTimeout(shrinking);
  shrinking = setTimeout(() => {
    if (shrink(database)) shrinkSoon(database, shrinkPauseMs);
  }, ms).unref();
}

/** Whether there is more to give back. On a full disk there is no room for doing it: later. */
function shrink(database: JournalDatabase): boolean {
  try {
    return level !== "full" && database.shrink(shrinkPagesMax);
  } catch (error) {
    if (isDiskFull(error)) return false;
    throw error;
  }
}

/** Does it once more without the ballast if there was no room. */
function withRoom<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!isDiskFull(error) || !dropBallast(ballast)) throw error;
    const result = work();
    notice("tight");
    return result;
  }
}

/** Whether room is still short: it is until the ballast is back. */
function look(): void {
  if (level !== "tight") return;
  const wanted = setup.ballastMib * mib + spareBytes;
  if (freeBytes(setup.path) < wanted || !layBallast(ballast, setup.ballastMib)) notice("tight");
  else notice(undefined);
}

function notice(found: Shortage["level"] | undefined): void {
  level = found;
  const { path } = setup;
  const shortage = found && { level: found, path, freeBytes: freeBytes(path) };
  const body: RoomNotice = { kind: "room", shortage };
  port.postMessage({ id: noticeId, body } satisfies Numbered<RoomNotice>);
}

function failed(error: unknown): StoreReply {
  const code = codeOf(error);
  const known = isSkyError(error) ? error.params["why"] : undefined;
  const why = known === undefined ? errorText(error) : String(known);
  if (code !== "disk/full") return { kind: "failed", code, why };
  return { kind: "failed", code, why, freeBytes: freeBytes(setup.path) };
}

function codeOf(error: unknown): Extract<StoreReply, { readonly kind: "failed" }>["code"] {
  if (isSkyError(error, "store/locked")) return "store/locked";
  if (isSkyError(error, "store/corrupt") || isCorrupt(error)) return "store/corrupt";
  return isDiskFull(error) ? "disk/full" : "store/failed";
}

function reply(id: number, body: StoreReply): void {
  port.postMessage({ id, body } satisfies Numbered<StoreReply>);
}
