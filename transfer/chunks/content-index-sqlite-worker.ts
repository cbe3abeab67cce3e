// The index's thread: takes requests one by one and answers each, in order.
//
// Nothing of the index, nor of the lock that two processes may wait for, blocks the main thread.
// Which requests share a turn is decided on the other side (`content-store-os.ts`).

import { parentPort, workerData } from "node:worker_threads";
import { assert, errorText, isSkyError, SkyError } from "../../model/errors.ts";
import { isNoRoom, noRoom } from "../../runtime/room-os.ts";
import type {
  IndexReply,
  IndexRequest,
  IndexSetup,
  NumberedReply,
} from "./content-index-requests.ts";
import { ContentKeeper } from "./content-keeper-os.ts";
import { sqliteCode } from "./content-lock-sqlite.ts";

/** Source: sqlite.org/rescode.html. */
const sqliteFull = 13;

assert(parentPort !== null, "the index's worker runs on a thread of its own");
const port = parentPort;
const setup: IndexSetup = workerData;

serve();

function serve(): void {
  const keeper = open();
  // Without a listener on the port the thread ends.
  if (keeper === undefined) return;
  port.on("message", ({ id, body }: { readonly id: number; readonly body: IndexRequest }) => {
    reply(keeper, id, answer(keeper, body));
    if (body.kind === "close") port.close();
  });
}

function open(): ContentKeeper | undefined {
  try {
    const keeper = new ContentKeeper(setup);
    reply(keeper, 0, { kind: "opened", incoming: keeper.incoming, root: keeper.root });
    return keeper;
  } catch (error) {
    const totals = { chunks: 0, bytes: 0, pinnedBytes: 0, pins: 0, evicted: 0 };
    const body = failed(error);
    port.postMessage({ id: 0, body, totals, notices: [] } satisfies NumberedReply);
    return undefined;
  }
}

function answer(keeper: ContentKeeper, request: IndexRequest): IndexReply {
  try {
    return { kind: "answer", answer: keeper.answer(request) };
  } catch (error) {
    return failed(error);
  }
}

function failed(error: unknown): IndexReply {
  const { code, params, message } = skyErrorOf(error);
  return { kind: "failed", code, params, text: message };
}

function skyErrorOf(error: unknown): SkyError {
  if (isSkyError(error)) return error;
  if (isNoRoom(error) || sqliteCode(error) === sqliteFull) return noRoom(setup.root, error);
  return new SkyError("chunks/failed", { dir: setup.root, why: errorText(error) });
}

function reply(keeper: ContentKeeper, id: number, body: IndexReply): void {
  const { totals } = keeper;
  port.postMessage({ id, body, totals, notices: keeper.takeNotices() } satisfies NumberedReply);
}
