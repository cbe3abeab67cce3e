// A small S3 in this process, for tests: loopback HTTP, path-style, in memory, with faults on
// demand.
//
// It speaks what our adapter and the usual tools use (objects, ranges, conditions, metadata,
// uploads in parts, listings of both versions), and checks signatures and checksums as S3 does. It
// is no copy of S3: no versions, no lists of access. `s3-emulator-main.ts` runs it as a program.

import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { type Answer, Refusal, refused } from "./s3-emulator-answers.ts";
import { EmulatedBucket, flipped } from "./s3-emulator-buckets.ts";
import { type S3Request, type S3World, s3Calls } from "./s3-emulator-calls.ts";
import { type S3Fault, type S3FaultKind, S3Faults } from "./s3-emulator-faults.ts";
import { queryOf, signatureProblem, unchunked } from "./s3-emulator-sign.ts";

export interface S3EmulatorOptions {
  readonly port?: number;
  /** Names in a page of a listing; at most what S3 gives. */
  readonly pageKeys?: number;
  readonly partBytesMin?: number;
}

export interface SeenRequest {
  readonly call: string;
  readonly bucket: string;
  readonly key: string;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
}

export interface S3Emulator {
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly faults: S3Faults;
  readonly buckets: Map<string, EmulatedBucket>;
  /** The latest, at most `seenMax`. */
  readonly seen: readonly SeenRequest[];
  /** The most that were answered at a time. */
  readonly busiest: () => number;
  addBucket(name: string): EmulatedBucket;
  /** Flips a bit of an object where it is kept. */
  damage(bucket: string, key: string): void;
  close(): Promise<void>;
}

const keys = { accessKeyId: "AKIDEMULATOR", secretAccessKey: "emulator/secret+key" };
const seenMax = 10_000;

export async function startS3Emulator(options: S3EmulatorOptions = {}): Promise<S3Emulator> {
  const emulator = new Emulator(options);
  await emulator.listen(options.port ?? 0);
  return emulator;
}

class Emulator implements S3Emulator {
  readonly accessKeyId = keys.accessKeyId;
  readonly secretAccessKey = keys.secretAccessKey;
  readonly faults = new S3Faults();
  readonly buckets = new Map<string, EmulatedBucket>();
  readonly seen: SeenRequest[] = [];
  readonly #world: S3World;
  readonly #server = createServer((request, response) => {
    this.#serve(request, response).catch(() => response.destroy());
  });
  readonly #closed = new AbortController();
  #drawn = 0;
  #busy = 0;
  #busiest = 0;

  constructor(options: S3EmulatorOptions) {
    this.#world = {
      buckets: this.buckets,
      pageKeys: options.pageKeys ?? 1_000,
      partBytesMin: options.partBytesMin ?? 5 * 1024 ** 2,
      now: () => Date.now(),
      next: () => {
        this.#drawn += 1;
        return `${this.#drawn}`;
      },
    };
    // A client's idle socket is never closed under its next request.
    this.#server.keepAliveTimeout = 0;
    this.#server.requestTimeout = 0;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  readonly busiest = (): number => this.#busiest;

  async listen(port: number): Promise<void> {
    this.#server.listen(port, "127.0.0.1");
    await once(this.#server, "listening");
  }

  addBucket(name: string): EmulatedBucket {
    const bucket = new EmulatedBucket();
    this.buckets.set(name, bucket);
    return bucket;
  }

  damage(bucket: string, key: string): void {
    const place = this.buckets.get(bucket);
    const object = place?.objects.get(key);
    if (place === undefined || object === undefined) throw new Error(`no ${bucket}/${key}`);
    place.put(key, { ...object, bytes: flipped(object.bytes) });
  }

  async close(): Promise<void> {
    this.#closed.abort();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(message: IncomingMessage, response: ServerResponse): Promise<void> {
    this.#busy += 1;
    this.#busiest = Math.max(this.#busiest, this.#busy);
    try {
      await this.#answer(message, response);
    } finally {
      this.#busy -= 1;
    }
  }

  async #answer(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const { call, bucket, key, query, path, rawQuery } = routed(message);
    const faults = this.faults.take(call, key);
    const has = (kind: S3FaultKind) => faults.find((fault) => fault.kind === kind);
    if (has("reset") !== undefined) return void message.socket.destroy();
    const raw = await bodyOf(message);
    await pause(has("delay")?.ms ?? 0, undefined, { signal: this.#closed.signal });
    const headers = headersOf(message);
    const isChunked = headers["x-amz-content-sha256"]?.startsWith("STREAMING-") === true;
    const body = isChunked ? unchunked(raw) : raw;
    const isPut = body.length > 0;
    const request: S3Request = {
      ...{ call, bucket, key, query, headers },
      body: isPut && has("corrupt-body") !== undefined ? flipped(body) : body,
      corruptStored: has("corrupt-stored") !== undefined,
      shortPage: has("short-page") !== undefined,
    };
    const signed = { method: message.method ?? "", path, query: rawQuery, headers, body: raw };
    const answer = this.#do(request, faults, signatureProblem(signed, keys));
    this.#see(request, answer.status);
    if (has("lose-answer") !== undefined) return void message.socket.destroy();
    send(response, answer, {
      isHead: message.method === "HEAD",
      isCorrupt: has("corrupt-body") !== undefined && !isPut,
      isReset: has("reset-mid-body") !== undefined,
      isCut: has("cut-page") !== undefined,
    });
  }

  #do(request: S3Request, faults: readonly S3Fault[], problem: string | undefined): Answer {
    try {
      for (const { kind } of faults) this.#refuseFor(kind, request);
      if (problem !== undefined) throw new Refusal(403, problem);
      const run = s3Calls[request.call];
      if (run === undefined) throw new Refusal(501, "NotImplemented");
      return run(this.#world, request);
    } catch (error) {
      if (error instanceof Refusal) return refused(error);
      return refused(new Refusal(500, "InternalError", String(error)));
    }
  }

  #refuseFor(kind: S3FaultKind, { bucket, query }: S3Request): void {
    if (kind === "slow-down")
      throw new Refusal(503, "SlowDown", "Please reduce your request rate.");
    if (kind === "internal") throw new Refusal(500, "InternalError");
    if (kind === "deny") throw new Refusal(403, "AccessDenied", "Access Denied");
    if (kind === "full") throw new Refusal(507, "XMinioStorageFull", "No room is left.");
    if (kind !== "lose-upload") return;
    this.buckets.get(bucket)?.uploads.delete(query.get("uploadId") ?? "");
  }

  #see({ call, bucket, key, headers }: S3Request, status: number): void {
    this.seen.push({ call, bucket, key, status, headers });
    if (this.seen.length > seenMax) this.seen.shift();
  }
}

interface Routed extends Pick<S3Request, "call" | "bucket" | "key" | "query"> {
  readonly path: string;
  readonly rawQuery: string;
}

function routed({ method = "", url = "" }: IncomingMessage): Routed {
  const [path = "", rawQuery = ""] = url.split(/\?(.*)/s);
  const [, rawBucket = "", rawKey = ""] = path.split(/^\/([^/]*)\/?(.*)$/s);
  const query = queryOf(rawQuery);
  const bucket = decodeURIComponent(rawBucket);
  const key = decodeURIComponent(rawKey);
  const target = bucket === "" ? "service" : key === "" ? "bucket" : "object";
  const found = routes.find(
    ([one, at, name]) => one === method && at === target && (name === "" || query.has(name)),
  );
  return { call: found?.[3] ?? "Unknown", bucket, key, query, path, rawQuery };
}

/** The first that fits. */
const routes: readonly (readonly [method: string, target: string, query: string, call: string])[] =
  [
    ["GET", "service", "", "ListBuckets"],
    ["PUT", "bucket", "", "CreateBucket"],
    ["HEAD", "bucket", "", "HeadBucket"],
    ["DELETE", "bucket", "", "DeleteBucket"],
    ["GET", "bucket", "location", "GetBucketLocation"],
    ["GET", "bucket", "uploads", "ListMultipartUploads"],
    ["GET", "bucket", "list-type", "ListObjectsV2"],
    ["GET", "bucket", "", "ListObjects"],
    ["POST", "bucket", "delete", "DeleteObjects"],
    ["PUT", "object", "uploadId", "UploadPart"],
    ["PUT", "object", "", "PutObject"],
    ["GET", "object", "uploadId", "ListParts"],
    ["GET", "object", "", "GetObject"],
    ["HEAD", "object", "", "HeadObject"],
    ["POST", "object", "uploads", "CreateMultipartUpload"],
    ["POST", "object", "uploadId", "CompleteMultipartUpload"],
    ["DELETE", "object", "uploadId", "AbortMultipartUpload"],
    ["DELETE", "object", "", "DeleteObject"],
  ];

function headersOf({ headers }: IncomingMessage): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
}

async function bodyOf(message: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of message) pieces.push(piece as Buffer);
  return pieces.length === 1 ? (pieces[0] ?? Buffer.alloc(0)) : Buffer.concat(pieces);
}

function send(
  response: ServerResponse,
  answer: Answer,
  how: {
    readonly isHead: boolean;
    readonly isCorrupt: boolean;
    readonly isReset: boolean;
    readonly isCut: boolean;
  },
): void {
  const whole = Buffer.from(answer.body ?? "");
  const cut = how.isCut ? whole.subarray(0, whole.length >> 1) : whole;
  const body = how.isCorrupt ? flipped(cut) : cut;
  response.writeHead(answer.status, {
    "x-amz-request-id": "emulated",
    ...answer.headers,
    "content-length": body.length,
  });
  if (how.isReset) {
    response.write(body.subarray(0, body.length >> 1), () => response.destroy());
    return;
  }
  response.end(how.isHead ? undefined : body);
}
