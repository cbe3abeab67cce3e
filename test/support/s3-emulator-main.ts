// The S3 emulator as a program: `node test/support/s3-emulator-main.ts [PORT] [BUCKET...]`.
//
// It says in one line of JSON where it listens and with which keys, and runs until it is ended.
// What is put in lives in its memory. `POST /_faults` with a JSON fault (`s3-emulator-faults.ts`)
// arms it; `DELETE /_faults` disarms all.

import { createServer } from "node:http";
import { startS3Emulator } from "./s3-emulator.ts";
import type { S3Fault } from "./s3-emulator-faults.ts";

const [port = "0", ...buckets] = process.argv.slice(2);
const emulator = await startS3Emulator({ port: Number(port) });
for (const bucket of buckets) emulator.addBucket(bucket);

const control = createServer(async (request, response) => {
  let text = "";
  for await (const piece of request) text += String(piece);
  if (request.method === "POST") emulator.faults.add(JSON.parse(text) as S3Fault);
  if (request.method === "DELETE") emulator.faults.clear();
  const uploads = [...emulator.buckets].map(([name, { uploads }]) => [name, uploads.size]);
  const made = Object.fromEntries(emulator.faults.made);
  response.end(JSON.stringify({ made, uploads: Object.fromEntries(uploads) }));
});
control.listen(0, "127.0.0.1", () => {
  const address = control.address();
  const { url, accessKeyId, secretAccessKey } = emulator;
  const at = typeof address === "object" && address !== null ? address.port : 0;
  const faults = `http://127.0.0.1:${at}/_faults`;
  console.log(JSON.stringify({ url, accessKeyId, secretAccessKey, faults }));
});
