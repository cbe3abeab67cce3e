// A thread in place of that of `work-threads-os.ts`: it crashes on a chunk that begins with 66,
// ends on one with 67, and keeps one with 68 without an answer. Others it names.

import { parentPort } from "node:worker_threads";
import { workOn } from "../../transfer/chunks/work.ts";
import type { WorkLetter } from "../../transfer/chunks/work-threads-os.ts";

parentPort?.on("message", ({ id, request }: WorkLetter) => {
  const [first] = request.bytes;
  if (first === 66) throw new Error("as it was told");
  if (first === 67) process.exit(3);
  if (first !== 68) parentPort?.postMessage({ id, answer: workOn(request) });
});
