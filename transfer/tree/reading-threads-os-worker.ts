// A thread that reads one folder tree after the other (`reading-threads-os.ts`).
//
// It goes on as long as no more than so many bytes are on their way to whoever takes them.

import { parentPort } from "node:worker_threads";
import { assert } from "../../model/errors.ts";
import { ownsBuffer } from "../chunks/buffers.ts";
import { ContentCutter } from "../chunks/cut-content.ts";
import { readTree } from "./reader-os.ts";
import type { TreeSink } from "./reading.ts";
import { failureOf, type ReadLetter, type ReadNews } from "./reading-threads-os.ts";

assert(parentPort !== null, "trees are read on a thread of their own");
const port = parentPort;

const aheadBytesMax = 16 * 1024 * 1024;
let ahead = 0;
let roomFor: PromiseWithResolvers<void> | undefined;

const sink: TreeSink = {
  chunk: (region, bytes) => {
    // A part of a larger buffer is copied: the rest of it may still be needed.
    const own = ownsBuffer(bytes) ? bytes : Uint8Array.from(bytes);
    ahead += own.length;
    send({ kind: "chunk", region, bytes: own }, [own.buffer as ArrayBuffer]);
    if (ahead <= aheadBytesMax) return undefined;
    roomFor ??= Promise.withResolvers();
    return roomFor.promise;
  },
  reuse: (file) => send({ kind: "reuse", file }),
  takeBack: (chunks) => send({ kind: "take-back", chunks }),
};

port.on("message", (letter: ReadLetter) => {
  if (letter.kind === "taken") {
    ahead -= letter.bytes;
    if (ahead > aheadBytesMax) return;
    roomFor?.resolve();
    roomFor = undefined;
    return;
  }
  const newCutter = (): ContentCutter => new ContentCutter();
  readTree(letter.request, sink, { newCutter }).then(
    (outcome) => send({ kind: "done", outcome }),
    (error: unknown) => send({ kind: "failed", failure: failureOf(error) }),
  );
});

function send(news: ReadNews, moved: readonly ArrayBuffer[] = []): void {
  port.postMessage(news, moved);
}
