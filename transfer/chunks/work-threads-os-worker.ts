// A thread that works on chunks: takes a request, does it, sends the answer; in order, one by one.
//
// The answer's buffer moves to the other side. A buffer that came in and does not go back is given
// back to the system at once.

import { parentPort } from "node:worker_threads";
import { assert, errorText, isSkyError } from "../../model/errors.ts";
import { letGo } from "./buffers.ts";
import { bytesOf, type WorkAnswers, type WorkKind, workOn } from "./work.ts";
import type { WorkFailure, WorkLetter, WorkReply } from "./work-threads-os.ts";

assert(parentPort !== null, "work on chunks runs on a thread of its own");
const port = parentPort;

port.on("message", ({ id, request }: WorkLetter) => {
  try {
    send(id, workOn(request));
  } catch (error) {
    port.postMessage({ id, failure: failureOf(error) } satisfies WorkReply);
  } finally {
    letGo(request.bytes);
  }
});

function send(id: number, answer: WorkAnswers[WorkKind]): void {
  const { buffer, length } = bytesOf(answer);
  // A small part of a buffer (of Node's pool, which must not move) is copied with the whole.
  const moves = buffer instanceof ArrayBuffer && length * 2 > buffer.byteLength;
  port.postMessage({ id, answer } satisfies WorkReply, moves ? [buffer] : []);
}

function failureOf(error: unknown): WorkFailure {
  const { code, params }: Pick<WorkFailure, "code"> & { params: object } = isSkyError(error)
    ? error
    : { code: "", params: {} };
  const texts = Object.entries(params).map(([name, value]) => [name, String(value)]);
  return { code, params: Object.fromEntries(texts), text: errorText(error) };
}
