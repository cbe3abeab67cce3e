// The store's thread: takes requests one by one and answers each, in order.
//
// Nothing of the journal blocks the main thread but the copy of a message. Which commits share a
// transaction is decided on the other side (`store-sqlite.ts`); here a transaction is written,
// flushed, and only then answered.

import { parentPort, workerData } from "node:worker_threads";
import { assert, errorText, isSkyError } from "../model/errors.ts";
import { dropBallast, layBallast } from "./ballast-os.ts";
import type { JournalDatabase } from "./store-database-sqlite.ts";
import { isDiskFull, openJournalDatabase } from "./store-database-sqlite.ts";
import type {
  Numbered,
  StoreReply,
  StoreRequest,
  StoreSetup,
  WriteStep,
} from "./store-requests.ts";

assert(parentPort !== null, "the store's worker runs on a thread of its own");
const port = parentPort;
const setup: StoreSetup = workerData;
const ballast = `${setup.path}.ballast`;
const clock = new Int32Array(new SharedArrayBuffer(4));

serve();

function serve(): void {
  const database = open();
  // Without a listener on the port the thread ends.
  if (database === undefined) return;
  port.on("message", ({ id, body }: Numbered<StoreRequest>) => {
    reply(id, answer(database, body));
    if (body.kind === "close") port.close();
  });
}

function open(): JournalDatabase | undefined {
  try {
    const database = openJournalDatabase(setup.path);
    if (setup.ballastMib > 0) layBallast(ballast, setup.ballastMib);
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
        write(database, request.steps);
        return { kind: "done" };
      case "read":
        return { kind: "records", records: database.read(request.prefix) };
      case "events":
        return { kind: "events", events: database.events(request.query) };
      case "close":
        database.close();
        return { kind: "done" };
    }
  } catch (error) {
    return failed(error);
  }
}

function write(database: JournalDatabase, steps: readonly WriteStep[]): void {
  try {
    database.write(steps);
  } catch (error) {
    const roomier = isDiskFull(error) && dropBallast(ballast);
    if (!roomier) throw error;
    database.write(steps);
  }
  if (setup.extraFsyncMs > 0) Atomics.wait(clock, 0, 0, setup.extraFsyncMs);
}

function failed(error: unknown): StoreReply {
  const code = isSkyError(error, "store/locked") ? "store/locked" : "store/failed";
  const why = isSkyError(error, "store/failed") ? String(error.params["why"]) : errorText(error);
  return { kind: "failed", code, why };
}

function reply(id: number, body: StoreReply): void {
  port.postMessage({ id, body } satisfies Numbered<StoreReply>);
}
